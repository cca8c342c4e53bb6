/** Tables that cannot be read or learned from. */
import type { Attack } from "./case.ts";
import { files, goodTable } from "./world.ts";

const learn = (file: string) => ["learn", file, "--input", "word:Word", "--target", "size", "--out", "out"];

const table =
  (content: string | Uint8Array, name = "words.csv") =>
  async (folder: string) => {
    await files(folder, { [name]: content });
    return learn(name);
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
];
