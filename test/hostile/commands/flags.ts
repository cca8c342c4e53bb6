/** Command lines that cannot be understood, and flags that contradict each other. */
import type { Attack } from "./case.ts";
import { files, goodTable } from "./world.ts";

const line =
  (...words: string[]) =>
  async () =>
    words;

export const flagAttacks: Attack[] = [
  {
    name: "an unknown command",
    code: "usage",
    mentions: ["trian", "train"],
    prepare: line("trian", "study.yaml"),
  },
  {
    name: "an unknown option",
    code: "usage",
    mentions: ["--sed", "--seed"],
    prepare: line("train", "a.yaml", "--sed", "3"),
  },
  { name: "an argument that is missing", code: "usage", mentions: ["study"], prepare: line("train") },
  {
    name: "a seed that is no number",
    code: "usage",
    mentions: ["one"],
    prepare: line("train", "a.yaml", "--seed", "one"),
  },
  {
    name: "an unknown device",
    code: "usage",
    mentions: ["gpu", "webgpu"],
    prepare: line("train", "a.yaml", "--device", "gpu"),
  },
  {
    name: "a time that is no number",
    code: "usage",
    mentions: ["soon"],
    prepare: line("train", "a.yaml", "--checkpoint", "soon"),
  },
  {
    name: "an unknown format",
    code: "usage",
    mentions: ["pdf", "html"],
    prepare: line("report", "run", "--format", "pdf"),
  },
  {
    name: "fields and a table",
    code: "usage",
    mentions: ["--field", "--data"],
    prepare: line("predict", "--tag", "T", "--field", "a=1", "--data", "x.csv"),
  },
  {
    name: "a field without a value",
    code: "usage",
    mentions: ["smiles", "name=value"],
    prepare: line("predict", "--tag", "T", "--field", "smiles"),
  },
  { name: "one run compared", code: "usage", mentions: ["two"], prepare: line("runs", "compare", "runs/a") },
  {
    name: "runs removed without --yes",
    code: "usage",
    mentions: ["--yes"],
    prepare: async (_f, w) => ["runs", "rm", w.run],
  },
  {
    name: "an input without a tag",
    code: "usage",
    mentions: ["smiles", "COLUMN:TAG"],
    prepare: async (folder) => {
      await files(folder, { "words.csv": goodTable });
      return ["learn", "words.csv", "--input", "smiles", "--target", "size"];
    },
  },
  {
    name: "learn without an input",
    code: "usage",
    mentions: ["--input", "word"],
    prepare: async (folder) => {
      await files(folder, { "words.csv": goodTable });
      return ["learn", "words.csv", "--target", "size"];
    },
  },
  {
    name: "two columns to compare one answer with",
    code: "study/data",
    mentions: ["size", "2 columns", "--target COLUMN"],
    prepare: async (folder, world) => {
      await files(folder, { "words.csv": goodTable });
      return ["eval", world.tags, "words.csv", "--target", "size", "word"];
    },
  },
  {
    name: "a folder to score without a function tag",
    code: "usage",
    mentions: ["empty", "--tag NAME"],
    prepare: async (folder) => {
      await files(folder, { "words.csv": goodTable, "empty/notes.txt": "" });
      return ["eval", "empty", "words.csv"];
    },
  },
  {
    name: "a domain tag to score without its column",
    code: "study/data",
    mentions: ["Word", "--target COLUMN"],
    prepare: async (folder, world) => {
      await files(folder, { "words.csv": goodTable });
      return ["eval", world.tags, "words.csv", "--tag", "Word"];
    },
  },
];
