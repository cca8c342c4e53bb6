/** A study's source from files elsewhere: paths are the study's, joins and expressions are applied, seen rows found. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
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
