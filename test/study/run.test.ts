/** Whole studies on the embedded base with made-up rows: what they write, and that the files do what was scored. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { rmse } from "../../src/evaluate/metrics.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { describeRun } from "../../src/report/document.ts";
import { toMarkdown } from "../../src/report/markdown.ts";
import { loadStudy } from "../../src/study/load.ts";
import { isTrainedTag } from "../../src/study/methods.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import type { Report, TaskReport } from "../../src/study/report.ts";
import { runStudy, type StudyEvent } from "../../src/study/run.ts";
import { openTags } from "../../src/tags/library.ts";
import { type Tag, tagDigest } from "../../src/tags/tag.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "runs-"));
  await writeFile(join(folder, "rows.csv"), rows("text"));
  // A public file's name, rows 0 to 119: the base was pretrained on them.
  await writeFile(join(folder, "zinc_qed_30k.csv"), rows("smiles"));
});

after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

/** 120 chains of C, N and O with the number of O, the length and a word for the parity of O. */
function rows(column: string): string {
  const lines = Array.from({ length: 120 }, (_, i) => {
    const text = Array.from({ length: 4 + (i % 7) }, (_, k) => "CNO"[(i * (k + 3) + ((i * i) % 5)) % 3]).join(
      "",
    );
    const oxygens = [...text].filter((c) => c === "O").length;
    return `${text},${oxygens},${text.length},${oxygens % 2 ? "odd" : "even"}`;
  });
  return `${column},oxygens,length,parity\n${lines.join("\n")}\n`;
}

const head = `
name: small
data:
  rows: { file: rows.csv, split: { test: 20, validation: 20 } }
tags:
  Chain: { kind: domain, length: 3 }
  Count: { kind: function, answer: number, length: 2, init: { noise: 0.3 } }
`;
const domainStage = `
  - name: domain
    train: [Chain]
    tasks: [{ data: rows, template: "<Chain> {text}" }]
    steps: 3
    batch: 4`;
const countStage = `
  - name: count
    train: [Count]
    tasks: [{ data: rows, template: "Chain <Chain> {text} has <Count>", target: oxygens }]
    steps: 6
    batch: 8
    head: { solveEvery: 2 }`;

/** Every metric of every trained tag has an interval around what the report says. */
async function assertIntervals(out: string, tasks: number): Promise<void> {
  const described = (await describeRun(out, "no geometry")).stages.flatMap((s) => s.tasks);
  assert.equal(described.length, tasks);
  for (const { task, methods, intervals } of described) {
    const trained = methods.find(isTrainedTag)?.mean ?? assert.fail();
    assert.deepEqual(Object.keys(intervals).sort(), Object.keys(trained).sort());
    for (const [metric, { value, low, high }] of Object.entries(intervals)) {
      const reported = trained[metric] as number;
      assert.ok(Math.abs(value - reported) < 1e-9 * Math.max(1, Math.abs(reported)), `${task} ${metric}`);
      // BLEU of answers of one word is 0 whatever they are.
      const wide = low < high || (metric === "bleu" && value === 0);
      assert.ok(wide && low <= value && value <= high, `${task} ${metric}: ${low} ${value} ${high}`);
    }
  }
}

let runs = 0;

async function run(
  study: string,
  options: { reuse?: "auto" | "none"; onEvent?: (e: StudyEvent) => void } = {},
): Promise<{ out: string; report: Report; tags: Map<string, Tag> }> {
  const name = `run-${runs++}`;
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, study);
  const out = join(folder, name);
  const report = await runStudy(await prepareStudy(await loadStudy(file), base), { out, ...options });
  return { out, report, tags: await openTags([join(out, "tags")]) };
}

const methodsOf = (report: Report, stage: string, target: string | null) =>
  report.stages.find((s) => s.stage === stage)?.tasks.find((t) => t.target === target)?.methods ?? [];
const metric = (report: Report, stage: string, target: string | null, method: string, name: string): number =>
  methodsOf(report, stage, target).find((m) => m.method === method)?.mean[name] as number;

