/** Which fields are compared as molecules: those whose tag says so, however the two stand beside each other. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { leakageOf } from "../../src/study/leakage.ts";
import { parseLoaded } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import type { StudyTask } from "../../src/study/schema.ts";
import type { PreparedTask } from "../../src/study/tasks.ts";

let base: Base;
let folder: string;
let task: PreparedTask;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "leakage-"));
  const rows = [
    "CCO,1,train",
    "c1ccccc1O,2,train",
    "OCC,1,test", // ethanol again
    "Oc1ccccc1,2,test", // phenol again
    "CCCCN,3,validation",
    "CCCCCN,4,validation",
  ];
  await writeFile(join(folder, "rows.csv"), `structure,y,side\n${rows.join("\n")}\n`);
  const study = `name: leaking
data: { rows: { file: rows.csv, split: { fold: { column: side, test: [test], validation: [validation] } } } }
tags: { SMILES: { kind: domain, length: 1 }, Value: { kind: function, answer: number, length: 1 } }
stages:
  - { name: value, train: [SMILES, Value], tasks: [{ data: rows, template: "<SMILES> {structure} <Value>", target: y }] }
`;
  const { stages } = await prepareStudy(parseLoaded(study, join(folder, "study.yaml")), base);
  task = stages[0]!.tasks[0]!;
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

async function readWith(template: StudyTask["template"]): Promise<unknown[]> {
  const [leakage] = await leakageOf({ ...task, spec: { ...task.spec, template } }, []);
  return [leakage?.readAs, leakage?.test.rewritten];
}

const asked = (content: string): StudyTask["template"] => [
  { role: "system", content: "You weigh." },
  { role: "user", content },
];

test("a field after a tag of molecules holds molecules, with any blanks between them or none", async () => {
  for (const blanks of ["", " ", "  ", "\t", "\n"]) {
    const template = `Of <SMILES>${blanks}{structure}: <Value>`;
    assert.deepEqual(await readWith(template), ["molecule", 2], JSON.stringify(blanks));
    assert.deepEqual(await readWith(asked(template)), ["molecule", 2], JSON.stringify(blanks));
  }
});

test("a tag elsewhere, and what only looks like one, says nothing of the field", async () => {
  for (const template of [
    "<SMILES> of {structure} <Value>",
    "{structure} <SMILES> <Value>",
    "\\<SMILES\\> {structure} <Value>",
    "<Text> {structure} <Value>",
  ])
    assert.deepEqual(await readWith(template), ["text", 0], template);
});

test("a leak through another table is not told by rows that are only nearly the same", async () => {
  const words = "one two three four five six seven eight nine ten";
  const near = ["alpha", "beta", "gamma", "delta"].map((w) => `${w} ${words}`);
  const own = [
    ...near.map((text, i) => `${text},${i},train`),
    `${near[0]}s,1,test`,
    "quite another text,1,test",
    "a third one,2,validation",
    "and a fourth,2,validation",
  ];
  const other = [
    "quite another text,1,train",
    "of the rest,2,train",
    "seen by none,1,test",
    "and not that,3,test",
    "nor this,2,validation",
    "a fifth,4,validation",
  ];
  await writeFile(join(folder, "own.csv"), `text,y,side\n${own.join("\n")}\n`);
  await writeFile(join(folder, "other.csv"), `text,y,side\n${other.join("\n")}\n`);
  const fold = "split: { fold: { column: side, test: [test], validation: [validation] } }";
  const study = `name: elsewhere
data: { own: { file: own.csv, ${fold} }, other: { file: other.csv, ${fold} } }
tags: { Value: { kind: function, answer: number, length: 1 } }
stages:
  - name: value
    train: [Value]
    tasks:
      - { data: own, template: "{text} <Value>", target: y }
      - { data: other, template: "{text} <Value>", target: y }
`;
  const { stages } = await prepareStudy(parseLoaded(study, join(folder, "elsewhere.yaml")), base);
  const { tasks } = stages[0]!;
  const [leakage] = await leakageOf(tasks[0]!, tasks);
  const { same, near: nearly, examples } = leakage!.test;
  assert.deepEqual({ same, nearly, examples }, { same: 1, nearly: 1, examples: [] });
  const [alone] = await leakageOf(tasks[0]!, []);
  assert.deepEqual(
    alone!.test.examples.map(({ row }) => row),
    [4],
  );
});
