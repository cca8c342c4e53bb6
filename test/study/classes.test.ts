/** Function tags that answer with a class, and what every tag with a head says of its doubts. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { describeRun } from "../../src/report/document.ts";
import { toHtml } from "../../src/report/html.ts";
import { loadStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { openTags } from "../../src/tags/library.ts";
import { Random } from "../support/random.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "classes-"));
  const random = new Random(3);
  const rows = Array.from({ length: 400 }, (_, i) => {
    const text = Array.from({ length: 6 }, () =>
      random.pick(i % 3 === 0 ? ["C", "O"] : i % 3 === 1 ? ["N", "O"] : ["S", "C", "N"]),
    ).join("");
    const size = [...text].filter((c) => c === "O").length + random.normal() / 3;
    return `${text},${["with C", "with N", "mixed"][i % 3]},${size}`;
  });
  await writeFile(join(folder, "rows.csv"), `text,kind,oxygens\n${rows.join("\n")}\nCCCCCC,never seen,1\n`);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const study = (answer: string, target: string, more = "") => `name: small
seeds: [1, 2]
data: { rows: { file: rows.csv, split: { test: 120, validation: 120 } } }
tags: { Answer: { kind: function, answer: ${answer}, length: 2, init: { noise: 0.3 } } }
stages:
  - name: answer
    train: [Answer]
    steps: 10
    batch: 8
    validateEvery: 5
    ${more}
    tasks: [{ data: rows, template: "{text} <Answer>", target: ${target} }]
`;

async function trained(name: string, text: string) {
  await writeFile(join(folder, `${name}.yaml`), text);
  const prepared = await prepareStudy(await loadStudy(join(folder, `${name}.yaml`)), base);
  return { prepared, report: await runStudy(prepared, { out: join(folder, name) }) };
}

const texts = ["CCOOCO", "NNONON", "SSCNSC"].map((text) => ({ text }));

test("classes are learned, scored, kept in the tag and predicted with probabilities", async () => {
  const { report } = await trained("classes", study("class", "kind"));
  const [task] = report.stages[0]!.tasks;
  const methods = Object.fromEntries(task!.methods.map((m) => [m.method, m.mean]));
  assert.deepEqual(Object.keys(methods), [
    "class shares",
    "character counts",
    "linear probe",
    "untrained tag",
    "function tag",
  ]);
  assert.deepEqual(Object.keys(methods["function tag"]!), ["rocAuc", "prAuc", "accuracy", "f1", "logLoss"]);
  assert.ok(methods["function tag"]!.accuracy! > 0.8, JSON.stringify(methods["function tag"]));
  assert.ok(methods["class shares"]!.accuracy! < 0.5);
  assert.equal(methods["class shares"]!.rocAuc, 0.5);

  const tags = await openTags(join(folder, "classes", "tags"));
  assert.deepEqual(tags.get("Answer")!.classes, ["mixed", "with C", "with N"]);
  const answers = await predict(base, tags, "Answer", texts);
  assert.deepEqual(
    answers.map((a) => a.values.kind),
    ["with C", "with N", "mixed"],
  );
  for (const { probabilities, classSet, values } of answers) {
    assert.ok(Math.abs(Object.values(probabilities!).reduce((a, b) => a + b) - 1) < 1e-9);
    assert.equal(classSet![0], values.kind);
  }
  const described = await describeRun(join(folder, "classes"), base);
  const shown = Object.keys(methods["function tag"]!).sort();
  assert.deepEqual(Object.keys(described.stages[0]!.tasks[0]!.intervals).sort(), shown);
  const page = toHtml([described]);
  assert.match(page, /Test rows by true kind \(down\) and predicted \(across\)/);
  const lines = (await readFile(join(folder, "classes", "predictions.jsonl"), "utf8")).trim().split("\n");
  const first = JSON.parse(lines[0]!) as { truth: string; probabilities: object };
  assert.equal(typeof first.truth, "string");
  assert.equal(Object.keys(first.probabilities).length, 3);
});

test("a class that no training row has is dropped and counted, or refused among training rows", async () => {
  await writeFile(join(folder, "last.csv"), `text,kind\n${"CO,a\nNO,b\n".repeat(30)}`);
  const fold = study("class", "kind").replace(
    "rows.csv, split: { test: 120, validation: 120 }",
    "last.csv, split: { test: 10, validation: 10 }",
  );
  await writeFile(join(folder, "fold.yaml"), fold);
  const fine = await prepareStudy(await loadStudy(join(folder, "fold.yaml")), base);
  assert.deepEqual(fine.stages[0]!.classes, ["a", "b"]);
  const { sides } = fine.sources.get("rows")!;
  const rows = Array.from({ length: 60 }, (_, i) => (i === sides.test[0] ? "CO,c" : i % 2 ? "NO,b" : "CO,a"));
  await writeFile(join(folder, "last.csv"), `text,kind\n${rows.join("\n")}\n`);
  const unseen = await prepareStudy(await loadStudy(join(folder, "fold.yaml")), base);
  const [task] = unseen.stages[0]!.tasks;
  assert.equal(task!.rows.test.length, 9);
  assert.deepEqual(task!.dropped, [{ reason: "a kind that no training row has", rows: [sides.test[0]] }]);
  const rare = rows.map((row, i) => (i === sides.train[0] ? "CO,d" : row));
  await writeFile(join(folder, "last.csv"), `text,kind\n${rare.join("\n")}\n`);
  await assert.rejects(
    loadStudy(join(folder, "fold.yaml")).then((s) => prepareStudy(s, base)),
    (e) => e instanceof TagllmError && e.code === "study/data" && /only 1 training row .*"d"/.test(e.message),
  );
});

test("what classes cannot have is refused before anything runs", async () => {
  for (const text of [study("class", "[kind, oxygens]"), study("class", "kind", "head: { fit: gradient }")]) {
    await writeFile(join(folder, "bad.yaml"), text);
    await assert.rejects(
      loadStudy(join(folder, "bad.yaml")),
      (e) => e instanceof TagllmError && e.code === "study/invalid",
    );
  }
});

test("numbers come with intervals that hold most test rows, and unlike rows are marked", async () => {
  const { prepared } = await trained("numbers", study("number", "oxygens"));
  const tags = await openTags(join(folder, "numbers", "tags"));
  const [task] = prepared.stages[0]!.tasks;
  const rows = task!.rows.test;
  const answers = await predict(
    base,
    tags,
    "Answer",
    rows.map((r) => r.fields),
  );
  const held = answers.filter(({ intervals }, i) => {
    const [low, high] = intervals!.oxygens!;
    return low <= rows[i]!.numbers[0]! && rows[i]!.numbers[0]! <= high;
  });
  assert.ok(held.length / rows.length > 0.8, `${held.length} of ${rows.length}`);
  assert.ok(answers.filter((a) => a.outOfDomain).length < rows.length * 0.1);
  const strange = ["The quick brown fox", "12345 67890", "Γειά σου", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"].map(
    (text) => ({ text }),
  );
  const marked = await predict(base, tags, "Answer", strange);
  assert.ok(marked.filter((a) => a.outOfDomain).length >= 3, JSON.stringify(marked));
});
