/** A tag reads as much of a row, and writes as much of an answer, as it did in the study that trained it. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { evaluateTag } from "../../src/study/evaluate.ts";
import { freezeTag, readEmbeddings, startTags } from "../../src/study/live.ts";
import { loadStudy } from "../../src/study/load.ts";
import { type Prediction, predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import type { Report } from "../../src/study/report.ts";
import { runStudy } from "../../src/study/run.ts";
import { verifyTags } from "../../src/study/verify-tags.ts";
import { saveTag, tagFile } from "../../src/tags/file.ts";
import { openTags } from "../../src/tags/library.ts";
import type { Tag } from "../../src/tags/tag.ts";

const positions = 24;

let base: Base;
let folder: string;
let report: Report;
let tags: Map<string, Tag>;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "limits-"));
  const rows = Array.from({ length: 40 }, (_, i) => {
    const text = Array.from({ length: 10 + 3 * (i % 7) }, (_, k) => "CNO"[(i * (k + 3) + i * i) % 3]).join(
      "",
    );
    return `${text},${[...text].filter((c) => c === "O").length},${"ab".repeat(1 + (i % 3))}`;
  });
  await writeFile(join(folder, "rows.csv"), `text,oxygens,word\n${rows.join("\n")}\n`);
  const study = await loadStudy(await studyFile("small", `maxTokens: ${positions}`, 2));
  report = await runStudy(await prepareStudy(study, base), { out: join(folder, "run") });
  tags = await openTags(join(folder, "run", "tags"));
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

async function studyFile(name: string, settings: string, tokens: number, from = ""): Promise<string> {
  const file = join(folder, `${name}.yaml`);
  const stage = (tag: string, task: string) =>
    `  - { name: ${tag.toLowerCase()}, train: [${tag}], steps: ${tag === "Say" ? 40 : 2}, rate: 0.3, batch: 4, answers: { tokens: ${tokens} }, tasks: [{ data: rows, template: ${task} }] }`;
  await writeFile(
    file,
    `name: ${name}
${settings}
data: { rows: { file: rows.csv, split: { test: 10, validation: 10 } } }
tags:
  Chain: { kind: domain, length: 2, splitCharacters: true${from} }
  Count: { kind: function, answer: number, length: 2, init: { noise: 0.3 } }
  Say: { kind: function, answer: text, length: 2 }
stages:
${[
  ...(from ? [] : [stage("Chain", '"<Chain> {text}"')]),
  stage("Count", '"<Chain> {text} has <Count>", target: oxygens'),
  stage("Say", '"<Chain> {text} is <Say> {word}", target: word'),
].join("\n")}
`,
  );
  return file;
}

/** The tags of a study before it runs. */
async function started(name: string, settings: string, tokens: number, from = ""): Promise<Map<string, Tag>> {
  const study = await loadStudy(await studyFile(name, settings, tokens, from));
  const live = startTags(await prepareStudy(study, base), await readEmbeddings(base), 1);
  return new Map([...live].map(([tag, own]) => [tag, freezeTag(own, live, base)]));
}

const limits = (of: Map<string, Tag>) =>
  Object.fromEntries([...of].map(([name, tag]) => [name, [tag.maxTokens, tag.answerTokens]]));

/** What the run says of its test rows. */
async function lines<T>(name: string, stage: string): Promise<T[]> {
  const text = await readFile(join(folder, "run", name), "utf8");
  const all = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return all.filter((line) => line.stage === stage);
}

const fieldsOf = async (rows: readonly { row: number }[]) => {
  const table = await readRows({ file: join(folder, "rows.csv") });
  return rows.map(({ row }) => table.rows[row] as Record<string, string>);
};

test("tags keep what their study says, and only where it is not what goes without saying", async () => {
  const own = { Chain: [24, undefined], Count: [24, undefined], Say: [24, 2] };
  assert.deepEqual(limits(tags), own);
  const none = [undefined, undefined];
  const usual = { Chain: none, Count: none, Say: none };
  assert.deepEqual(limits(await started("usual", "", 64)), usual);
  const { maxPositions } = base.architecture;
  assert.deepEqual(limits(await started("whole", `maxTokens: ${maxPositions}`, 64)), usual);
  assert.equal(tags.get("Say")!.usesTags[0]!.sha256, tags.get("Count")!.usesTags[0]!.sha256);
});

test("a tag from a file keeps its own where the study does not train it", async () => {
  const from = ", from: run/tags/Chain.safetensors";
  const found = await started("further", "maxTokens: 40", 9, from);
  assert.deepEqual(limits(found), { Chain: [24, undefined], Count: [40, undefined], Say: [40, 9] });
});

