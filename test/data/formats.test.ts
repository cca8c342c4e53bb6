/** FASTA, SMILES files, gzip and Parquet: values come through as they are, in order; what is damaged is named. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { stemOf } from "../../src/data/formats.ts";
import { readRows } from "../../src/data/source.ts";
import fc from "../support/properties.ts";
import { file, folder } from "./folder.ts";

const fasta = ">sp|P1|ONE  first protein \nMKV\nlla*\n\n>two\r\nAC DE\r\n";

test("fasta: names, descriptions, either case, lines joined", async () => {
  for (const ending of ["fasta", "fa", "faa", "fna"]) {
    const table = await readRows({ file: file(`p.${ending}`, fasta) });
    assert.deepEqual(table.columns, ["id", "description", "sequence"]);
    assert.deepEqual(table.rows, [
      { id: "sp|P1|ONE", description: "first protein", sequence: "MKVlla*" },
      { id: "two", description: "", sequence: "ACDE" },
    ]);
  }
});

test("smiles: the first line is data, names may have blanks", async () => {
  const table = await readRows({ file: file("m.smi", "CCO ethanol\nc1ccccc1\tthe ring, \n\nC\n") });
  assert.deepEqual(table.rows, [
    { smiles: "CCO", name: "ethanol" },
    { smiles: "c1ccccc1", name: "the ring," },
    { smiles: "C", name: "" },
  ]);
});

test("gzip of every text format is the same table, members one after the other too", async () => {
  const texts = {
    "t.csv": 'a,b\n1,"x\ny"\né,2\n',
    "t.tsv": "a\tb\n1\t2\n",
    "t.jsonl": '{"a":1}\n{"b":"é"}\n',
    "t.txt": "one\r\n\ntwo",
    "t.fasta": fasta,
    "t.smi": "C a\nCC b\n",
  };
  for (const [name, text] of Object.entries(texts)) {
    const plain = await readRows({ file: file(name, text) });
    const bytes = Buffer.from(text);
    const members = Buffer.concat([gzipSync(bytes.subarray(0, 5)), gzipSync(bytes.subarray(5))]);
    for (const packed of [gzipSync(text), members]) {
      const table = await readRows({ file: file(`${name}.gz`, packed) });
      assert.deepEqual([table.columns, table.rows], [plain.columns, plain.rows], name);
      assert.equal(table.files[0]?.bytes, packed.length);
    }
  }
  assert.equal(stemOf("/x/mol.v2.csv.GZ"), "mol.v2");
});

async function parquet(name: string, query: string): Promise<string> {
  const path = join(folder, name);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(
    `COPY (${query}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
  connection.closeSync();
  instance.closeSync();
  return path;
}

test("parquet: values of every kind as text, in the order of the file", async () => {
  const path = await parquet(
    "kinds.parquet",
    `SELECT i, '00' || i AS text, i * 0.1 AS "a ""b""", 1e300::DOUBLE AS big, 0.1::FLOAT AS single, NULL::VARCHAR AS nothing,
       [i, NULL] AS list, {'k': 'v'} AS record, i % 2 = 0 AS even, DATE '2020-02-29' AS day,
       TIMESTAMPTZ '2020-01-01 01:00:00+01' AS moment FROM range(10000) r(i) ORDER BY i DESC`,
  );
  const table = await readRows({ file: path });
  assert.equal(table.rows.length, 10_000);
  assert.ok(table.rows.every((row, i) => row.i === String(9999 - i) && table.rowNumbers[i] === i));
  assert.deepEqual(table.rows[2], {
    i: "9997",
    text: "009997",
    'a "b"': "999.7",
    big: "1e+300",
    single: "0.1",
    nothing: "",
    list: "[9997,null]",
    record: '{"k":"v"}',
    even: "false",
    day: "2020-02-29",
    moment: "2020-01-01 00:00:00+00",
  });
  assert.equal(table.files[0]?.rows, 10_000);
});

test("parquet: names that are patterns are just names", async () => {
  await parquet("h1.parquet", "SELECT 'wrong' AS a");
  for (const name of ["h[1].parquet", "h?.parquet", "h*.parquet", "it's; DROP.parquet"]) {
    const path = await parquet("right.parquet", "SELECT 'right' AS a");
    const { readFileSync } = await import("node:fs");
    writeFileSync(join(folder, name), readFileSync(path));
    assert.deepEqual((await readRows({ file: join(folder, name) })).rows, [{ a: "right" }], name);
  }
});

test("parquet: a column has the file's values, whatever the folder's name says", async () => {
  mkdirSync(join(folder, "x=1", "y=2"), { recursive: true });
  const path = await parquet("x=1/y=2/pairs.parquet", "SELECT i + 5 AS x, 'a' AS b FROM range(2) r(i)");
  const { columns, rows } = await readRows({ file: path });
  assert.deepEqual(columns, ["x", "b"]);
  assert.deepEqual(rows, [
    { x: "5", b: "a" },
    { x: "6", b: "a" },
  ]);
});

test("property: pieces of any size give the same records as the whole", async () => {
  const { CsvParser } = await import("../../src/data/csv.ts");
  const { FastaParser } = await import("../../src/data/molecular.ts");
  const { JsonLinesParser, TextParser } = await import("../../src/data/lines.ts");
  const unit = fc.constantFrom("a", ",", '"', '""', "\n", "\r\n", "\r", " ", ">b", '{"a":1}');
  const all = (
    make: () => { push(t: string, l: boolean): string[][]; looseQuotes: readonly number[] },
    pieces: string[],
  ) => {
    const parser = make();
    try {
      const records = pieces.flatMap((piece) => parser.push(piece, false));
      return { records: [...records, ...parser.push("", true)], loose: parser.looseQuotes };
    } catch (error) {
      return { error: (error as Error).message };
    }
  };
  const makers = [
    () => new CsvParser("f", ","),
    () => new TextParser("f"),
    () => new FastaParser("f"),
    () => new JsonLinesParser("f", ["a"]),
  ];
  fc.assert(
    fc.property(fc.array(fc.string({ unit, maxLength: 6 }), { maxLength: 12 }), (pieces) => {
      for (const make of makers) {
        const [inPieces, whole] = [all(make, pieces), all(make, [pieces.join("")])];
        assert.deepEqual(inPieces, whole);
        assert.deepEqual(all(make, [...pieces.join("")]), whole);
      }
    }),
    { numRuns: 500 },
  );
});

test("characters and line ends on the borders of what is read at once", async () => {
  const filler = "x".repeat(2 ** 20 - 3);
  for (const tail of ["é", "中", "𝄞", "\r\n", '""']) {
    for (const shift of [0, 1, 2, 3]) {
      const value = `${filler.slice(shift)}${tail}end`;
      const { rows } = await readRows({ file: file("border.csv", `a\n"${value}"\n2\n`) });
      assert.deepEqual(
        rows.map((r) => r.a),
        [value.replaceAll('""', '"'), "2"],
      );
    }
  }
});
