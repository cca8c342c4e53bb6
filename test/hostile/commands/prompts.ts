/** Templates and rows that make no prompt. */
import type { Attack } from "./case.ts";
import { files, goodTable, studyText } from "./world.ts";

const template =
  (text: string, target = "size") =>
  async (folder: string) => {
    const task = JSON.stringify({ data: "words", template: text, target });
    const stages = `stages:
  - { name: domain, train: [Word], steps: 2, tasks: [{ data: words, template: "<Word> {word}" }] }
  - { name: size, train: [Size], steps: 2, tasks: [${task}] }`;
    await files(folder, { "study.yaml": studyText({ stages }), "words.csv": goodTable });
    return ["inspect", "study.yaml"];
  };

const asked =
  (...fields: string[]) =>
  async (_folder: string, world: { tags: string }) => [
    "predict",
    "--tag",
    "Size",
    "--tags",
    world.tags,
    ...fields.flatMap((f) => ["--field", f]),
  ];

export const promptAttacks: Attack[] = [
  {
    name: "a tag that is not closed",
    code: "prompts/unclosed",
    mentions: ["<Word"],
    prepare: template("<Word {word} <Size>"),
  },
  {
    name: "a brace that closes nothing",
    code: "prompts/stray",
    mentions: ["}"],
    prepare: template("word} <Size>"),
  },
  { name: "a field without a name", code: "prompts/name", mentions: ["{}"], prepare: template("{} <Size>") },
  {
    name: "an escape of nothing",
    code: "prompts/escape",
    mentions: ["\\"],
    prepare: template("{word} \\q <Size>"),
  },
  {
    name: "an unknown tag",
    code: "study/name",
    mentions: ["Wort", "Word"],
    prepare: template("<Wort> {word} <Size>"),
  },
  {
    name: "an unknown field",
    code: "prompts/unknown-field",
    mentions: ["wrod", "word"],
    prepare: template("<Word> {wrod} <Size>"),
  },
  {
    name: "text after the function tag",
    code: "prompts/function-tag",
    mentions: ["Size"],
    prepare: template("{word} <Size> is it, {word}"),
  },
  { name: "an empty template", code: "prompts/empty", mentions: ["template"], prepare: template("") },
  {
    name: "two function tags",
    code: "prompts/two-function-tags",
    mentions: ["Size"],
    prepare: template("{word} <Size> <Size>"),
  },
  {
    name: "a prediction without its field",
    code: "prompts/unknown-field",
    mentions: ["word"],
    prepare: asked("wrd=C"),
  },
  {
    name: "a prediction from an empty field",
    code: "prompts/empty-field",
    mentions: ["word"],
    prepare: asked("word="),
  },
  {
    name: "a limit that no prompt can keep",
    code: "prompts/too-long",
    mentions: ["4"],
    prepare: async (folder) => {
      await files(folder, { "study.yaml": `maxTokens: 4\n${studyText()}`, "words.csv": goodTable });
      return ["train", "study.yaml"];
    },
  },
];
