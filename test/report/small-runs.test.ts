/** Runs written by hand: test sides of one group or one class, and files that are not what they should be. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { removeRuns } from "../../src/cli/commands/runs.ts";
import { TagllmError } from "../../src/errors.ts";
import { describeRun } from "../../src/report/document.ts";
import { toHtml } from "../../src/report/html.ts";
import { toMarkdown } from "../../src/report/markdown.ts";
import { findRuns, summarise } from "../../src/report/read-run.ts";
import { rewrite, smallRun, writeRun } from "./folder.ts";

const described = (folder: string) => describeRun(folder, "No base.");
const noInterval = /No 95 % interval: the 6 test rows are one group, so every resample would be the same\./g;

test("a test side of one group has no intervals, and the report says why", async (t) => {
  const folder = writeRun(
    t,
    smallRun(() => 4),
  );
  const document = await described(folder);
  for (const { intervals } of document.stages[0]!.tasks) assert.deepEqual(intervals, {});
  for (const page of [toHtml([document]), toMarkdown([document])]) {
    assert.equal(page.match(noInterval)?.length, 3, page);
    assert.doesNotMatch(page, / to \d|resample[^.]*bootstrap|1 groups/);
  }
  rewrite(
    folder,
    smallRun((row) => row % 2),
  );
  const two = toHtml([await described(folder)]);
  assert.match(two, /the 95 % interval over the 2 groups of test rows \(bootstrap\)\./);
  assert.doesNotMatch(two, /No 95 % interval/);
});

test("a test side of one row has no intervals, one of a run without rows needs no reason", async (t) => {
  const files = smallRun();
  const folder = writeRun(t, files);
  for (const name of ["predictions.jsonl", "losses.jsonl"])
    rewrite(folder, { [name]: (files[name] as { row: number }[]).filter(({ row }) => row === 2) });
  assert.match(toMarkdown([await described(folder)]), /No 95 % interval: there is one test row, so every/);
  for (const name of ["predictions.jsonl", "losses.jsonl"]) rmSync(join(folder, name));
  assert.doesNotMatch(toHtml([await described(folder)]), /95 % interval/);
});

test("test rows of one class: areas have no interval, no verdict and no strongest baseline", async (t) => {
  const folder = writeRun(
    t,
    smallRun(undefined, () => "odd"),
  );
  const document = await described(folder);
  const task = document.stages[0]!.tasks[1]!;
  assert.match(task.verdict, /cannot be compared in ROC-AUC, .*: they are all of one class\.$/);
  assert.equal(task.strongest, null);
  assert.deepEqual(Object.keys(task.intervals), ["accuracy", "f1", "logLoss"]);
  for (const page of [toHtml([document]), toMarkdown([document])]) assert.doesNotMatch(page, /– to –/);
});

/** Every place of a value that holds neither values nor lists. */
function leaves(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [[...path]];
  return Object.entries(value).flatMap(([key, own]) => leaves(own, [...path, key]));
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

test("markup anywhere in a run's files is refused or shown as text", async (t) => {
  const markup = "<img src=x onerror=alert(1)>";
  const files = smallRun(() => 0); // one group: nothing to resample
  const folder = writeRun(t, files);
  let [refused, shown] = [0, 0];
  for (const [name, content] of Object.entries(files)) {
    const places = leaves(content).filter((path) => !name.endsWith("l") || Number(path[0]) < 4);
    for (const path of places) {
      for (const by of [markup, [markup], null]) {
        rewrite(folder, { [name]: replaced(content, path, by) });
        const what = `${name} ${path.join(".")} as ${JSON.stringify(by)}`;
        const document = await described(folder).catch((error: unknown) => {
          assert.ok(error instanceof TagllmError && error.code === "run/damaged", `${what}: ${error}`);
          assert.ok(error.problem.includes(name), error.problem);
          return null;
        });
        if (document === null) refused++;
        else {
          shown++;
          const markdown = toMarkdown([document, document]).replace(/^```[^`]*```$/gm, "");
          for (const page of [toHtml([document]), markdown]) assert.doesNotMatch(page, /<img/, what);
        }
      }
    }
    rewrite(folder, { [name]: content });
  }
  assert.ok(refused > 200 && shown > 50, `${refused} refused, ${shown} shown`);
});

test("a damaged file is named with what is wrong in it; a damaged report makes a damaged run", async (t) => {
  const files = smallRun();
  const folder = writeRun(t, files);
  const damage = async (name: string, content: unknown, problem: RegExp) => {
    rewrite(folder, { [name]: content });
    await assert.rejects(described(folder), (error: TagllmError) => {
      assert.equal(error.code, "run/damaged");
      assert.match(error.problem, problem);
      return true;
    });
    rewrite(folder, { [name]: files[name] });
  };
  const report = files["report.json"];
  await damage(
    "report.json",
    replaced(report, ["machine", "cores"], "2"),
    /report\.json is damaged: machine\.cores: .*number/,
  );
  await damage("report.json", [], /report\.json is damaged: .*object/);
  await damage("predictions.jsonl", [{ seed: 1 }], /Line 1 of .*predictions\.jsonl is damaged: stage: /);
  await damage("events.jsonl", [{ kind: "step" }, 7], /Line 2 of .*events\.jsonl is damaged: /);
  await damage("study.resolved.json", { about: 3 }, /study\.resolved\.json is damaged: about: /);
  writeFileSync(join(folder, "report.json"), "{");
  await assert.rejects(described(folder), { code: "run/damaged", message: /report\.json is damaged: / });
  assert.equal((await summarise(folder)).state, "damaged");
  rewrite(folder, { "report.json": replaced(report, ["seeds"], "1") });
  const { state, report: found } = await summarise(folder);
  assert.deepEqual([state, found], ["damaged", null]);
  rmSync(join(folder, "report.json"));
  rewrite(folder, { "run.json": { study: { name: 7 } } });
  assert.equal((await summarise(folder)).state, "damaged");
});

test("a run has run.json or its own report; a report of others beside runs is no run", async (t) => {
  const home = writeRun(t, {});
  const runs = ["a", "b"].map((name) => join(home, name));
  for (const folder of runs) {
    mkdirSync(folder);
    rewrite(folder, smallRun());
  }
  rmSync(join(home, "b", "run.json"));
  const compared = JSON.stringify(await Promise.all(runs.map(described)));
  for (const text of [compared, '{"format": "json"}', "{"]) {
    writeFileSync(join(home, "report.json"), text);
    assert.deepEqual(
      (await findRuns(home)).map(({ folder, state }) => [folder, state]),
      runs.map((folder) => [folder, "finished"]),
    );
    await assert.rejects(removeRuns([home], { yes: true }), { code: "run/not-a-run" });
  }
  await removeRuns([join(home, "b")], { yes: true });
  assert.deepEqual(readdirSync(home).sort(), ["a", "report.json"]);
});
