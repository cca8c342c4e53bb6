/** The cure that is told for a leak cures it: fields compared as the audit compares them. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { auditStudy, refuseLeaks } from "../../src/study/audit.ts";
import { leakCure } from "../../src/study/audit-text.ts";
import type { Leakage } from "../../src/study/leakage.ts";
import { parseLoaded } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";

function leak(fields: string[], readAs: Leakage["readAs"], same: number, rewritten: number): Leakage {
  const side = { of: 10, near: null, nearChecked: 0, scaffold: null, examples: [] };
  const none = { ...side, same: 0, rewritten: 0 };
  return { fields, readAs, test: { ...side, same, rewritten }, validation: none };
}

const group = (cure: string) => /^Split by: \{ group: \[.*?\](, molecules: \[.*?\])? \}/.exec(cure)?.[0];

test("what is the same as it stands is kept together by its fields", () => {
  const [code, seq] = [leak(["code"], "text", 3, 0), leak(["seq"], "text", 3, 0)];
  assert.equal(leakCure([seq]), "Split by: { group: [seq] }");
  assert.equal(
    leakCure([code, seq, leak(["code", "seq"], "inputs", 3, 0)]),
    "Split by: { group: [code, seq] }",
  );
});

test("fields that were read as molecules are compared as molecules", () => {
  const [drug, seq] = [leak(["drug"], "molecule", 1, 2), leak(["seq"], "text", 4, 0)];
  const pair = leak(["drug", "seq"], "inputs", 0, 2);
  assert.equal(leakCure([drug, seq, pair]), "Split by: { group: [drug, seq], molecules: [drug] }");
  assert.equal(leakCure([drug]), "Split by: { group: [drug], molecules: [drug] }");
});

test("texts written otherwise are compared by a field that select writes alike", () => {
  const cure = leakCure([leak(["seq"], "text", 0, 2)]);
  assert.equal(group(cure), "Split by: { group: [seq_alike] }");
  assert.match(cure, /seq_alike: "lower\(.*\(seq\).*\)"$/);
  assert.match(leakCure([leak(["the text"], "text", 0, 2)]), /the text_alike: "lower\(.*\(\\"the text\\"\)/);
  const [drug, seq] = [leak(["drug"], "molecule", 1, 2), leak(["seq"], "text", 1, 1)];
  const pair = leak(["drug", "seq"], "inputs", 0, 2);
  const both = leakCure([drug, seq, pair]);
  assert.equal(group(both), "Split by: { group: [drug, seq_alike], molecules: [drug] }");
});

test("a study that does as the cure says has no leak left", async () => {
  const base = await Base.load(defaultBase);
  const folder = await mkdtemp(join(tmpdir(), "audit-text-"));
  try {
    const texts = Array.from("abcdefghijklmnop", (letter) => `the caf\u00e9 ${letter} at noon`);
    const writings = texts.flatMap((text) => [
      text,
      text.toUpperCase(),
      text.replace(" at ", "  at "),
      text.normalize("NFD"),
    ]);
    await writeFile(join(folder, "rows.csv"), `seq,y\n${writings.map((t, i) => `${t},${i}`).join("\n")}\n`);
    const prepare = (by: string, select: string) =>
      prepareStudy(
        parseLoaded(
          `name: cured
leaks: error
data: { rows: { file: rows.csv, select: { seq: seq, y: y${select} }, split: { ${by}, test: 10, validation: 10 } } }
tags: { Value: { kind: function, answer: number } }
stages: [{ name: value, train: [Value], tasks: [{ data: rows, template: "{seq} <Value>", target: y }] }]
`,
          join(folder, "study.yaml"),
        ),
        base,
      );
    const leaking = await prepare("by: { group: [seq] }", "");
    const audit = await auditStudy(leaking);
    assert.throws(() => refuseLeaks(leaking, audit), { code: "study/leaks" });
    const [found] = [...audit.values()];
    const cure = leakCure(found?.leakage ?? []);
    const [, by = "", field = ""] = /^Split (by: .*?), where .* fields, (.*)$/.exec(cure) ?? [];
    const cured = await prepare(by, `, ${field}`);
    refuseLeaks(cured, await auditStudy(cured));
  } finally {
    await base.close();
    await rm(folder, { recursive: true });
  }
});
