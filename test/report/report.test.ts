/** A small run with hostile data, reported: what the page says, that it is one file, and that data stays text. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { rmse } from "../../src/evaluate/metrics.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { describeRun, type RunDocument } from "../../src/report/document.ts";
import { toHtml } from "../../src/report/html.ts";
import { toMarkdown } from "../../src/report/markdown.ts";
import { loadStudy } from "../../src/study/load.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { pageFaults } from "../../verify/html.ts";
import { run, temporaryFolder } from "../cli/command.ts";

const hostile = `<script>alert("x")</script>|*b*&`;
let folder: string;
let base: Base;
let document: RunDocument;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "report-"));
  base = await Base.load(defaultBase);
  const lines = Array.from({ length: 60 }, (_, i) => {
    const chain = "C".repeat(1 + (i % 9)) + "O".repeat(i % 4);
    return `${chain},"note ${i} ${hostile.replaceAll('"', '""')}",${chain.length}`;
  });
  await writeFile(join(folder, "rows.csv"), `smiles,note,size\n${lines.join("\n")}\n`);
  await writeFile(
    join(folder, "study.yaml"),
    `name: hostile
about: Sizes & <i>notes</i>
seeds: [1, 2]
data: { rows: { file: rows.csv, split: { test: 20, validation: 10 } } }
tags:
  Size: { kind: function, answer: number, length: 2, init: { noise: 0.3 } }
stages:
  - name: size
    train: [Size]
    steps: 6
    batch: 4
    validateEvery: 3
    tasks: [{ data: rows, template: "{smiles} with {note} <Size>", target: size }]
`,
  );
  const study = await loadStudy(join(folder, "study.yaml"));
  await runStudy(await prepareStudy(study, base), { out: join(folder, "run") });
  document = await describeRun(join(folder, "run"), base);
});

after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

test("the page needs nothing else and holds what the run found", () => {
  const html = toHtml([document]);
  assert.doesNotMatch(html, /<script|<link|<img|<iframe|@import|url\(/i);
  const loaded = [...html.matchAll(/(?:href|src)\s*=\s*["']([^"']*)/gi)].map(([, to]) => to);
  assert.deepEqual(loaded, []);
  for (const part of [
    "Read first",
    "Training loss",
    "Gradient norm",
    "Worst test rows",
    "Where the tags lie",
  ])
    assert.ok(html.includes(part), part);
  assert.ok(html.includes("Sizes &amp; &lt;i&gt;notes&lt;/i&gt;"));
  assert.ok(html.includes("&lt;script&gt;alert("), "the rows are shown as text");
  assert.equal(html.match(/<figure>/g)?.length, 12);
  const molecules = html.match(/<figure><svg/g)?.length;
  assert.equal(molecules, 12, "the field with molecules is drawn, the one with notes is not");
  const polylines = html.match(/<polyline/g)?.length;
  assert.equal(polylines, 6, "three charts, two seeds");
});

test("pages are well formed, with headings in order and a text for every picture", () => {
  const none = { unbalanced: [], loading: [], headings: [], silent: [], doubleIds: [] };
  assert.deepEqual(pageFaults(toHtml([document])), none);
  assert.deepEqual(pageFaults(toHtml([document, document])), none);
  const broken = `<h1>a</h1><h3>b</h3><svg viewBox="0 0 1 1"></svg><p><b></p><i id="x"></i><i id="x" onclick="y()"></i>`;
  assert.deepEqual(pageFaults(broken), {
    unbalanced: ["</p> inside <b>", "<p> never closes", "<b> never closes"],
    loading: [' onclick="y()'],
    headings: ["h3 after h1"],
    silent: ['<svg viewBox="0 0 1 1">'],
    doubleIds: ["x"],
  });
});

test("the numbers are those of the run's own predictions", async () => {
  const [task] = document.stages[0]!.tasks;
  const lines = (await readFile(join(folder, "run", "predictions.jsonl"), "utf8")).trim().split("\n");
  const rows = lines.map(
    (l) => JSON.parse(l) as { seed: number; row: number; truth: number; predicted: number },
  );
  const perSeed = [1, 2].map((seed) => {
    const own = rows.filter((r) => r.seed === seed);
    assert.equal(own.length, 20);
    return rmse(
      Float64Array.from(own, (r) => r.truth),
      Float64Array.from(own, (r) => r.predicted),
    );
  });
  const mean = (perSeed[0]! + perSeed[1]!) / 2;
  const interval = task!.intervals.rmse!;
  assert.ok(Math.abs(interval.value - mean) < 1e-9);
  assert.ok(interval.low < mean && mean < interval.high);
  assert.ok(Math.abs(task!.methods.find((m) => m.method === "function tag")!.mean.rmse! - mean) < 1e-9);
  const errors = task!.worst.map((r) => Math.abs((r.predicted as number) - (r.truth as number)));
  assert.deepEqual(
    errors,
    [...errors].sort((a, b) => b - a),
  );
  const both = rows.filter((r) => r.row === task!.worst[0]!.row);
  assert.equal(task!.worst[0]!.predicted, (both[0]!.predicted + both[1]!.predicted) / 2);
  assert.equal(task!.scatter.length, 20);
});

test("tags lie where their vectors do", () => {
  assert.ok(typeof document.geometry !== "string");
  const [tag] = document.geometry.tags;
  assert.equal(tag!.vectors.length, 2);
  for (const { norm, nearest } of tag!.vectors) {
    assert.ok(norm > 0);
    assert.equal(nearest.length, 3);
    assert.ok(nearest[0]!.cosine >= nearest[1]!.cosine && nearest[0]!.cosine <= 1 + 1e-6);
  }
  assert.ok(Math.abs(document.geometry.cosines[0]![0]! - 1) < 1e-6);
});

test("Markdown keeps data out of its markup", () => {
  const text = toMarkdown([document]);
  assert.doesNotMatch(text, /<script/);
  const header = text.split("\n").find((l) => l.startsWith("| row"))!;
  const worst = text.split("\n").filter((l) => l.includes("alert("));
  assert.equal(worst.length, 12);
  const columns = (line: string) => line.split(/(?<!\\)\|/).length;
  for (const line of worst) assert.equal(columns(line), columns(header));
});

test("the commands: report, runs list, show, compare, rm", async (t) => {
  const home = temporaryFolder(t);
  await cp(join(folder, "run"), join(home, "runs", "first"), { recursive: true });
  await cp(join(folder, "run"), join(home, "runs", "deep", "second"), { recursive: true });
  const made = await run(["report", "runs/first"], home);
  assert.equal(made.stdout, "runs/first/report.html\n", made.stderr);
  assert.ok((await stat(join(home, "runs/first/report.html"))).size > 20_000);
  const both = await run(["report", "runs/first", "runs/deep/second", "--out", "both.html"], home);
  assert.equal(both.code, 0, both.stderr);
  assert.match(await readFile(join(home, "both.html"), "utf8"), /The runs beside each other/);
  const markdown = await run(["report", "runs/first", "--format", "md"], home);
  assert.match(markdown.stdout, /^# hostile\n/);
  const json = await run(["report", "runs/first", "--format", "json"], home);
  assert.equal((JSON.parse(json.stdout) as RunDocument[])[0]!.study.name, "hostile");
  const elsewhere = await run(["report", "runs/first", "--base", "nowhere"], home);
  assert.match(elsewhere.stderr, /^error\[model\/missing\]|^error\[weights\//);
  const unclear = await run(["report", "runs/first", "runs/deep/second"], home);
  assert.equal(unclear.code, 2);

  const list = await run(["runs", "list"], home);
  assert.match(list.stdout, /runs\/deep\/second\s+finished\s+hostile.*\n.*runs\/first\s+finished\s+hostile/);
  const shown = await run(["runs", "show", "runs/first"], home);
  assert.match(shown.stdout, /state\s+finished[\s\S]*size\/rows: The function tag /);
  const same = await run(["runs", "compare", "runs/first", "runs/deep/second"], home);
  assert.match(same.stdout, /the same study/);
  await writeFile(join(home, "runs", "first", "study.resolved.json"), '{"seeds":[7]}');
  const differing = await run(["runs", "compare", "runs/first", "runs/deep/second"], home);
  assert.match(differing.stdout, /seeds\.0: 1, not 7/);

  const asked = await run(["runs", "rm", "runs/first"], home);
  assert.match(asked.stderr, /Say --yes/);
  await stat(join(home, "runs/first"));
  const foreign = await run(["runs", "rm", home, "--yes"], home);
  assert.match(foreign.stderr, /^error\[run\/not-a-run\]/);
  const lock = join(home, "runs", "first", "lock.json");
  await writeFile(lock, JSON.stringify({ pid: 1, host: (await import("node:os")).hostname() }));
  const busy = await run(["runs", "rm", "runs/first", "--yes"], home);
  assert.match(busy.stderr, /^error\[run\/locked\]/);
  await rm(lock);
  const removed = await run(["runs", "rm", "runs/first", "runs/deep/second", "--yes"], home);
  assert.equal(removed.code, 0, removed.stderr);
  assert.match((await run(["runs", "list"], home)).stdout, /^There are no runs in runs\.\n$/);
});

test("what is no finished run is refused, or said to be damaged", async (t) => {
  const home = temporaryFolder(t);
  const unfinished = join(home, "unfinished");
  await cp(join(folder, "run"), unfinished, { recursive: true });
  await rm(join(unfinished, "report.json"));
  const refused = await run(["report", unfinished]);
  assert.match(refused.stderr, /^error\[run\/unfinished\].* unfinished: /);
  await writeFile(join(unfinished, "report.json"), "{");
  assert.match((await run(["report", unfinished])).stderr, /^error\[run\/damaged\].*report\.json is damaged/);
  assert.match((await run(["runs", "list", home])).stdout, /unfinished\s+damaged/);
  await cp(join(folder, "run", "report.json"), join(unfinished, "report.json"));
  const [line] = (await readFile(join(folder, "run", "predictions.jsonl"), "utf8")).split("\n");
  await writeFile(join(unfinished, "predictions.jsonl"), `${line}\n{`);
  assert.match((await run(["report", unfinished])).stderr, /^error\[run\/damaged\].*Line 2 /);
  await rm(join(unfinished, "predictions.jsonl"));
  const older = await run(["report", unfinished, "--format", "json"]);
  const [old] = JSON.parse(older.stdout) as RunDocument[];
  assert.deepEqual(old!.stages[0]!.tasks[0]!.intervals, {});
});