test("predict gives numbers of the prompts that the run read, also in a prompt of the caller's", async () => {
  const known = await lines<{ row: number; predicted: number }>("predictions.jsonl", "count");
  const rows = await fieldsOf(known);
  const found = await predict(base, tags, "Count", rows);
  found.forEach(({ values }, i) => {
    assert.ok(Math.abs((values.oxygens as number) - known[i]!.predicted) < 1e-3, `row ${i}`);
  });
  assert.ok(found.some(({ trimmed }) => trimmed.length > 0));
  const compose = tags.get("Count")!.template!;
  const composed = await predict(base, tags, "Count", rows, { compose });
  assert.deepEqual(
    composed.map(({ values, trimmed }) => [values, trimmed]),
    found.map(({ values, trimmed }) => [values, trimmed]),
  );
  const { maxTokens: _, ...count } = tags.get("Count")!;
  const whole = await predict(base, new Map([...tags, ["Count", count]]), "Count", rows);
  assert.ok(whole.every(({ trimmed }) => trimmed.length === 0));
  assert.notDeepEqual(
    whole.map(({ values }) => values),
    found.map(({ values }) => values),
  );
});

test("text is read, and answers are cut, as in the run; which ones is told", async () => {
  const known = await lines<{ row: number; said: string }>("losses.jsonl", "say");
  const rows = await fieldsOf(known);
  const said = await predict(base, tags, "Say", rows);
  assert.deepEqual(
    said.map(({ values }) => values.word),
    known.map((line) => line.said),
  );
  const tokensOf = ({ values }: Prediction) =>
    base.tokenizer.encode(String(values.word), { atStart: false }).length;
  // As far as it was looked at, an answer of as many tokens as there may be has not ended.
  assert.deepEqual(
    said.map(({ unfinished }) => unfinished === true),
    said.map((answer) => tokensOf(answer) === 2),
  );
  const brief = await predict(base, tags, "Say", rows, { answerTokens: 1 });
  assert.ok(brief.every((answer) => answer.unfinished && tokensOf(answer) === 1));
  const { answerTokens: _, ...say } = tags.get("Say")!;
  const usual = await predict(base, new Map([...tags, ["Say", say]]), "Say", rows);
  assert.ok(usual.every((answer) => !answer.unfinished && tokensOf(answer) < 64));
});

test("eval has the numbers of the report, and counts answers that were cut", async () => {
  const known = await lines<{ row: number }>("losses.jsonl", "say");
  const rows = await fieldsOf(known);
  const held = rows.map(({ text, oxygens, word }) => `${text},${oxygens},${word}`);
  await writeFile(join(folder, "held.csv"), `text,oxygens,word\n${held.join("\n")}\n`);
  const table = await readRows({ file: join(folder, "held.csv") });
  const score = (name: string, targets?: string[]) =>
    evaluateTag(base, tags, name, table, { resamples: 10, ...(targets && { targets }) });
  const reported = (stage: string, method: string) =>
    report.stages.find((s) => s.stage === stage)!.tasks[0]!.methods.find((m) => m.method === method)!.mean;
  const chain = await score("Chain", ["text"]);
  const count = await score("Count");
  const say = await score("Say");
  for (const [found, name, expected] of [
    [chain, "bitsPerCharacter", reported("chain", "domain tag")],
    [count, "rmse", reported("count", "function tag")],
    [say, "nats", reported("say", "function tag")],
  ] as const) {
    const value = found.outputs[0]!.metrics[name]!.value!;
    assert.ok(Math.abs(value - expected[name]!) < 1e-3, `${name}: ${value}, not ${expected[name]}`);
    assert.ok(found.trimmed > 0, name);
  }
  const cut = (await predict(base, tags, "Say", rows)).filter(({ unfinished }) => unfinished).length;
  assert.deepEqual([chain.unfinished, count.unfinished, say.unfinished], [null, null, cut]);
  const brief = await evaluateTag(base, tags, "Say", table, { resamples: 10, answerTokens: 1 });
  assert.equal(brief.unfinished, rows.length);
});

test("verify reads no longer prompt than the tag", async () => {
  const short = { ...tags.get("Count")!, maxTokens: 3 };
  await saveTag(tagFile(join(folder, "short"), "Chain"), tags.get("Chain")!);
  await saveTag(tagFile(join(folder, "short"), "Count"), short);
  const [, found] = await verifyTags(join(folder, "short"), base);
  const check = found!.checks.find(({ check: name }) => name === "difference")!;
  assert.deepEqual([check.state, check.found.includes("the limit is 3")], ["wrong", true], check.found);
});
