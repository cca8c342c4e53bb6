/** Studies that cannot be run. */
import type { Attack } from "./case.ts";
import { files, goodTable, studyText } from "./world.ts";

const train = ["train", "study.yaml"];

/** A study beside the good table. */
const study = (text: string) => async (folder: string) => {
  await files(folder, { "study.yaml": text, "words.csv": goodTable });
  return train;
};

const stage = (line: string) => `stages:\n  - { name: size, train: [Size], ${line} }`;

export const studyAttacks: Attack[] = [
  {
    name: "no such file",
    code: "study/missing",
    mentions: ["nowhere.yaml"],
    prepare: async () => ["train", "nowhere.yaml"],
  },
  { name: "a folder", code: "study/missing", mentions: ["folder"], prepare: async () => ["train", "."] },
  { name: "not YAML", code: "study/yaml", mentions: ["study.yaml"], prepare: study("name: [words\n") },
  {
    name: "a binary file",
    code: "study/yaml",
    mentions: ["study.yaml"],
    prepare: study("PK\u0003\u0004\u0000\u0000"),
  },
  { name: "an empty file", code: "study/invalid", mentions: ["study.yaml"], prepare: study("") },
  {
    name: "an unknown key",
    code: "study/invalid",
    mentions: ['"stepps"', "steps"],
    prepare: study(
      studyText({
        stages: stage('stepps: 3, tasks: [{ data: words, template: "{word} <Size>", target: size }]'),
      }),
    ),
  },
  {
    name: "steps as a word",
    code: "study/invalid",
    mentions: ["steps"],
    prepare: study(
      studyText({
        stages: stage('steps: many, tasks: [{ data: words, template: "{word} <Size>", target: size }]'),
      }),
    ),
  },
  {
    name: "a tag that is not defined",
    code: "study/name",
    mentions: ["Sise", "Size"],
    prepare: study(
      studyText({
        stages: "stages: [{ name: size, train: [Sise], tasks: [{ data: words, template: '{word}' }] }]",
      }),
    ),
  },
  {
    name: "data that is not defined",
    code: "study/name",
    mentions: ["wrods", "words"],
    prepare: study(
      studyText({ stages: stage('tasks: [{ data: wrods, template: "{word} <Size>", target: size }]') }),
    ),
  },
  {
    name: "stages that wait for each other",
    code: "study/order",
    mentions: ["a", "b"],
    prepare: study(
      studyText({
        stages: `stages:
  - { name: a, after: [b], train: [Word], tasks: [{ data: words, template: "<Word> {word}" }] }
  - { name: b, after: [a], train: [Size], tasks: [{ data: words, template: "{word} <Size>", target: size }] }`,
      }),
    ),
  },
  {
    name: "a domain tag that nothing trains",
    code: "study/order",
    mentions: ["Word"],
    prepare: study(
      studyText({
        stages: stage('tasks: [{ data: words, template: "<Word> {word} <Size>", target: size }]'),
      }),
    ),
  },
  {
    name: "a side larger than the table",
    code: "data/split",
    mentions: ["60"],
    prepare: study(
      studyText({ data: "data: { words: { file: words.csv, split: { test: 60, validation: 8 } } }" }),
    ),
  },
  {
    name: "a number tag without a target",
    code: "study/invalid",
    mentions: ["target"],
    prepare: study(studyText({ stages: stage('tasks: [{ data: words, template: "{word} <Size>" }]') })),
  },
];
