/**
 * Trainings that go wrong on purpose, on the embedded base: each sign is said with its cause and cure while it
 * happens and in the report, and a sound training is silent.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { diagnosisText, type Sign, signs } from "../../src/study/diagnosis.ts";
import { loadStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import type { Report } from "../../src/study/report.ts";
import { runStudy, type StudyEvent } from "../../src/study/run.ts";
import { Random } from "../support/random.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "diagnosis-"));
  const random = new Random(11);
  const lines = Array.from({ length: 400 }, (_, i) => {
    const text = Array.from({ length: 6 }, () => random.pick(["C", "N", "O"])).join("");
    const oxygens = [...text].filter((c) => c === "O").length;
    const noise = random.normal();
    return `${text},CCO,${oxygens + noise / 4},${noise},${i % 40 === 7 ? 1e4 : noise},${i % 10}`;
  });
  await writeFile(join(folder, "rows.csv"), `text,same,oxygens,noise,extreme,tenth\n${lines.join("\n")}\n`);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

interface Settings {
  field?: string;
  target?: string;
  stage?: string;
  steps?: number;
  rows?: string;
  split?: string;
}

let count = 0;

async function trained({
  field = "text",
  target = "oxygens",
  stage = "",
  steps = 12,
  rows = "{ to: 400 }",
  split = "test: 100, validation: 100",
}: Settings): Promise<{ found: Sign[]; report: Report; live: string[] }> {
  const name = `run-${count++}`;
  await writeFile(
    join(folder, `${name}.yaml`),
    `name: small
data: { rows: { file: rows.csv, rows: ${rows}, split: { ${split} } } }
tags: { Answer: { kind: function, answer: number, length: 2, init: { noise: 0.3 } } }
stages:
  - name: answer
    train: [Answer]
    tasks: [{ data: rows, template: "{${field}} has <Answer>", target: ${target} }]
    steps: ${steps}
    batch: 8
    validateEvery: 4
    ${stage}
`,
  );
  return runOf(name);
}

async function runOf(name: string) {
  const events: StudyEvent[] = [];
  const prepared = await prepareStudy(await loadStudy(join(folder, `${name}.yaml`)), base);
  const report = await runStudy(prepared, {
    out: join(folder, name),
    onEvent: (e) => events.push(e),
  });
  const warnings = events.flatMap((e) => (e.kind === "warning" ? [e] : []));
  for (const { stage, seed, message, sign } of warnings) {
    assert.ok(report.warnings.includes(`${stage}, seed ${seed}: ${message}`), message);
    assert.ok(message.includes(signs[sign].cause) && message.includes(signs[sign].cure));
  }
  return { found: warnings.map((w) => w.sign), report, live: warnings.map((w) => w.message) };
}

const has = ({ found, live }: { found: Sign[]; live: string[] }, sign: Sign, says: RegExp): void => {
  assert.ok(found.includes(sign), `${sign} is not among ${found.join(", ") || "nothing"}`);
  assert.match(live[found.indexOf(sign)]!, says);
};

test("a sound training is silent", async () => {
  const { found, live } = await trained({ stage: "rate: 0.1" });
  assert.deepEqual(found, [], live.join("\n"));
});

test("rows that are all the same give no gradient", async () => {
  const same = await trained({ field: "same", rows: "{ to: 160 }", split: "test: 40, validation: 20" });
  has(same, "no-gradient", /gradient has been 0 for three steps/);
  assert.ok(!same.found.includes("small-validation"), "nothing was chosen");
});

test("a learning rate of nearly 0 moves nothing; 0 is refused", async () => {
  has(await trained({ stage: "learningRate: 1e-9" }), "no-movement", /can move by at most .*e-9/);
  await assert.rejects(trained({ stage: "learningRate: 0" }), { code: "study/invalid" });
});

test("vectors that grow far beyond the embeddings, and no step that is better than the first", async () => {
  const wild = await trained({ stage: "learningRate: 3" });
  has(wild, "large-rows", /times that of an embedding/);
  has(wild, "not-improved", /No step improved.* as it was before/);
  const last = await trained({ stage: "learningRate: 3\n    keep: last" });
  has(last, "not-improved", /No step improved.* last one was kept/);
  const [kept, first] = [last, wild].map(({ report }) => report.stages[0]?.seeds[0]);
  assert.deepEqual([kept?.bestStep, first?.bestStep], [12, 0]);
  assert.ok((kept?.bestValidationLoss as number) > (first?.bestValidationLoss as number));
});

test("a head that sees nothing leaves validation flat while the tag moves", async () => {
  const head = "head: { shrink: 1e6, penalties: [1e12] }";
  has(await trained({ stage: head }), "flat-validation", /stayed at/);
});

test("a penalty that ends too early", async () => {
  const few = { rows: "{ to: 160 }", split: "test: 40, validation: 100" };
  has(
    await trained({ ...few, stage: "head: { penalties: [1e-6, 1e-5] }" }),
    "largest-penalty",
    /head, 0.00001\./,
  );
  const only = await trained({ ...few, stage: "head: { penalties: [1e-5] }" });
  assert.ok(!only.found.includes("largest-penalty"), "there was no choice");
});

test("labels that are noise are no better than a constant", async () => {
  has(await trained({ target: "noise" }), "no-better-than-constant", /mean of the training rows/);
});

test("extreme targets make the loss jump", async () => {
  has(await trained({ target: "extreme", steps: 40 }), "loss-spikes", /times its median 3 times/);
});

test("a choice by too few validation rows", async () => {
  const few = { rows: "{ to: 160 }", split: "test: 40, validation: 20" };
  has(await trained({ ...few, stage: "learningRate: 5e-4" }), "small-validation", /on 20 rows,/);
  const groups = { split: "by: { group: [tenth] }, test: 80, validation: 80" };
  has(await trained({ ...groups, stage: "rate: 0.1" }), "small-validation", /on 80 rows in 2 groups,/);
  const worse = await trained({ ...groups, stage: "learningRate: 0.3" });
  has(worse, "small-validation", /Step 0 was chosen for the last step's validation loss is higher by/);
  const last = await trained({ ...groups, stage: "rate: 0.1\n    keep: last" });
  assert.deepEqual(last.found, [], "no step was chosen");
});

test("training that changes nothing in what the base reads", async () => {
  await writeFile(
    join(folder, "same.yaml"),
    `name: same
data: { rows: { file: rows.csv, rows: { to: 100 }, split: { test: 20, validation: 40 } } }
tags: { Text: { kind: domain, length: 2 } }
stages:
  - { name: text, train: [Text], tasks: [{ data: rows, template: "<Text> {text}" }], steps: 12, batch: 8, learningRate: 3e-7, validateEvery: 4 }
`,
  );
  has(await runOf("same"), "no-difference", /with the untrained one/);
});

test("few texts learned by heart", async () => {
  await writeFile(
    join(folder, "heart.yaml"),
    `name: heart
data: { rows: { file: rows.csv, rows: { to: 60 }, split: { test: 20, validation: 36 } } }
tags: { Text: { kind: domain, length: 20 } }
stages:
  - { name: text, train: [Text], tasks: [{ data: rows, template: "<Text> {text}" }], steps: 80, batch: 4, rate: 1, validateEvery: 10 }
`,
  );
  has(await runOf("heart"), "overfitting", /rose again/);
});

test("numbers that overflow end the stage with step, cause, cure and what is kept", async () => {
  await assert.rejects(trained({ stage: "learningRate: 1e39" }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "train/diverged");
    assert.match(error.message, /Stage "answer", seed 1: .* (NaN|Infinity)/);
    assert.match(error.message, /learning rate is too high for this base: lower rate/);
    assert.match(error.message, /No stage was finished\./);
    return true;
  });
});

test("the docs have every sign with its cause and its cure", async () => {
  const page = await readFile(new URL("../../docs/training.md", import.meta.url), "utf8");
  for (const [sign, { cause, cure }] of Object.entries(signs)) {
    assert.ok(page.includes(`| \`${sign}\` |`), sign);
    assert.ok(page.includes(`${cause} | ${cure} |`), `${sign}: ${cause} | ${cure}`);
  }
  const text = diagnosisText({ sign: "overfitting", step: 3, problem: "It rose." });
  assert.equal(text, `It rose. Likely cause: ${signs.overfitting.cause}. ${signs.overfitting.cure}`);
});
