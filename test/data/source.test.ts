/** Values of tables in every format survive as text; ranges, renaming and fingerprints are exact. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import { TagllmError } from "../../src/errors.ts";
import fc from "../support/properties.ts";
import { file } from "./folder.ts";

test("csv: values stay text, quotes and line ends inside them too", async () => {
  const path = file(
    "plain.csv",
    '\ufeffname,"the ""value"""\r\n007,1e5\r\n\r\nNaN,"a, ""b""\r\nc"\r\n  padded\t, "quoted" \r\n,\r\nNULL,true\r\n',
  );
  const table = await readRows({ file: path });
  assert.deepEqual(table.columns, ["name", 'the "value"']);
  assert.deepEqual(
    table.rows.map((row) => table.columns.map((column) => row[column])),
    [
      ["007", "1e5"],
      ["NaN", 'a, "b"\r\nc'],
      ["padded", "quoted"],
      ["", ""],
      ["NULL", "true"],
    ],
  );
  assert.deepEqual([...table.rowNumbers], [0, 1, 2, 3, 4]);
  assert.equal(table.trimmed, 1);
  const content = readFileSync(path);
  assert.deepEqual(table.files, [
    { path, sha256: createHash("sha256").update(content).digest("hex"), bytes: content.length, rows: 5 },
  ]);
});

test("tsv: quoted tabs, unquoted commas; .tab means tsv", async () => {
  const table = await readRows({ file: file("drugs.tab", 'id\tname\n1\t"a\tb"\n2\tN,N-x "y"\n') });
  assert.deepEqual(table.rows, [
    { id: "1", name: "a\tb" },
    { id: "2", name: 'N,N-x "y"' },
  ]);
});

test("jsonl: keys of all rows, numbers and nested values as text", async () => {
  const path = file(
    "rows.jsonl",
    '\ufeff{"a": 1e5, "b": "x"}\n\n{"b": null, "c": [1, {"d": true}], "__proto__": "p"}\r\n',
  );
  const { columns, rows } = await readRows({ file: path });
  assert.deepEqual(columns, ["a", "b", "c", "__proto__"]);
  assert.deepEqual(
    rows.map((row) => columns.map((column) => row[column])),
    [
      ["100000", "x", "", ""],
      ["", "", '[1,{"d":true}]', "p"],
    ],
  );
});

test("jsonl: what JSON.parse would lose in silence is refused", async () => {
  const refused = (line: string, message: RegExp) =>
    assert.rejects(readRows({ file: file("lost.jsonl", `{"a": "b: 1"}\n${line}\n`) }), {
      code: "data/json",
      message,
    });
  for (const number of ["1e400", "-1e400", "12345678901234567890"])
    for (const value of [number, `[1, {"b": ${number}}]`])
      await refused(`{"a": ${value}}`, /lost\.jsonl, line 2: .* "a" .* a JSON reader keeps.* in quotes/);
  const long = `0.${"0".repeat(400)}1`;
  for (const number of ["1e-400", "-2.40E-0324", long, `0.${"0".repeat(250)}1e-99`])
    for (const value of [number, `[0, {"b": ${number}}]`])
      await refused(`{"a": ${value}}`, /lost\.jsonl, line 2 has the number "-?\d.*, which is smaller than/);
  const zeros = `{"a": 0, "b": [0.0e-400, 1e-300, "1e-400", "\\"1e-400"], "c": "${long}"}`;
  assert.equal((await readRows({ file: file("zeros.jsonl", zeros) })).rows[0]?.a, "0");
  for (const line of [
    '{"a": 1, "a": 1}',
    '{"a": "1", "b": "\\"a\\":", "\\u0061" : 2}',
    '{"b": [{"a": {}, "a": 1}]}',
  ])
    await refused(line, /lost\.jsonl, line 2 has a key twice in one object: "\{/);
  const kept = '{"a": "\\"a\\": \\\\", "b": {"a": 1, "b": [{"a": 2}, {"a": 3}]}, "c:": 1e300}';
  await assert.rejects(readRows({ file: file("kept.jsonl", kept) }), { code: "data/json" });
  const { rows } = await readRows({ file: file("kept.jsonl", kept.replace("1e300", "1.5")) });
  assert.deepEqual(rows, [{ a: '"a": \\', b: '{"a":1,"b":[{"a":2},{"a":3}]}', "c:": "1.5" }]);
});

test("text: a line is a row, blank lines included", async () => {
  const { rows } = await readRows({ file: file("verses.txt", 'one\r\n\n three, "3" \nfour') });
  assert.deepEqual(
    rows.map((row) => row.text),
    ["one", "", 'three, "3"', "four"],
  );
});

test("a one-column csv skips blank lines as the others do", async () => {
  const { rows } = await readRows({ file: file("one.csv", "\n\na\n1\n\n2\n\n") });
  assert.deepEqual(rows, [{ a: "1" }, { a: "2" }]);
});

test("rows and columns: a range keeps the row numbers of the file, renaming keeps the other columns", async () => {
  const path = file("range.csv", "Drug,Y,id\nC,1,a\nCC,2,b\nCCC,3,c\nCCCC,4,d\n");
  const table = await readRows({ file: path, rows: { from: 1, to: 3 }, columns: { smiles: "Drug", y: "Y" } });
  assert.deepEqual(table.columns, ["smiles", "y", "id"]);
  assert.deepEqual(table.rows, [
    { smiles: "CC", y: "2", id: "b" },
    { smiles: "CCC", y: "3", id: "c" },
  ]);
  assert.deepEqual([...table.rowNumbers], [1, 2]);
  const swapped = await readRows({ file: path, columns: { Y: "Drug", Drug: "Y" } });
  assert.deepEqual(swapped.rows[0], { Y: "C", Drug: "1", id: "a" });
});

test("names that are patterns or code elsewhere are just names", async () => {
  file("h1.csv", "a\nwrong\n");
  for (const name of ["h[1].csv", "h?.csv", "h*.csv", "it's; DROP TABLE x.csv", "$(id) %20 é{a,b}.csv"]) {
    const { rows } = await readRows({ file: file(name, 'a\n"right"\n') });
    assert.deepEqual(rows, [{ a: "right" }], name);
  }
  const header = await readRows({ file: file("header.csv", 'a\'b,"x""); --",__proto__\n1,2,3\n') });
  assert.deepEqual(header.columns, ["a'b", 'x"); --', "__proto__"]);
  assert.deepEqual(Object.values(header.rows[0]!), ["1", "2", "3"]);
});

test("a field of four million characters", async () => {
  const long = "ACDE".repeat(1_000_000);
  const { rows } = await readRows({ file: file("long.csv", `id,sequence\n1,${long}\n2,"${long}"\n`) });
  assert.ok(rows.every((row) => row.sequence === long));
});

test("the order of the file is kept over many rows", async () => {
  const lines = Array.from({ length: 30_000 }, (_, i) => `${i},"v ${i}"`);
  const { rows } = await readRows({ file: file("many.csv", `i,v\n${lines.join("\n")}`) });
  assert.equal(rows.length, 30_000);
  assert.ok(rows.every((row, i) => row.i === String(i) && row.v === `v ${i}`));
});

test("property: a table written by RFC 4180 comes back", async () => {
  const value = fc.string({
    unit: fc.constantFrom("a", "é", "中", ",", '"', "\n", "\r", "\t", " ", "'", "\\", "[", "0"),
  });
  const tables = fc.integer({ min: 1, max: 4 }).chain((width) =>
    fc.record({
      rows: fc.array(fc.array(value, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 }),
      newline: fc.constantFrom("\n", "\r\n", "\r"),
      delimiter: fc.constantFrom(",", "\t"),
      last: fc.boolean(),
    }),
  );
  await fc.assert(
    fc.asyncProperty(tables, async ({ rows, newline, delimiter, last }) => {
      const header = rows[0]!.map((_, i) => `c${i}`);
      const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
      const lines = [header, ...rows].map((row) => row.map(cell).join(delimiter));
      const path = file("property.dat", lines.join(newline) + (last ? newline : ""));
      const kept = rows.map((row) => row.map((text) => text.trim()));
      const table = await readRows({ file: path, format: delimiter === "," ? "csv" : "tsv" });
      assert.deepEqual(
        table.rows.map((row) => header.map((name) => row[name])),
        kept,
      );
    }),
    { numRuns: 150 },
  );
});

test("a value that goes on after a closing quote is kept as written and its line is told", async () => {
  const path = file("loose.tsv", 'name\ty\n"a"\t1\n"a \\\\"\\""\t2\n"x" is "y".\t3\n');
  const table = await readRows({ file: path });
  assert.deepEqual(table.rows, [
    { name: "a", y: "1" },
    { name: '"a \\\\"\\""', y: "2" },
    { name: '"x" is "y".', y: "3" },
  ]);
  assert.deepEqual(table.looseQuotes, [
    { path, line: 3 },
    { path, line: 4 },
  ]);
});

test("more such lines than a call has room for arguments", async () => {
  const path = file("loose-many.tsv", `name\ty\n${'"x" is\t1\n'.repeat(200_000)}`);
  assert.equal((await readRows({ file: path })).looseQuotes.length, 200_000);
});

test("property: any short text is a table or a named error, never another failure", async () => {
  const soup = fc.string({
    unit: fc.constantFrom("a", ",", '"', '""', "\n", "\r\n", "\r", " ", "\t", "1", "é"),
    maxLength: 24,
  });
  await fc.assert(
    fc.asyncProperty(soup, async (text) => {
      const path = file("soup.csv", text);
      try {
        const { rows, columns } = await readRows({ file: path });
        assert.ok(rows.every((row) => columns.every((column) => typeof row[column] === "string")));
      } catch (error) {
        assert.ok(error instanceof TagllmError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
