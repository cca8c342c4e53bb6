/** where and select: over text, in order, one row at a time; joins and several files keep rows and their places. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf, readRows, streamRows } from "../../src/data/source.ts";
import { file } from "./folder.ts";

const numbers = file("numbers.csv", "id,y,Name\n007,1e5,a\nNaN,,b\n1e5,2.50,c\n'; --,-3,d\n");

test("text stays text, the order and the row numbers stay", async () => {
  const table = await readRows({ file: numbers, where: "id <> 'NaN'", rows: { from: 0, to: 4 } });
  assert.deepEqual(
    table.rows.map((row) => [row.id, row.y, row.Name]),
    [
      ["007", "1e5", "a"],
      ["1e5", "2.50", "c"],
      ["'; --", "-3", "d"],
    ],
  );
  assert.deepEqual([...table.rowNumbers], [0, 2, 3]);
});

test("select gives the fields that it names, null as empty text", async () => {
  const table = await readRows({
    file: numbers,
    where: "TRY_CAST(y AS DOUBLE) < 10 OR y = '' -- keep the empty one",
    select: {
      'the "name"': "upper(name) || ':' || id",
      "log y": "round(ln(TRY_CAST(y AS DOUBLE) + 4), 3)",
      n: "NULL",
    },
  });
  assert.deepEqual(table.columns, ['the "name"', "log y", "n"]);
  assert.deepEqual(table.rows, [
    { 'the "name"': "B:NaN", "log y": "", n: "" },
    { 'the "name"': "C:1e5", "log y": "1.872", n: "" },
    { 'the "name"': "D:'; --", "log y": "0.0", n: "" },
  ]);
});

test("blanks around a selected value are cut off, as they are around one that is read", async () => {
  const select = { spaced: "'  ' || id || ' '", blank: "'  '" };
  const { rows } = await readRows({ file: numbers, where: "Name = 'b'", select });
  assert.deepEqual(rows, [{ spaced: "NaN", blank: "" }]);
});

test("expressions of all allowed kinds", async () => {
  const select = {
    case: "CASE WHEN y = '' THEN 'none' ELSE y END",
    between: "length(id) BETWEEN 2 AND 3",
    list: "list_transform(string_split(name, ''), x -> x || '!')",
    comprehension: "[x || '?' FOR x IN [name, id]]",
    regexp: "regexp_replace(id, '[0-9]+', '#')",
    sorted: "list_sort(['b', name])[1]",
    record: "{'k': id}.k",
    try: "TRY(CAST(id AS INTEGER))",
    hash: "md5(id)",
  };
  const { rows } = await readRows({ file: numbers, select });
  assert.deepEqual(rows[0], {
    case: "1e5",
    between: "true",
    list: "[a!]",
    comprehension: "[a?, 007?]",
    regexp: "#",
    sorted: "a",
    record: "007",
    try: "7",
    hash: "9e94b15ed312fa42232fd87a55db0d39",
  });
});

test("fifty thousand rows: as filtering them by hand", async () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `${(i * 7919) % 1000},v${i}`);
  const path = file("many.csv", `k,v\n${lines.join("\n")}\n`);
  const table = await readRows({ file: path, where: "k::INT % 3 = 1", select: { v: "v" } });
  const expected = lines.flatMap((line, i) => (Number(line.split(",")[0]) % 3 === 1 ? [i] : []));
  assert.deepEqual([...table.rowNumbers], expected);
  assert.ok(table.rows.every((row, i) => row.v === `v${expected[i]}`));
});

test("several files: one after the other, columns by name, every row with its place", async () => {
  const files = [
    file("a.csv", "x,y\n1,2\n3,4\n"),
    file("b.tsv", "y\tx\n6\t5\n"),
    file("c.jsonl", '{"x":7,"y":8}\n'),
  ];
  const table = await readRows({ file: files });
  assert.deepEqual(
    table.rows.map((row) => `${row.x}${row.y}`),
    ["12", "34", "56", "78"],
  );
  assert.deepEqual(
    table.files.map((f) => f.rows),
    [2, 1, 1],
  );
  assert.deepEqual(placeOf(table.files, 1), { path: files[0], row: 1 });
  assert.deepEqual(placeOf(table.files, 2), { path: files[1], row: 0 });
  const middle = await readRows({ file: files, rows: { from: 1, to: 3 } });
  assert.deepEqual([...middle.rowNumbers], [1, 2]);
});

test("joins: pairs of ids become pairs of what they name", async () => {
  const pairs = file("pairs.csv", "drug,protein,pkd\nd2,P1,7\nd1,P2,5\nd2,P2,6\nd9,P1,4\n");
  const drugs = file("drugs.csv", "drug,smiles\nd1,CCO\nd2,c1ccccc1\n");
  const proteins = file("proteins.fasta", ">P1 one\nMKV\n>P2\nGGA\n");
  const join = [
    { file: drugs, on: "drug", missing: "drop" as const },
    { file: proteins, on: { protein: "id" }, columns: { protein_name: "description" } },
  ];
  const table = await readRows({ file: pairs, join, where: "pkd::INT > 4" });
  assert.deepEqual(table.rows, [
    { drug: "d2", protein: "P1", pkd: "7", smiles: "c1ccccc1", protein_name: "one", sequence: "MKV" },
    { drug: "d1", protein: "P2", pkd: "5", smiles: "CCO", protein_name: "", sequence: "GGA" },
    { drug: "d2", protein: "P2", pkd: "6", smiles: "c1ccccc1", protein_name: "", sequence: "GGA" },
  ]);
  assert.deepEqual([...table.rowNumbers], [0, 1, 2]);
  assert.deepEqual(table.dropped, [{ reason: `no drug in ${drugs}`, rows: [3] }]);
  assert.deepEqual(
    table.joined.map((f) => f.path),
    [drugs, proteins],
  );
});

test("a stream: batches as large as asked, in order; stopping early is allowed", async () => {
  const path = file("stream.csv", `i\n${Array.from({ length: 2500 }, (_, i) => i).join("\n")}\n`);
  const sizes: number[] = [];
  for await (const { rows, rowNumbers } of streamRows({ file: path }, { batch: 700 })) {
    assert.ok(rows.every((row, i) => row.i === String(rowNumbers[i])));
    sizes.push(rows.length);
  }
  assert.deepEqual(sizes, [700, 700, 700, 400]);
  for await (const { rows } of streamRows({ file: path, where: "i <> '3'" }, { batch: 4 })) {
    assert.deepEqual(
      rows.map((row) => row.i),
      ["0", "1", "2", "4"],
    );
    break;
  }
});
