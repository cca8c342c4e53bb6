/** Questions without tags: what the base reads, and what is refused as one. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { type PreparedTask, plainCompiler, type TaskRow } from "../../src/study/tasks.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "plain-"));
  const rows = Array.from({ length: 12 }, (_, i) => `cat ${i},chat ${i},${i}`);
  await writeFile(join(folder, "rows.csv"), `en,fr,n\n${rows.join("\n")}\n`);
});

after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

async function studyWith(task: string, answer = "text", table = "rows.csv") {
  const file = join(folder, "study.yaml");
  await writeFile(
    file,
    `name: plain
data:
  rows: { file: ${table}, split: { test: 2, validation: 2 } }
tags:
  To: { kind: function, answer: ${answer}, length: 2 }
stages:
  - name: to
    train: [To]
    tasks: [{ data: rows, ${task} }]
`,
  );
  return loadStudy(file);
}

test("examples stand before the question as they would be written by hand", async () => {
  const loaded = await studyWith('template: "{en} <To> {fr}", target: fr');
  const prepared = await prepareStudy(loaded, base);
  const task = prepared.stages[0]?.tasks[0] as PreparedTask;
  const [first, second, asked] = task.rows.train as [TaskRow, TaskRow, TaskRow];
  const read = (template: string, examples: TaskRow[]) => {
    const form = { source: task.source, bos: task.compiler.bos };
    const { pieces, ids } = plainCompiler(loaded.study, base, form, { template, examples }, 64)(asked);
    assert.equal(ids.includes(-1), false);
    const written = pieces.filter(({ kind }) => kind !== "bos").map((piece) => piece.text);
    return written.join("");
  };
  const pair = (row: TaskRow) => `English: ${row.fields.en}\nFrench: ${row.fields.fr}\n\n`;
  const question = `English: ${asked.fields.en}\nFrench:`;
  const lines = "English: {en}\nFrench: {fr}";
  assert.equal(read(lines, []), question);
  assert.equal(read(lines, [first, second]), pair(first) + pair(second) + question);
  assert.equal(read("{en} = {fr}", [first]), `${first.fields.en} = ${first.fields.fr}\n${asked.fields.en} =`);
});

test("what is no question without tags is refused, and what is for other answers", async () => {
  const template = 'template: "{en} <To> {fr}", target: fr';
  for (const plain of ["{en} <To> {fr}", "{fr} {en}", "{en} = {fr}.", "{fr} = {fr}", "{fr}", "{en}"])
    await assert.rejects(studyWith(`${template}, plain: ["${plain}"]`), { code: "study/invalid" }, plain);
  const number = 'template: "{en} <To>", target: n';
  for (const key of ['plain: ["{en}: {n}"]', "scoreOnly: true"])
    await assert.rejects(studyWith(`${number}, ${key}`, "number"), { code: "study/invalid" }, key);
  await assert.rejects(studyWith(`${template}, scoreOnly: true`), { code: "study/invalid" });
});

test("faults of a plain prompt are found before anything is trained", async () => {
  const question = 'template: "{en} <To> {fr}", target: fr';
  const preparedWith = async (plain: string) =>
    prepareStudy(await studyWith(`${question}, plain: ["{en} = {fr}", "${plain}"]`), base);
  await assert.rejects(preparedWith("{english} = {fr}"), {
    code: "prompts/unknown-field",
    message: /english/,
  });
  const words = "the cat and ".repeat(Math.floor(base.architecture.maxPositions / 9));
  await assert.rejects(preparedWith(`${words}{en} = {fr}`), {
    code: "prompts/too-long",
    message: /to\/rows: the plain prompt "the cat .* with 4 answered rows before it/,
  });
});

test("rows that lack a field of a plain prompt are dropped and counted, and such fields tell no rows apart", async () => {
  const rows = Array.from({ length: 12 }, (_, i) => `cat,chat,${i === 5 ? "" : i}`);
  await writeFile(join(folder, "gap.csv"), `en,fr,n\n${rows.join("\n")}\n`);
  const task =
    'template: "{en} <To> {fr}", target: fr, plain: ["{n}: {en} = {fr}"], rows: { duplicates: keep }';
  const { stages } = await prepareStudy(await studyWith(task, "text", "gap.csv"), base);
  const [prepared = assert.fail()] = stages[0]?.tasks ?? [];
  const { rows: sides, dropped, findings } = prepared;
  assert.deepEqual(dropped, [{ reason: "empty n", rows: [5] }]);
  assert.equal(sides.train.length + sides.validation.length + sides.test.length, 11);
  assert.ok(findings.some(({ kind, rows: equal }) => kind === "equal" && equal.length === 11));
});
