/** Data files that are broken, are something else, or are asked for what they do not hold. */
import { execFileSync } from "node:child_process";
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { targets } from "../../../src/data/numbers.ts";
import { readRows, type SourceSpec, type Table } from "../../../src/data/source.ts";
import { leaks, type SplitSpec, splitRows } from "../../../src/data/split.ts";
import type { HostileCase } from "./case.ts";

type Attack = Omit<HostileCase, "category">;

/** Reads a file with this name and content. */
function read(name: string, content: string | Uint8Array, options: Omit<SourceSpec, "file"> = {}) {
  return async (dir: string) => {
    await writeFile(join(dir, name), content);
    return await readRows({ file: join(dir, name), ...options });
  };
}

/** Writes files and reads a source of them. */
function withFiles(contents: Record<string, string>, source: SourceSpec) {
  return async (dir: string) => {
    for (const [name, content] of Object.entries(contents)) await writeFile(join(dir, name), content);
    const located = <T extends Pick<SourceSpec, "file">>(spec: T): T => ({
      ...spec,
      file: [spec.file].flat().map((name) => join(dir, name)),
    });
    return await readRows({ ...located(source), join: source.join?.map(located) });
  };
}

const good = "smiles,y\nC,1\nCC,2\nCCC,3\nCCCC,4\n";

/** Does something with the table of a sound file. */
function onTable(use: (table: Table) => unknown) {
  return async (dir: string) => use(await read("good.csv", good)(dir));
}

const split = (spec: Partial<SplitSpec>) =>
  onTable((table) => splitRows(table, { by: "row", test: 1, validation: 1, ...spec }, 0));

const files: Attack[] = [
  {
    name: "a file that does not exist",
    code: "data/missing",
    mentions: ["molecule.csv", 'Did you mean "molecules.csv"?'],
    run: async (dir) => {
      await writeFile(join(dir, "molecules.csv"), good);
      return await readRows({ file: join(dir, "molecule.csv") });
    },
  },
  {
    name: "a file below a file",
    code: "data/missing",
    mentions: ["good.csv/x.csv"],
    run: async (dir) => {
      await writeFile(join(dir, "good.csv"), good);
      return await readRows({ file: join(dir, "good.csv", "x.csv") });
    },
  },
  {
    name: "a folder",
    code: "data/not-a-file",
    mentions: ["folder.csv", "is a folder"],
    run: async (dir) => {
      await mkdir(join(dir, "folder.csv"));
      return await readRows({ file: join(dir, "folder.csv") });
    },
  },
  {
    name: "a device without an end",
    code: "data/not-a-file",
    mentions: ["/dev/zero"],
    run: () => readRows({ file: "/dev/zero", format: "text" }),
  },
  {
    name: "a pipe nobody writes to",
    code: "data/not-a-file",
    mentions: ["pipe.csv"],
    run: async (dir) => {
      execFileSync("mkfifo", [join(dir, "pipe.csv")]);
      return await readRows({ file: join(dir, "pipe.csv") });
    },
  },
  {
    name: "a path with a zero byte",
    code: "data/unreadable",
    mentions: ["ERR_INVALID_ARG_VALUE"],
    run: () => readRows({ file: "rows\0.csv" }),
  },
  {
    name: "four gigabytes of nothing",
    code: "data/binary",
    mentions: ["huge.csv", "zero byte at offset 2"],
    run: async (dir) => {
      await writeFile(join(dir, "huge.csv"), "a\n");
      await truncate(join(dir, "huge.csv"), 2 ** 32);
      return await readRows({ file: join(dir, "huge.csv") });
    },
  },
  { name: "an empty file", code: "data/empty", mentions: ["none.csv"], run: read("none.csv", "") },
  {
    name: "a header without rows",
    code: "data/empty",
    mentions: ["head.csv"],
    run: read("head.csv", "a,b\n"),
  },
  {
    name: "nothing but line ends",
    code: "data/empty",
    mentions: ["void.csv"],
    run: read("void.csv", "\n\r\n\n"),
  },
  {
    name: "json lines without a line",
    code: "data/empty",
    mentions: ["x.jsonl"],
    run: read("x.jsonl", "\n\n"),
  },
  {
    name: "a spreadsheet",
    code: "data/binary",
    mentions: ["book.csv", "zero byte at offset 4"],
    run: read("book.csv", Buffer.from("504b0304000000080000", "hex")),
  },
  {
    name: "UTF-16",
    code: "data/binary",
    mentions: ["wide.csv", "UTF-8"],
    run: read("wide.csv", Buffer.from(`\ufeff${good}`, "utf16le")),
  },
  {
    name: "Latin-1",
    code: "data/binary",
    mentions: ["latin.txt", "not UTF-8"],
    run: read("latin.txt", Buffer.from("na\xefve\n", "latin1")),
  },
  {
    name: "an unknown extension",
    code: "data/format",
    mentions: ['".xlsx"', "csv, tsv, jsonl, text"],
    run: read("book.xlsx", good),
  },
  { name: "no extension", code: "data/format", mentions: ['""'], run: read("constructor", good) },
  {
    name: "an extension that is a word of JavaScript",
    code: "data/format",
    mentions: ['".constructor"'],
    run: read("x.constructor", good),
  },
];

