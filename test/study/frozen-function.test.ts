/**
 * A function tag that stands in the prompts of a stage that does not train it keeps what its file says, and so what
 * its next stage begins with: the same as in a run that was stopped between the two.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { loadTag } from "../../src/tags/file.ts";

let base: Base;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "frozen-"));
  base = await Base.load(defaultBase);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

test("a domain tag that learns in front of it leaves the function tag's prompt and companions as they were", async () => {
  const sides = ["train", "validation", "test"];
  const rows = sides.flatMap((side) => [0, 1, 2, 3].map((i) => `${side} ${i},answer ${i},${side}`));
  await writeFile(join(folder, "rows.csv"), `text,answer,side\n${rows.join("\n")}\n`);
  const file = join(folder, "study.yaml");
  await writeFile(
    file,
    `name: frozen
data: { rows: { file: rows.csv, split: { fold: { column: side, test: [test], validation: [validation] } } } }
tags: { Say: { kind: function, answer: text, length: 1 }, Line: { kind: domain, length: 1 } }
stages:
  - name: say
    train: [Say]
    steps: 2
    batch: 2
    tasks: [{ data: rows, template: "{text} <Say> {answer}", target: answer }]
  - name: line
    train: [Line]
    steps: 2
    batch: 2
    tasks: [{ data: rows, template: "<Line> {text} means <Say> {answer}", target: answer }]
  - name: again
    train: [Say]
    steps: 2
    batch: 2
    tasks: [{ data: rows, template: "{text} <Say> {answer}", target: answer }]
`,
  );
  const out = join(folder, "run");
  await runStudy(await prepareStudy(await loadStudy(file), base), { out });
  const { template, usesTags } = await loadTag(join(out, "tags", "Say.safetensors"));
  assert.deepEqual({ template, usesTags }, { template: "{text} <Say> {answer}", usesTags: [] });
});
