/** A study's source from files elsewhere: paths are the study's, joins and expressions are applied, seen rows found. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { allFiles } from "../../src/data/source.ts";
import { parseLoaded } from "../../src/study/load.ts";
import { readSources } from "../../src/study/sources.ts";

const study = `
name: pairs
data:
  pairs:
    file: [pairs/a.csv, pairs/b.csv]
    join:
      - { file: drugs.smi, on: { drug: name } }
      - { file: proteins.fasta, on: { protein: id }, missing: drop }
    where: TRY_CAST(pkd AS DOUBLE) > 1
    select: { smiles: smiles, sequence: upper(sequence), pkd: pkd }
    split: { test: 2, validation: 2 }
tags:
  Affinity: { kind: function, answer: number }
stages:
  - name: affinity
    train: [Affinity]
    tasks: [{ data: pairs, template: "{smiles} {sequence} <Affinity>", target: pkd }]
`;

/** How many of the rows of one source the base counts as seen. */
async function seenOf(source: string, files: Record<string, string | Uint8Array>, entry: object) {
  const folder = mkdtempSync(join(tmpdir(), "tagllm-seen-"));
  try {
    writeFileSync(join(folder, "seen.json"), JSON.stringify({ seen: [entry] }));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const text = `
name: seen
data: { rows: ${source} }
tags: { Value: { kind: function, answer: number } }
stages: [{ name: value, train: [Value], tasks: [{ data: rows, template: "{en} <Value>", target: y }] }]
`;
    const sources = await readSources(parseLoaded(text, join(folder, "study.yaml")), folder);
    const { train, validation, test: tested } = sources.get("rows")?.seen ?? assert.fail();
    return train + validation + tested;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const phrases = `key,en,y\n${Array.from({ length: 10 }, (_, i) => `k${i},text ${i},${i}\n`).join("")}`;
const split = "split: { test: 2, validation: 2 }";

test("a seen file is known packed and unpacked, whichever of them seen.json names", async () => {
  for (const listed of ["phrases.csv", "phrases.csv.gz"]) {
    const entry = { files: [listed], rows: [0, 6] };
    const unpacked = { "phrases.csv": phrases };
    assert.equal(await seenOf(`{ file: phrases.csv, ${split} }`, unpacked, entry), 6, listed);
    const packed = { "phrases.csv.gz": gzipSync(phrases) };
    assert.equal(await seenOf(`{ file: phrases.csv.gz, ${split} }`, packed, entry), 6, listed);
  }
});

test("where seen rows are told by their key, a table without it claims nothing", async () => {
  const files = { "phrases.csv": phrases };
  const entry = { files: ["phrases.csv"], rows: "all but these", unseenKeys: ["k1", "k2"] };
  const of = (more: string) => seenOf(`{ file: phrases.csv, ${more}, ${split} }`, files, entry);
  assert.equal(await of("rows: { from: 0 }"), 8);
  assert.equal(await of("select: { en: en, y: y }"), 0);
  assert.equal(await of("columns: { id: key }"), 0);
  const all = { files: ["phrases.csv"], rows: "all" };
  assert.equal(await seenOf(`{ file: phrases.csv, select: { en: en, y: y }, ${split} }`, files, all), 10);
});

test("files, joins, where and select of a study; seen rows are counted in their own file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tagllm-sources-"));
  try {
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
    mkdirSync(join(folder, "pairs"));
    const pair = (i: number) => `d${i % 3},${i === 4 ? "P9" : `P${i % 2}`},${i}\n`;
    const rows = Array.from({ length: 12 }, (_, i) => pair(i));
    write("pairs/a.csv", `drug,protein,pkd\n${rows.slice(0, 6).join("")}`);
    write("pairs/b.csv", `drug,protein,pkd\n${rows.slice(6).join("")}`);
    write("drugs.smi", "C d0\nCC d1\nCCC d2\n");
    write("proteins.fasta", ">P0\nmkv\n>P1\nGGA\n");
    write("seen.json", JSON.stringify({ seen: [{ files: ["b.csv"], rows: [0, 2] }] }));
    const sources = await readSources(parseLoaded(study, join(folder, "study.yaml")), folder);
    const { table, seen } = sources.get("pairs") ?? assert.fail();
    assert.deepEqual([...table.rowNumbers], [2, 3, 5, 6, 7, 8, 9, 10, 11]);
    assert.deepEqual(table.rows[0], { smiles: "CCC", sequence: "MKV", pkd: "2" });
    assert.deepEqual(
      table.dropped.map((d) => d.rows),
      [[4]],
    );
    assert.equal(seen.train + seen.validation + seen.test, 2);
    assert.deepEqual(
      allFiles(table).map((f) => f.path),
      ["pairs/a.csv", "pairs/b.csv", "drugs.smi", "proteins.fasta"].map((name) => join(folder, name)),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