test("domain, then a number: files, events, report, and predictions that repeat the scores", async () => {
  const events: StudyEvent[] = [];
  const study = `${head}stages:${domainStage}${countStage}`;
  const { out, report, tags } = await run(study, { onEvent: (e) => events.push(e) });

  assert.deepEqual((await readdir(out)).sort(), [
    "events.jsonl",
    "losses.jsonl",
    "predictions.jsonl",
    "report.json",
    "run.json",
    "seed-1",
    "study.resolved.json",
    "study.yaml",
    "tags",
  ]);
  assert.deepEqual(
    JSON.parse(await readFile(join(out, "report.json"), "utf8")),
    JSON.parse(JSON.stringify(report)),
  );
  const logged = events.filter(({ kind }) => kind !== "storing" && kind !== "reading");
  const written = (await readFile(join(out, "events.jsonl"), "utf8")).trim().split("\n");
  assert.deepEqual(
    written.map((line) => JSON.parse(line)),
    JSON.parse(JSON.stringify(logged)),
  );
  for (const kind of ["storing", "reading"] as const)
    assert.ok(events.some((e) => e.kind === kind && e.done === e.of));
  assert.equal(events.filter((e) => e.kind === "step").length, 9);
  const lines = (await readFile(join(out, "predictions.jsonl"), "utf8")).trim().split("\n");
  const predicted = lines.map((line) => JSON.parse(line) as { truth: number; predicted: number });
  const repeated = rmse(
    Float64Array.from(predicted, (p) => p.truth),
    Float64Array.from(predicted, (p) => p.predicted),
  );
  assert.equal(predicted.length, 20);
  assert.equal(repeated, metric(report, "count", "oxygens", "function tag", "rmse"));

  const names = methodsOf(report, "count", "oxygens")
    .map((m) => m.method)
    .sort();
  assert.deepEqual(names, ["character counts", "function tag", "linear probe", "mean", "untrained tag"]);
  assert.ok(
    metric(report, "domain", null, "domain tag", "bitsPerCharacter") <
      metric(report, "domain", null, "untrained tag", "bitsPerCharacter"),
  );
  // The number of O is linear in character counts.
  assert.ok(metric(report, "count", "oxygens", "character counts", "rmse") < 0.05);

  const prepared = await prepareStudy(await loadStudy(join(out, "..", "run-0.yaml")), base);
  const test = prepared.stages[1]?.tasks[0]?.rows.test ?? [];
  const predictions = await predict(
    base,
    tags,
    "Count",
    test.map((r) => r.fields),
  );
  const error = rmse(
    Float64Array.from(test, (r) => r.numbers[0] as number),
    Float64Array.from(predictions, (p) => p.values.oxygens as number),
  );
  assert.ok(Math.abs(error - metric(report, "count", "oxygens", "function tag", "rmse")) < 1e-3);
});

test("a head that was trained in 8-bit integers answers the same in f32, as its report says", async (t) => {
  const rounded = await Base.load(defaultBase, { precision: "int8" });
  t.after(() => rounded.close());
  const file = join(folder, "rounded.yaml");
  await writeFile(file, `${head}stages:${domainStage}${countStage}`);
  const prepared = await prepareStudy(await loadStudy(file), rounded);
  const out = join(folder, "rounded");
  await runStudy(prepared, { out });
  const lines = (await readFile(join(out, "predictions.jsonl"), "utf8")).trim().split("\n");
  const reported = lines.map((line) => (JSON.parse(line) as { predicted: number }).predicted);
  const test = prepared.stages[1]?.tasks[0]?.rows.test ?? [];
  const tags = await openTags([join(out, "tags")]);
  for (const used of [rounded, base]) {
    const fields = test.map((r) => r.fields);
    const found = (await predict(used, tags, "Count", fields)).map((p) => p.values.oxygens as number);
    const apart = Math.max(...found.map((x, i) => Math.abs(x - (reported[i] as number))));
    assert.ok(apart < 1e-4, `${apart} in ${used.engine.precision}`);
  }
});

test("the same seed gives the same bits, another seed others", async () => {
  const study = `${head}stages:${domainStage}${countStage}`;
  const [one, again] = [await run(study), await run(study)];
  const other = await run(study.replace("name: small", "name: small\nseeds: [2]"));
  const digest = ({ tags }: { tags: Map<string, Tag> }) => tagDigest(tags.get("Count") as Tag);
  assert.equal(digest(one), digest(again));
  assert.notEqual(digest(one), digest(other));
});

test("stored prefixes change nothing but rounding", async () => {
  const study = `${head}stages:${domainStage}${countStage}`;
  const reuses: string[] = [];
  const onEvent = (e: StudyEvent) => {
    if (e.kind === "stage-begin") reuses.push(e.reuse);
  };
  const stored = await run(study, { onEvent });
  const plain = await run(study, { reuse: "none", onEvent });
  assert.deepEqual(reuses, ["none", "prefix", "none", "none"]);
  for (const method of ["linear probe", "untrained tag"]) {
    const [a, b] = [stored, plain].map((r) => metric(r.report, "count", "oxygens", method, "rmse"));
    assert.ok(Math.abs((a as number) - (b as number)) < 1e-2, `${method}: ${a} and ${b}`);
  }
  const [a, b] = [stored, plain].map((r) => r.tags.get("Count") as Tag);
  const worst = Math.max(
    ...(a as Tag).vectors.map((v, i) => Math.abs(v - ((b as Tag).vectors[i] as number))),
  );
  assert.ok(worst < 2e-3, `vectors differ by ${worst}`);
});

