/** Tables that cannot be read or learned from. */
import { gzipSync } from "node:zlib";
import type { Attack } from "./case.ts";
import { files, goodTable, studyText } from "./world.ts";

const learn = (file: string) => ["learn", file, "--input", "word:Word", "--target", "size", "--out", "out"];

const table =
  (content: string | Uint8Array, name = "words.csv") =>
  async (folder: string) => {
    await files(folder, { [name]: content });
    return learn(name);
  };

/** A study whose source says this, checked with --dry-run. */
const source =
  (spec: string, others: Record<string, string> = {}) =>
  async (folder: string) => {
    const data = `data: { words: { ${spec}, split: { test: 8, validation: 8 } } }`;
    await files(folder, { "words.csv": goodTable, "study.yaml": studyText({ data }), ...others });
    return ["train", "study.yaml", "--dry-run"];
  };

const withRow = (row: string) => goodTable.replace("\n", `\n${row}\n`);

export const dataAttacks: Attack[] = [
  {
    name: "a name that is nearly right",
    code: "data/missing",
    mentions: ["word.csv", "words.csv"],
    prepare: async (folder) => {
      await files(folder, { "words.csv": goodTable });
      return learn("word.csv");
    },
  },
  {
    name: "a folder",
    code: "data/not-a-file",
    mentions: ["words.csv"],
    prepare: async (folder) => {
      await files(folder, { "words.csv/inside.txt": "" });
      return learn("words.csv");
    },
  },
  { name: "an empty file", code: "data/empty", mentions: ["words.csv"], prepare: table("") },
  { name: "only a header", code: "data/empty", mentions: ["words.csv"], prepare: table("word,size\n") },
  {
    name: "a row with three fields",
    code: "data/ragged",
    mentions: ["line 2", "3"],
    prepare: table(withRow("CCO,3,x")),
  },
  {
    name: "a quote that is not closed",
    code: "data/quote",
    mentions: ["line 2"],
    prepare: table(withRow('"CCO,3')),
  },
  {
    name: "two columns of one name",
    code: "data/duplicate-column",
    mentions: ["size"],
    prepare: table(goodTable.replace("word,", "size,")),
  },
  {
    name: "a PNG",
    code: "data/binary",
    mentions: ["words.csv"],
    prepare: table(Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")),
  },
  {
    name: "an unknown ending",
    code: "data/format",
    mentions: ["words.xlsx"],
    prepare: table("PK", "words.xlsx"),
  },
  {
    name: "JSON lines with half an object",
    code: "data/json",
    mentions: ["line 2"],
    prepare: table('{"word":"C","size":1}\n{"word":', "words.jsonl"),
  },
  {
    name: "an unknown column",
    code: "data/column",
    mentions: ["words", "word"],
    prepare: async (folder) => {
      await files(folder, { "words.csv": goodTable });
      return ["learn", "words.csv", "--input", "words:Word", "--target", "size", "--out", "out"];
    },
  },
  {
    name: "too few rows",
    code: "study/data",
    mentions: ["3 rows", "50"],
    prepare: table("word,size\nC,1\nCC,2\nCCC,3\n"),
  },
  {
    name: "a target that never changes",
    code: "study/data",
    mentions: ["size"],
    prepare: table(goodTable.replace(/,\d$/gm, ",4")),
  },
  {
    name: "the target as input",
    code: "usage",
    mentions: ["size"],
    prepare: async (folder) => {
      await files(folder, { "words.csv": goodTable });
      return ["learn", "words.csv", "--input", "size:Word", "--target", "size", "--out", "out"];
    },
  },
  {
    name: "a gzip that is cut off",
    code: "data/gzip",
    mentions: ["words.csv.gz", "cut off"],
    prepare: table(gzipSync(goodTable).subarray(0, 40), "words.csv.gz"),
  },
  {
    name: "a CSV called Parquet",
    code: "data/parquet",
    mentions: ["words.parquet"],
    prepare: table(goodTable, "words.parquet"),
  },
  {
    name: "a FASTA file without names",
    code: "data/fasta",
    mentions: ["proteins.fasta, line 1", "MKVLA"],
    prepare: async (folder) => {
      await files(folder, { "proteins.fasta": "MKVLA\n" });
      return learn("proteins.fasta");
    },
  },
  {
    name: "a file of molecules without a target",
    code: "usage",
    mentions: ["--target", "smiles", "None of its columns"],
    prepare: async (folder) => {
      await files(folder, { "molecules.smi": "CCO ethanol\nCC ethane\n" });
      return ["learn", "molecules.smi", "--input", "smiles:SMILES"];
    },
  },
  {
    name: "a second file with another column",
    code: "data/files",
    mentions: ["more.csv", '"size"'],
    prepare: source("file: [words.csv, more.csv]", { "more.csv": "word,length\nC,1\n" }),
  },
  {
    name: "a join on a key that is not there",
    code: "data/join",
    mentions: ["words.csv, data row 1", "CO1", "groups.csv"],
    prepare: source("file: words.csv, join: [{ file: groups.csv, on: word }]", {
      "groups.csv": "word,group\nC0,a\n",
    }),
  },
  {
    name: "a join on a key that is there twice",
    code: "data/join",
    mentions: ["groups.csv, data row 1", "C0"],
    prepare: source("file: words.csv, join: [{ file: groups.csv, on: word }]", {
      "groups.csv": "word,group\nC0,a\nC0,b\n",
    }),
  },
  {
    name: "a where that reads a file",
    code: "data/sql",
    mentions: ["where", "a query"],
    prepare: source("file: words.csv, where: \"word IN (SELECT content FROM read_text('/etc/passwd'))\""),
  },
  {
    name: "a where that ends and begins COPY",
    code: "data/sql",
    mentions: ["where", "more than one expression"],
    prepare: source("file: words.csv, where: \"true; COPY batch TO 'stolen.csv'\""),
  },
  {
    name: "a where that loads an extension",
    code: "data/sql",
    mentions: ["where", "INSTALL httpfs"],
    prepare: source('file: words.csv, where: "1); INSTALL httpfs; --"'),
  },
  {
    name: "a select of a column that is not there",
    code: "data/sql",
    mentions: ["select.word", '"words"', '"word"'],
    prepare: source("file: words.csv, select: { word: upper(words), size: size }"),
  },
  {
    name: "a select that fails on a row",
    code: "data/sql",
    mentions: ["words.csv, data row 0", "select.size", "C0"],
    prepare: source("file: words.csv, select: { word: word, size: word::INTEGER }"),
  },
  {
    name: "a where that keeps nothing",
    code: "data/empty",
    mentions: ["words.csv", "where"],
    prepare: source("file: words.csv, where: \"size = 'large'\""),
  },
  {
    name: "a broken line in a table to predict, after good ones",
    code: "data/ragged",
    mentions: ["words.csv, line 62"],
    prepare: async (folder, { tags }) => {
      await files(folder, { "words.csv": `${goodTable}C,1,2\n` });
      return ["predict", "--tag", "Size", "--tags", tags, "--data", "words.csv", "--out", "out.parquet"];
    },
  },
  {
    name: "a table to score without the truth",
    code: "data/column",
    mentions: ["size", "--target"],
    prepare: async (folder, world) => {
      await files(folder, { "words.csv": "word\nCO\nCOO\n" });
      return ["eval", world.tags, "words.csv"];
    },
  },
  {
    name: "a table to score whose truth is no number",
    code: "study/data",
    mentions: ["Size", "2 rows: size is"],
    prepare: async (folder, world) => {
      await files(folder, { "words.csv": "word,size\nCO,big\nCOO,big\n" });
      return ["eval", world.tags, "words.csv"];
    },
  },
];
