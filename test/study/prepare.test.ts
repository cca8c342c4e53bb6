/** What a study cannot train is refused when it meets its data: stages of two heads, sides that end up empty. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "prepare-"));
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const sides = ["train", "validation", "test"];

/** Rows of all three sides; `familyOf` names the class of the nth row of one. */
async function prepared(stage: string, familyOf = (_side: string, i: number): string => (i % 2 ? "a" : "b")) {
  const rows = sides.flatMap((side) =>
    Array.from({ length: 10 }, (_, i) => `C${"O".repeat(i)},${i},${i % 3},${familyOf(side, i)},${side}`),
  );
  await writeFile(join(folder, "rows.csv"), `text,size,rest,family,side\n${rows.join("\n")}\n`);
  await writeFile(
    join(folder, "study.yaml"),
    `name: small
data: { rows: { file: rows.csv, split: { fold: { column: side, test: [test], validation: [validation] } } } }
tags:
  Size: { kind: function, answer: number, length: 2 }
  Rest: { kind: function, answer: number, length: 2 }
  Family: { kind: function, answer: class, length: 2 }
  Other: { kind: function, answer: class, length: 2 }
  Say: { kind: function, answer: text, length: 2 }
  Tell: { kind: function, answer: text, length: 2 }
stages:
  - { name: both, ${stage} }
`,
  );
  return prepareStudy(await loadStudy(join(folder, "study.yaml")), base);
}

const task = (tag: string, target: string, answer = "") =>
  `{ data: rows, template: "{text} <${tag}>${answer}", target: ${target} }`;

test("a stage asks one function tag with a head, as it trains one head", async () => {
  for (const [first, second, target, other] of [
    ["Size", "Rest", "size", "rest"],
    ["Family", "Other", "family", "family"],
  ] as const) {
    const tasks = `[${task(first, target)}, ${task(second, other)}]`;
    await assert.rejects(prepared(`train: [${first}, ${second}], tasks: ${tasks}`), (e: Error) => {
      assert.equal((e as { code?: string }).code, "study/invalid");
      assert.match(e.message, new RegExp(`"both".*<${first}>.*<${second}>`));
      assert.match(e.message, /a stage of its own/);
      return true;
    });
  }
  const same = `[${task("Size", "size")}, ${task("Size", "size").replace("{text}", "Of {text}:")}]`;
  assert.equal((await prepared(`train: [Size], tasks: ${same}`)).stages[0]?.tasks.length, 2);
  const texts = `[${task("Say", "family", " {family}")}, ${task("Tell", "family", " {family}")}]`;
  assert.equal((await prepared(`train: [Say, Tell], tasks: ${texts}`)).stages[0]?.kind, "text");
});

test("a tag with a head does not read its answer", async () => {
  for (const [tag, target] of [
    ["Size", "size"],
    ["Family", "family"],
  ] as const) {
    const shown = `{ data: rows, template: "{text}, {${target}} <${tag}>", target: ${target} }`;
    await assert.rejects(prepared(`train: [${tag}], tasks: [${shown}]`), {
      code: "study/invalid",
      message: new RegExp(`"${target}" is the target and stands in the template`),
    });
  }
});

test("a side whose classes training lacks is refused as empty, with what was dropped of it", async () => {
  const stage = `train: [Family], tasks: [${task("Family", "family")}]`;
  for (const side of ["validation", "test"]) {
    const strange = (own: string, i: number) => (own === side ? "new" : i % 2 ? "a" : "b");
    await assert.rejects(prepared(stage, strange), (e: Error) => {
      assert.equal((e as { code?: string }).code, "study/data");
      assert.match(e.message, new RegExp(`the ${side} side has 0 usable rows`));
      assert.match(e.message, /\(10 dropped: a family that no training row has\)/);
      return true;
    });
  }
  const some = (own: string, i: number) =>
    own === "validation" ? (i > 0 ? "new" : "a") : own === "test" && i < 5 ? "new" : i % 2 ? "a" : "b";
  await assert.rejects(prepared(stage, some), /validation side has 1 usable rows? \(9 dropped: a family/);
});

test("what a stage asks of a tag that an earlier one trains is compared before anything runs", async () => {
  const then = (tag: string, first: string, second: string) =>
    prepared(
      `train: [${tag}], tasks: [${task(tag, first)}] }\n  - { name: then, train: [${tag}], tasks: [${task(tag, second)}]`,
    );
  assert.equal((await then("Size", "size", "rest")).stages.length, 2);
  assert.equal((await then("Family", "family", "family")).stages.length, 2);
  await assert.rejects(then("Size", "size", "[size, rest]"), {
    code: "study/invalid",
    message: /"Size" answers in 1 number\(s\), and stage "then" asks it for 2 number\(s\) \(size, rest\)/,
  });
  await assert.rejects(then("Family", "family", "rest"), {
    code: "study/data",
    message: /"Family" tells "a", "b" apart, and the data of stage "then" has "0", "1", "2"/,
  });
});