const rows: Attack[] = [
  {
    name: "a row with a field too few, after quoted line ends",
    code: "data/ragged",
    mentions: ["rows.csv, line 6", "1 field", "header has 2", '"alone"'],
    run: read("rows.csv", 'a,b\n"1\n2\n\n3",4\nalone\n5,6\n'),
  },
  {
    name: "a row with a field too many",
    code: "data/ragged",
    mentions: ["line 3", "3 fields"],
    run: read("rows.csv", "a,b\n1,2\n3,4,5\n"),
  },
  {
    name: "a delimiter too many at the end of a row",
    code: "data/ragged",
    mentions: ["line 2", '"1,2,"'],
    run: read("rows.csv", "a,b\n1,2,\n"),
  },
  {
    name: "tabs in a file that says commas",
    code: "data/ragged",
    mentions: ["line 2", "delimiter"],
    run: read("rows.csv", "a\tb\n1,5\t2\n"),
  },
  {
    name: "a quote that swallows the rest of the file",
    code: "data/quote",
    mentions: ["line 3", "never closed"],
    run: read("rows.csv", `a,b\n1,2\n3,"4\n${"5,6\n".repeat(100_000)}`),
  },
  {
    name: "a quote that ends rows later in the middle of a value",
    code: "data/quote",
    mentions: ["line 2", "later line"],
    run: read("rows.tsv", 'a\tb\n1\t"two\n3\tfour" five\n'),
  },
  {
    name: "two columns of one name",
    code: "data/duplicate-column",
    mentions: ['"y" twice'],
    run: read("rows.csv", "y,x,y\n1,2,3\n"),
  },
  {
    name: "a line of JSON lines that is cut off",
    code: "data/json",
    mentions: ["rows.jsonl, line 3"],
    run: read("rows.jsonl", '{"a":1}\n\n{"a":\n{"a":2}\n'),
  },
  {
    name: "a JSON array of rows",
    code: "data/json",
    mentions: ["line 1", "not a JSON object"],
    run: read("rows.jsonl", '[{"a":1}]\n'),
  },
  {
    name: "a JSON number that would lose digits",
    code: "data/json",
    mentions: ["line 1", '"id"'],
    run: read("rows.jsonl", '{"id":12345678901234567890}\n'),
  },
  {
    name: "half a character in JSON",
    code: "data/json",
    mentions: ["surrogate"],
    run: read("rows.jsonl", '{"text":"a\\ud800b"}\n'),
  },
  {
    name: "a megabyte of opening brackets as JSON",
    code: "data/json",
    mentions: ["line 1"],
    run: read("rows.jsonl", "[".repeat(1 << 20)),
  },
];