test("several outputs, a gradient head, additive means", async () => {
  const stage = countStage
    .replace("target: oxygens", "target: [oxygens, length], effects: [parity, length]")
    .replace("solveEvery: 2", "fit: gradient");
  const { out, report, tags } = await run(`${head}stages:${domainStage}${stage}`);
  assert.equal(tags.get("Count")?.head?.outputs, 2);
  assert.deepEqual(tags.get("Count")?.outputs, ["oxygens", "length"]);
  const [{ values, intervals } = assert.fail()] = await predict(base, tags, "Count", [{ text: "CCO" }]);
  for (const target of ["oxygens", "length"]) {
    const [low, high] = intervals?.[target] ?? assert.fail();
    assert.ok(low < (values[target] as number) && (values[target] as number) < high, target);
  }
  await assertIntervals(out, 3);
  const page = toMarkdown([await describeRun(out, "no geometry")]);
  assert.match(page, /count\/rows: oxygens/);
  assert.match(page, /count\/rows: length/);
  // The length is one of the two effects.
  assert.ok(metric(report, "count", "length", "additive means", "rmse") < 0.3);
});

test("a text answer, learned and decoded", async () => {
  const study = `${head}  Parity: { kind: function, answer: text, length: 2 }
stages:${domainStage}
  - name: parity
    train: [Parity]
    tasks: [{ data: rows, template: "Chain <Chain> {text} is <Parity> {parity}", target: parity }]
    steps: 40
    batch: 8
    rate: 0.3`;
  const { out, report, tags } = await run(study);
  await assertIntervals(out, 2);
  const [trained, untrained] = ["function tag", "untrained tag"].map((m) =>
    metric(report, "parity", null, m, "nats"),
  );
  assert.ok((trained as number) < (untrained as number) / 2, `${trained} against ${untrained}`);
  const answers = await predict(base, tags, "Parity", [{ text: "CCO" }, { text: "CCCCN" }], {
    answerTokens: 8,
  });
  for (const { values } of answers) assert.match(values.parity as string, /^(odd|even)$/);
});

test("a text answer stands beside what needs no trained tag, also in prompts that were never trained", async () => {
  const study = `${head}  Parity: { kind: function, answer: text, length: 2 }
  Other: { kind: domain, length: 2 }
stages:${domainStage}
  - name: other
    train: [Other]
    tasks: [{ data: rows, template: "<Other> {text}" }]
    steps: 2
  - name: parity
    train: [Parity]
    answers: { examples: [1, 3], validationRows: 5, tokens: 8 }
    tasks:
      - { data: rows, template: "{text} <Chain> <Parity> {parity}", target: parity, plain: ["{text}: {parity}"] }
      - { data: rows, template: "{text} <Other> <Parity> {parity}", target: parity, scoreOnly: true }
    steps: 10
    batch: 8
    rate: 0.3`;
  const { report, tags } = await run(study);
  const [learned, scored] = report.stages.at(-1)?.tasks ?? assert.fail();
  const names = ({ methods }: TaskReport) => methods.map((m) => m.method);
  const always = ["function tag", "untrained tag", "wrong domain tag", "copied field"];
  assert.deepEqual(names(learned as TaskReport), [...always, "no tags", "few-shot prompt"]);
  assert.deepEqual(names(scored as TaskReport), always);
  for (const { methods } of [learned, scored] as TaskReport[])
    for (const { method, mean } of methods)
      assert.ok(Number.isFinite(mean.chrf) && Number.isFinite(mean.exactMatch), method);
  // The tag of the one task announced otherwise is the prompt of the other.
  const of = (task: TaskReport | undefined, name: string) =>
    task?.methods.find((m) => m.method === name)?.mean ?? assert.fail();
  assert.deepEqual(of(learned, "wrong domain tag"), of(scored, "function tag"));
  assert.deepEqual(of(scored, "wrong domain tag"), of(learned, "function tag"));
  // What was only scored leaves no trace in the tag.
  assert.equal(tags.get("Parity")?.template, "{text} <Chain> <Parity> {parity}");
  assert.deepEqual(
    tags.get("Parity")?.usesTags.map(({ name }) => name),
    ["Chain"],
  );
});

