/** Columns keep their names: in studies, prompts and tags, whatever the names are. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { readRows } from "../../src/data/source.ts";
import { viewColumns } from "../../src/learn/columns.ts";
import {
  defaultRecipe,
  domainStudy,
  functionStudy,
  functionTagOf,
  type Input,
  type Plan,
  renamedOf,
  studyName,
} from "../../src/learn/compose.ts";
import { wholeStudy } from "../../src/learn/whole-study.ts";
import { writtenPieces } from "../../src/prompts/template.ts";
import { parseLoaded } from "../../src/study/load.ts";
import type { Study } from "../../src/study/schema.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "names-"));
});
after(() => rm(folder, { recursive: true }));

/** One row, in which every column holds its own name. */
async function tableOf(columns: readonly string[]): Promise<string> {
  const file = join(folder, "table.csv");
  const line = columns.map((c) => `"${c.replaceAll('"', '""')}"`).join(",");
  await writeFile(file, `${line}\n${line}\n`);
  return file;
}

/** What `learn` and `init` write of a table whose last column is the target. */
async function studiesOf(columns: readonly string[], asked = columns.slice(0, -1)): Promise<Study[]> {
  const file = await tableOf(columns);
  const table = await readRows({ file });
  const inputs = asked.map((column, i): Input => ({ column, tag: `Tag${i}` }));
  const target = table.columns.at(-1) as string;
  const renamed = renamedOf(inputs, table.columns);
  const plan: Plan = {
    name: studyName(file, target),
    file,
    inputs,
    target,
    answer: "number",
    base: null,
    test: 0.1,
    validation: 0.1,
    splitSeed: 0,
    seeds: [1],
    domainSteps: 1,
    molecules: inputs.map((i) => i.column),
    words: true,
    renamed,
  };
  const tagFile = { file: join(folder, "t.safetensors"), length: 1, splitCharacters: false, isolate: true };
  const tags = Object.fromEntries(inputs.map((i) => [i.tag, tagFile]));
  const texts = [
    domainStudy(plan, {}, folder) as string,
    functionStudy(plan, defaultRecipe, tags, folder),
    wholeStudy(file, inputs, target, viewColumns(table), folder, "number"),
  ];
  return texts.map((text) => parseLoaded(text, join(folder, "study.yaml")).study);
}

const fieldsOf = ({ stages }: Study): string[] =>
  stages.flatMap(({ tasks }) =>
    tasks.flatMap(({ template }) =>
      writtenPieces(template).flatMap((p) => (p.kind === "field" ? [p.name] : [])),
    ),
  );

const headers = fc
  .uniqueArray(
    fc.oneof(
      fc.string({ unit: fc.constantFrom(..."ab {}()<>\\:,#\"'-_é溶\n[]&*!|%@`0") }),
      fc.constantFrom("null", "true", "2020", "__proto__", "constructor", "- a", "a: b", "#", "~", "度"),
    ),
    { minLength: 2, maxLength: 4, selector: (name) => name.trim() },
  )
  .map((names) => names.map((name) => name.trim()))
  .filter((names) => names.every((name) => name !== ""));

test("every field of a study reads the column that was asked for, under any names", async () => {
  await fc.assert(
    fc.asyncProperty(headers, async (columns) => {
      const asked = columns.slice(0, -1);
      for (const study of await studiesOf(columns)) {
        const { file: _, columns: renames, split } = study.data.rows as Study["data"][string];
        const { rows } = await readRows({ file: join(folder, "table.csv"), columns: renames });
        const read = (field: string) => rows[0]?.[field];
        // The whole study asks for the inputs in its domain stages and again in the last one.
        const fields = fieldsOf(study);
        assert.deepEqual([...new Set(fields.map(read))], asked);
        assert.deepEqual(
          new Set(Object.values(renames ?? {})),
          new Set(asked.filter((c) => /[{}\n]/.test(c))),
        );
        const { by } = split as { by: { group: string[]; molecules?: string[] } };
        assert.deepEqual(by.group.map(read), asked);
        const task = study.stages.at(-1)?.tasks[0];
        if (task?.target !== undefined) assert.equal(read(task.target as string), columns.at(-1));
        assert.ok((task?.effects ?? []).every((field) => fields.includes(field)));
      }
    }),
    { numRuns: 200 },
  );
});

test("one column under two tags is no pair of effects", async () => {
  for (const study of await studiesOf(["smiles", "y"], ["smiles", "smiles"]))
    assert.equal(study.stages.at(-1)?.tasks[0]?.effects, undefined);
  const [, ...pairs] = await studiesOf(["a", "b", "y"], ["a", "b", "a"]);
  for (const study of pairs) assert.deepEqual(study.stages.at(-1)?.tasks[0]?.effects, ["a", "b"]);
});

test("names that templates can say stay, also in the words around them", async () => {
  const [, study, whole] = (await studiesOf(["log P", "log-P", "溶解度"])) as [Study, Study, Study];
  for (const { data, stages } of [study, whole]) {
    assert.equal(data.rows?.columns, undefined);
    assert.equal(
      stages.at(-1)?.tasks[0]?.template,
      "The log P is <Tag0> {log P}. \nThe log-P is <Tag1> {log-P}. \nThe 溶解度 is <Value>",
    );
    assert.equal(stages.at(-1)?.tasks[0]?.target, "溶解度");
    assert.deepEqual(stages.at(-1)?.tasks[0]?.effects, ["log P", "log-P"]);
  }
  const [, marked] = (await studiesOf(["a <b>", "c\\d"])) as [Study, Study, Study];
  assert.equal(
    marked.stages[0]?.tasks[0]?.template,
    `The a \\<b\\> is <Tag0> {a <b>}. \nThe c\\\\d is <${functionTagOf("c\\d", [])}>`,
  );
});

test("only names that templates cannot say are replaced, by names that nothing else has", () => {
  const columns = ["a{b}", "a(b)", "a\nb", "a b", "a}b{", "plain", "log{P}"];
  const inputs = columns.slice(0, -1).map((column): Input => ({ column, tag: "T" }));
  assert.deepEqual(renamedOf(inputs, columns), [
    { column: "a{b}", field: "a(b) 2" },
    { column: "a\nb", field: "a b 2" },
    { column: "a}b{", field: "a)b(" },
  ]);
  const twice = [inputs[0] as Input, inputs[0] as Input, { column: "a}b{", tag: "T" }];
  assert.deepEqual(renamedOf(twice, [...columns, "a)b("]), [
    { column: "a{b}", field: "a(b) 2" },
    { column: "a}b{", field: "a)b( 2" },
  ]);
});