const requests: Attack[] = [
  {
    name: "a column that is not there",
    code: "data/column",
    mentions: ['"Smiles"', 'Did you mean "smiles"?'],
    run: read("good.csv", good, { columns: { molecule: "Smiles" } }),
  },
  {
    name: "a column named like a method of objects",
    code: "data/column",
    mentions: ['"toString"'],
    run: read("good.csv", good, { columns: { x: "toString" } }),
  },
  {
    name: "a new name that another column has",
    code: "data/duplicate-column",
    mentions: ['"y" twice'],
    run: read("good.csv", good, { columns: { y: "smiles" } }),
  },
  {
    name: "rows beyond the end",
    code: "data/rows",
    mentions: ["[0, 100)", "4 data rows"],
    run: read("good.csv", good, { rows: { to: 100 } }),
  },
  {
    name: "a range that starts after the last row",
    code: "data/rows",
    mentions: ["[4, 4)"],
    run: read("good.csv", good, { rows: { from: 4 } }),
  },
  {
    name: "half a row",
    code: "data/rows",
    mentions: ["0.5"],
    run: read("good.csv", good, { rows: { from: 0.5 } }),
  },
  {
    name: "a negative row",
    code: "data/rows",
    mentions: ["-1"],
    run: read("good.csv", good, { rows: { from: -1 } }),
  },
  {
    name: "a target that is not there",
    code: "data/column",
    mentions: ['"logp"'],
    run: onTable((table) => targets(table, "logp")),
  },
  {
    name: "a split by a field that is not there",
    code: "data/column",
    run: split({ by: { group: ["key"] } }),
  },
  {
    name: "leaks of a field that is not there",
    code: "data/column",
    run: onTable((table) => {
      const none = new Int32Array();
      return leaks(table, { train: none, validation: none, test: none }, ["key"]);
    }),
  },
  {
    name: "a fraction of a row for the test side",
    code: "data/split",
    mentions: ["3.5"],
    run: split({ test: 3.5 }),
  },
  { name: "a test side of all rows", code: "data/split", mentions: ["4 rows"], run: split({ test: 4 }) },
  {
    name: "an endless test side",
    code: "data/split",
    mentions: ["Infinity"],
    run: split({ test: Infinity }),
  },
  {
    name: "a fold no row is in",
    code: "data/split",
    mentions: ['"tset"', '"y"'],
    run: split({ fold: { column: "y", test: ["tset"] } }),
  },
];

const packed = (text: string) => gzipSync(text);

const formats: Attack[] = [
  {
    name: "a gzip that is cut off",
    code: "data/gzip",
    mentions: ["good.csv.gz", "cut off"],
    run: read("good.csv.gz", packed(good).subarray(0, 20)),
  },
  {
    name: "text that says it is gzip",
    code: "data/gzip",
    mentions: ["good.csv.gz", "incorrect header"],
    run: read("good.csv.gz", good),
  },
  {
    name: "a gzip with a bit turned",
    code: "data/gzip",
    mentions: ["good.csv.gz"],
    run: (dir) => {
      const bytes = packed(good);
      bytes[bytes.length - 6] = (bytes[bytes.length - 6] as number) ^ 1;
      return read("good.csv.gz", bytes)(dir);
    },
  },
  {
    name: "a gzip of nothing",
    code: "data/empty",
    mentions: ["good.csv.gz"],
    run: read("good.csv.gz", packed("")),
  },
  {
    name: "a gzip of a spreadsheet",
    code: "data/binary",
    mentions: ["zero byte at offset 1"],
    run: read("good.csv.gz", packed("P\0")),
  },
  {
    name: "twenty kilobytes that unpack to twenty megabytes",
    code: "data/gzip",
    mentions: ["more than 200 times"],
    run: (dir) => read("good.txt.gz", gzipSync(Buffer.alloc(20_000_000, `${"a".repeat(999)}\n`)))(dir),
  },
  {
    name: "Parquet inside gzip",
    code: "data/format",
    mentions: ["good.parquet.gz"],
    run: read("good.parquet.gz", packed("PAR1")),
  },
  {
    name: "a CSV called Parquet",
    code: "data/parquet",
    mentions: ["good.parquet"],
    run: read("good.parquet", good),
  },
  {
    name: "an empty Parquet file",
    code: "data/parquet",
    mentions: ["e.parquet"],
    run: read("e.parquet", ""),
  },
  {
    name: "a Parquet file that is cut off",
    code: "data/parquet",
    mentions: ["cut.parquet"],
    run: read("cut.parquet", Buffer.from("5041523115001500", "hex")),
  },
  {
    name: "a FASTA file without a name",
    code: "data/fasta",
    mentions: ["p.fasta, line 2", '"MKV"', ">"],
    run: read("p.fasta", "\nMKV\n>a\nMKV\n"),
  },
  {
    name: "a FASTA name without a sequence",
    code: "data/fasta",
    mentions: ["line 3", '"b"'],
    run: read("p.fa", ">a\nMKV\n>b\n\n>c\nM\n"),
  },
  {
    name: "a FASTA name without a sequence at the end",
    code: "data/fasta",
    mentions: ["line 3", '"b"'],
    run: read("p.fa", ">a\nMKV\n>b words"),
  },
  { name: "a FASTA > alone", code: "data/fasta", mentions: ["line 1"], run: read("p.fna", ">\nACGT\n") },
  {
    name: "digits in a FASTA sequence",
    code: "data/fasta",
    mentions: ["line 2", '"1"', '"a"'],
    run: read("p.faa", ">a\n1 MKV\n"),
  },
];