test("enrichment trains the domain tag along; lambda counts", async () => {
  const stage = (lambda: number) =>
    countStage.replace("train: [Count]", `train: [Count, Chain]\n    lambda: ${lambda}`);
  const events: StudyEvent[] = [];
  const plain = await run(`${head}stages:${domainStage}${countStage}`);
  const one = await run(`${head}stages:${domainStage}${stage(0.1)}`, { onEvent: (e) => events.push(e) });
  const two = await run(`${head}stages:${domainStage}${stage(10)}`);
  const chain = ({ tags }: { tags: Map<string, Tag> }) => tagDigest(tags.get("Chain") as Tag);
  assert.ok(events.some((e) => e.kind === "step" && e.stage === "count" && (e.domainLoss ?? 0) > 0));
  assert.equal(new Set([chain(plain), chain(one), chain(two)]).size, 3);
});

test("two data sets under one function tag", async () => {
  const stage = countStage.replace(
    "tasks: [",
    'tasks: [{ data: more, template: "Molecule <Chain> {smiles} has <Count>", target: oxygens }, ',
  );
  const data = "  more: { file: zinc_qed_30k.csv, split: { test: 10, validation: 10 } }\ntags:";
  const { report, tags } = await run(`${head.replace("tags:", data)}stages:${domainStage}${stage}`);
  assert.equal(report.stages[1]?.tasks.length, 2);
  const alone = await run(`${head}stages:${domainStage}${countStage}`);
  for (const name of ["mean", "character counts"]) {
    const rmse = (task: TaskReport | undefined) =>
      task?.methods.find(({ method }) => method === name)?.mean.rmse as number;
    const [own, expected] = [rmse(report.stages[1]?.tasks[1]), rmse(alone.report.stages[1]?.tasks[0])];
    assert.ok(Math.abs(own - expected) < 1e-5, `${name}: ${own}, by itself ${expected}`); // scaled with the other task
  }
  assert.equal(tags.get("Count")?.template, "Chain <Chain> {text} has <Count>");
  assert.ok(
    report.warnings.some((w) => w.includes("pretrained on 10 of 10 test rows")),
    report.warnings.join("\n"),
  );
});

test("tasks of a stage that share data are told apart by their prompts", async () => {
  const tasks = ["<Chain> {text}", "Next: <Chain> {text}"].map((t) => `{ data: rows, template: "${t}" }`);
  const file = join(folder, "sharing.yaml");
  await writeFile(
    file,
    `${head}stages:\n  - { name: domain, train: [Chain], tasks: [${tasks.join(", ")}] }\n`,
  );
  const prepared = await prepareStudy(await loadStudy(file), base);
  assert.deepEqual(
    prepared.stages[0]?.tasks.map(({ name }) => name),
    ["domain/rows <Chain> 1", "domain/rows <Chain> 2"],
  );
});

test("the folder of something else is refused, and an abort stops between runs", async () => {
  const study = `${head}stages:${domainStage}`;
  const { out } = await run(study);
  const prepared = await prepareStudy(await loadStudy(join(folder, "run-0.yaml")), base);
  await assert.rejects(runStudy(prepared, { out }), { code: "run/changed" });
  await assert.rejects(runStudy(prepared, { out: folder }), { code: "run/folder" });
  const controller = new AbortController();
  const aborted = runStudy(prepared, {
    out: join(folder, "aborted"),
    signal: controller.signal,
    onEvent: (e) => e.kind === "step" && controller.abort(),
  });
  await assert.rejects(aborted, { code: "aborted" });
  assert.equal((await base.engine.stats()).residents, 0);
});

test("rows that cannot be learned from are counted or refused", async () => {
  await writeFile(join(folder, "bad.csv"), `${rows("text").trim()}\nCCO,many,3,odd\n,2,3,odd\nCCN,,3,odd\n`);
  await writeFile(join(folder, "constant.csv"), rows("text").replace(/,\d+,/g, ",7,"));
  const withFile = (file: string) => `${head.replace("rows.csv", file)}stages:${domainStage}${countStage}`;
  const { report } = await run(withFile("bad.csv"));
  const dropped = report.stages[1]?.tasks[0]?.dropped ?? [];
  assert.deepEqual(
    dropped.map((d) => d.rows).reduce((a, b) => a + b, 0),
    3,
  );
  await assert.rejects(run(withFile("constant.csv")), { code: "study/data" });
  await assert.rejects(run(withFile("rows.csv").replace("target: oxygens", "target: oxigens")), {
    code: "study/data",
  });
});
