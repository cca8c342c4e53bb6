/** Studies that cannot run: each fault is found when the file is read, by its own code, naming what is wrong. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { loadStudy, parseLoaded, parseStudy } from "../../src/study/load.ts";

const good = `
name: sample
data:
  rows: { file: rows.csv }
tags:
  Text: { kind: domain }
  Value: { kind: function, answer: number }
stages:
  - name: domain
    train: [Text]
    tasks: [{ data: rows, template: "<Text> {text}" }]
  - name: value
    train: [Value]
    tasks: [{ data: rows, template: "<Text> {text} is <Value>", target: y }]
`;

const withText = async (text: string, work: (file: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), "study-"));
  try {
    await writeFile(join(folder, "study.yaml"), text);
    await work(join(folder, "study.yaml"));
  } finally {
    await rm(folder, { recursive: true });
  }
};

const faults: { name: string; text: string; code: string; mentions: string[] }[] = [
  { name: "not YAML", text: "name: [a", code: "study/yaml", mentions: ["study.yaml"] },
  { name: "empty", text: "", code: "study/invalid", mentions: ["data", "stages"] },
  {
    name: "unknown key",
    text: good.replace("train: [Value]", "train: [Value]\n    stepps: 3"),
    code: "study/invalid",
    mentions: ["stepps", "line"],
  },
  {
    name: "negative steps",
    text: good.replace("train: [Value]", "train: [Value]\n    steps: -3"),
    code: "study/invalid",
    mentions: ["stages.1.steps"],
  },
  {
    name: "rate and learningRate",
    text: good.replace("train: [Value]", "train: [Value]\n    rate: 1\n    learningRate: 1"),
    code: "study/invalid",
    mentions: ["rate", "learningRate", "value"],
  },
  {
    name: "function tag without a target",
    text: good.replace(", target: y", ""),
    code: "study/invalid",
    mentions: ["<Value>", "target"],
  },
  {
    name: "target without a function tag",
    text: good.replace('"<Text> {text}" }', '"<Text> {text}", target: y }'),
    code: "study/invalid",
    mentions: ['"y"'],
  },
  {
    name: "two targets of an answer in text",
    text: good.replace("answer: number", "answer: text").replace("target: y", "target: [y, text]"),
    code: "study/invalid",
    mentions: ["<Value>", "in text", "2 targets"],
  },
  {
    name: "effects of one field",
    text: good.replace("target: y", "target: y, effects: [text]"),
    code: "study/invalid",
    mentions: ["effects"],
  },
  {
    name: "effects of an answer in classes",
    text: good
      .replace("answer: number", "answer: class")
      .replace("target: y", "target: y, effects: [text, y]"),
    code: "study/invalid",
    mentions: ["effects", "numbers"],
  },
  {
    name: "trains what it does not use",
    text: good.replace("train: [Value]", "train: [Text, Value]").replace("<Text> {text} is", "{text} is"),
    code: "study/invalid",
    mentions: ["Text"],
  },
  {
    name: "unknown data",
    text: good.replace('data: rows, template: "<Text> {text}"', 'data: rose, template: "<Text> {text}"'),
    code: "study/name",
    mentions: ['"rose"', "rows"],
  },
  {
    name: "unknown tag",
    text: good.replace("<Text> {text} is", "<Test> {text} is"),
    code: "study/name",
    mentions: ['"Test"', '"Text"'],
  },
  {
    name: "trains an unknown tag",
    text: good.replace("train: [Value]", "train: [Valu]"),
    code: "study/name",
    mentions: ['"Valu"', '"Value"'],
  },
  {
    name: "after an unknown stage",
    text: good.replace("train: [Value]", "after: [domian]\n    train: [Value]"),
    code: "study/name",
    mentions: ['"domian"', '"domain"'],
  },
  {
    name: "two stages of one name",
    text: good.replace("name: value", "name: domain"),
    code: "study/order",
    mentions: ['"domain"'],
  },
  {
    name: "stages that wait for each other",
    text: good
      .replace("train: [Text]", "after: [value]\n    train: [Text]")
      .replace("train: [Value]", "after: [domain]\n    train: [Value]"),
    code: "study/order",
    mentions: ["domain", "value"],
  },
  {
    name: "a tag that nothing trained",
    text: good.replace(/ {2}- name: domain[\s\S]*? {2}- name: value/, "  - name: value"),
    code: "study/order",
    mentions: ["<Text>", "from"],
  },
  {
    name: "a head that is asked and not trained",
    text: good.replace("train: [Value]", "train: [Text]"),
    code: "study/invalid",
    mentions: ['stage "value"', "<Value>", "head"],
  },
  {
    name: "a domain tag that trains on after the function tag beside it",
    text: `${good}  - name: further\n    train: [Text]\n    tasks: [{ data: rows, template: "<Text> {text}" }]\n`,
    code: "study/invalid",
    mentions: ['stage "further"', "<Text>", "<Value>"],
  },
  {
    name: "a domain tag that trains on after a head was solved beside it",
    text: `${good.replace("train: [Value]", "steps: 0\n    train: [Value]")}  - name: further\n    train: [Text]\n    tasks: [{ data: rows, template: "<Text> {text}" }]\n`,
    code: "study/invalid",
    mentions: ['stage "further"', "<Text>", "<Value>"],
  },
  {
    name: "a text to start from without from",
    text: good.replace("kind: domain", 'kind: domain, init: { text: "molecule" }'),
    code: "study/invalid",
    mentions: ["tags.Text.init.text", "line 6", "from: text", "mean"],
  },
  {
    name: "from text without a text",
    text: good.replace("kind: domain", "kind: domain, init: { from: text }"),
    code: "study/invalid",
    mentions: ["tags.Text.init.text", "needs a text"],
  },
  {
    name: "template that does not parse",
    text: good.replace("<Text> {text} is", "<Text {text} is"),
    code: "prompts/unclosed",
    mentions: ["column"],
  },
];

for (const { name, text, code, mentions } of faults) {
  test(`refused: ${name}`, () =>
    withText(text, async (file) => {
      await assert.rejects(loadStudy(file), (e) => {
        assert.ok(e instanceof TagllmError, String(e));
        assert.equal(e.code, code, e.message);
        for (const word of mentions) assert.ok(e.message.includes(word), `${word} in: ${e.message}`);
        return true;
      });
    }));
}

test("a study that is not there, and a folder in its place", async () => {
  await assert.rejects(loadStudy("/nowhere/study.yaml"), { code: "study/missing" });
  await assert.rejects(loadStudy(tmpdir()), { code: "study/missing" });
});

test("defaults are filled in", () => {
  const study = parseStudy(good, "study.yaml");
  assert.deepEqual(study.seeds, [1]);
  assert.equal(study.tags.Text?.length, 10);
  assert.deepEqual(study.data.rows?.split, { by: "row", test: 0.1, validation: 0.1, seed: 0 });
  assert.equal(study.stages[1]?.head.fit, "ridge");
});

test("a domain tag may train on where the function tag beside it does too", () => {
  const further = `${good}  - { name: further, train: [Text], tasks: [{ data: rows, template: "<Text> {text}" }] }\n`;
  const again = `  - { name: again, train: [Value], tasks: [{ data: rows, template: "{text} <Value>", target: y }] }\n`;
  assert.equal(parseLoaded(further + again, "study.yaml").study.stages.length, 4);
  const both = good.replace("train: [Value]", "train: [Text, Value]");
  assert.equal(parseLoaded(both, "study.yaml").study.stages.length, 2);
});

test("a stage without steps leaves the domain tags of others as they are, and solves heads again", () => {
  const further = (steps: number) =>
    `  - { name: further, train: [Text], steps: ${steps}, tasks: [{ data: rows, template: "<Text> {text}" }] }\n`;
  const again = `  - { name: again, train: [Value], steps: 0, tasks: [{ data: rows, template: "<Text> {text} <Value>", target: y }] }\n`;
  assert.equal(parseLoaded(good + further(0), "study.yaml").study.stages.length, 3);
  assert.equal(parseLoaded(good + further(3) + again, "study.yaml").study.stages.length, 4);
});

test("another domain tag may train in front of a function tag that answers in text and stays", () => {
  const text = good
    .replace("answer: number", "answer: text")
    .replace("tags:", "tags:\n  Other: { kind: domain }");
  const further = `  - { name: other, train: [Other], tasks: [{ data: rows, template: "<Other> {text} is <Value> {y}", target: y }] }\n`;
  assert.equal(parseLoaded(text + further, "study.yaml").study.stages.length, 3);
});

test("stages run in the order in which they can", () =>
  withText(
    good
      .replace("name: value", "name: value\n    after: [domain]")
      .replace("name: domain", "name: domain\n    after: []"),
    async (file) => {
      const { study } = await loadStudy(file);
      assert.deepEqual(
        study.stages.map((s) => s.name),
        ["domain", "value"],
      );
    },
  ));