const several: Attack[] = [
  {
    name: "no file at all",
    code: "data/files",
    run: () => readRows({ file: [] }),
  },
  {
    name: "a second file with another column",
    code: "data/files",
    mentions: ["b.csv", '"y"', "a.csv"],
    run: withFiles({ "a.csv": "x,y\n1,2\n", "b.csv": "x,z\n1,2\n" }, { file: ["a.csv", "b.csv"] }),
  },
  {
    name: "a broken row in the second file",
    code: "data/ragged",
    mentions: ["b.csv, line 3"],
    run: withFiles({ "a.csv": "x\n1\n", "b.csv": "x\n1\n2,3\n" }, { file: ["a.csv", "b.csv"] }),
  },
  {
    name: "a second file without rows",
    code: "data/empty",
    mentions: ["b.csv"],
    run: withFiles({ "a.csv": "x\n1\n", "b.csv": "x\n" }, { file: ["a.csv", "b.csv"] }),
  },
  {
    name: "a key that the joined file lacks",
    code: "data/join",
    mentions: ["b.csv, data row 1", '"d9"', "drugs.csv", "missing: drop"],
    run: withFiles(
      { "a.csv": "d\nd1\n", "b.csv": "d\nd1\nd9\n", "drugs.csv": "d,s\nd1,C\n" },
      { file: ["a.csv", "b.csv"], join: [{ file: "drugs.csv", on: "d" }] },
    ),
  },
  {
    name: "a key that the joined file has twice",
    code: "data/join",
    mentions: ["drugs.csv, data row 2", '"d1"', "data row 0"],
    run: withFiles(
      { "a.csv": "d\nd1\n", "drugs.csv": "d,s\nd1,C\nd2,C\nd1,CC\n" },
      { file: "a.csv", join: [{ file: "drugs.csv", on: "d" }] },
    ),
  },
  {
    name: "a join on a column that is not there",
    code: "data/column",
    mentions: ["drugs.csv", '"drug"', '"drugs"'],
    run: withFiles(
      { "a.csv": "drug\nd1\n", "drugs.csv": "drugs,s\nd1,C\n" },
      { file: "a.csv", join: [{ file: "drugs.csv", on: "drug" }] },
    ),
  },
  {
    name: "a joined column of a name that the rows have",
    code: "data/duplicate-column",
    mentions: ['"s"', "drugs.csv"],
    run: withFiles(
      { "a.csv": "d,s\nd1,1\n", "drugs.csv": "d,s\nd1,C\n" },
      { file: "a.csv", join: [{ file: "drugs.csv", on: "d" }] },
    ),
  },
  {
    name: "a join that leaves nothing",
    code: "data/empty",
    mentions: ["2 dropped", "drugs.csv"],
    run: withFiles(
      { "a.csv": "d\nd3\nd4\n", "drugs.csv": "d,s\nd1,C\n" },
      { file: "a.csv", join: [{ file: "drugs.csv", on: "d", missing: "drop" }] },
    ),
  },
];

const inCategory = (category: string, attacks: Attack[]): HostileCase[] =>
  attacks.map((attack) => ({ category, ...attack }));

export const dataCases: readonly HostileCase[] = [
  ...inCategory("data files", files),
  ...inCategory("rows of data", rows),
  ...inCategory("requests of data", requests),
  ...inCategory("formats of data", formats),
  ...inCategory("several files", several),
];
