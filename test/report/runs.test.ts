/** What is said of runs besides their studies: how they were computed, how to do them again, who is at work. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { compareRunFolders, listRuns, removeRuns, showRun } from "../../src/cli/commands/runs.ts";
import { describeRun } from "../../src/report/document.ts";
import { toHtml } from "../../src/report/html.ts";
import { toMarkdown } from "../../src/report/markdown.ts";
import { lossRow, predictedRow } from "../../src/report/run-schema.ts";
import { rewrite, smallRun, writeRun } from "./folder.ts";

const described = (folder: string) => describeRun(folder, "No base.");
const study = (seeds: string) => `name: small
${seeds}data: { rows: { file: rows.csv } }
tags: { Size: { kind: domain } }
stages: [{ name: s, train: [Size], tasks: [{ data: rows, template: "<Size> {text}" }] }]
`;
const cpu = { device: "cpu", threads: 2 };

/** A run with seeds 1 and 2. */
function runOf(t: TestContext, engine: object, text: string): string {
  const folder = writeRun(t, { ...smallRun(), "run.json": { study: { name: "small" }, engine, tags: {} } });
  writeFileSync(join(folder, "study.yaml"), text);
  return folder;
}

test("the page on runs names every key of a line of predictions and losses", () => {
  const page = readFileSync(new URL("../../docs/report.md", import.meta.url), "utf8").split("\n");
  for (const [name, { shape }] of Object.entries({ predictions: predictedRow, losses: lossRow })) {
    const line = page.find((text) => text.startsWith(`| \`${name}.jsonl\` |`)) ?? "";
    for (const key of Object.keys(shape)) assert.ok(line.includes(`\`${key}\``), `${name}: ${key}`);
  }
});

test("doing it again takes the seeds, precision, device and reuse that no file says", async (t) => {
  const cases: [object, string, string, string][] = [
    [cpu, study("seeds: [1, 2]\n"), "", "precision f32"],
    [cpu, study(""), " --seed 1 2", "precision f32"],
    [cpu, "name: [", " --seed 1 2", "precision f32"],
    [{ ...cpu, precision: "int8" }, study("seeds: [1, 2]\n"), " --precision int8", "precision int8"],
    [{ ...cpu, reuse: "none" }, study("seeds: [1, 2]\n"), " --no-reuse", "precision f32"],
    [
      { ...cpu, device: "webgpu" },
      study("seeds: [2]\n"),
      " --seed 1 2 --device webgpu",
      "precision f32 on webgpu",
    ],
  ];
  for (const [engine, text, options, computed] of cases) {
    const document = await described(runOf(t, engine, text));
    const command = `tagllm train study.yaml${options} --out again`;
    assert.equal(document.commands[0], command);
    assert.equal(document.computed, computed);
    const [html, markdown] = [toHtml([document]), toMarkdown([document])];
    for (const page of [html, markdown]) assert.ok(page.includes(command), page);
    assert.ok(html.includes(`2 cores · ${computed}</p>`));
    assert.ok(markdown.includes(`tagllm 0.1.0; ${computed}.\n`));
  }
  const old = await described(writeRun(t, smallRun()));
  assert.equal(old.computed, "");
  assert.ok(toHtml([old]).includes("2 cores</p>"));
});

test("runs of one study differ where engine, version, base or given tags do", async (t) => {
  const first = runOf(t, cpu, study(""));
  const { base, ...report } = smallRun()["report.json"] as { base: object };
  const said = async ({ engine = cpu as object, tags = {}, version = {}, id = {} }) => {
    const second = runOf(t, cpu, study(""));
    rewrite(second, {
      "report.json": { ...report, ...version, base: { ...base, ...id } },
      "run.json": { engine, tags },
    });
    return (await compareRunFolders([first, second])).text.split("against the first:\n")[1];
  };
  assert.equal(await said({}), "  the same study");
  assert.equal(
    await said({ engine: { ...cpu, precision: "int8" } }),
    '  engine.precision: "int8", not "f32"',
  );
  assert.equal(await said({ engine: { ...cpu, threads: 4 } }), "  engine.threads: 4, not 2");
  assert.equal(await said({ version: { tagllm: "0.2.0" } }), '  tagllm: "0.2.0", not "0.1.0"');
  assert.equal(await said({ id: { id: "ff" } }), '  base.id: "ff", not "0123456789abcdef"');
  assert.equal(await said({ tags: { Size: "aa" } }), '  tags.Size: "aa", not nothing');
});

test("a run of another machine is said to be there, and how to be rid of its lock", async (t) => {
  const home = writeRun(t, {});
  const folder = join(home, "far");
  mkdirSync(folder);
  rewrite(folder, smallRun());
  const lock = join(folder, "lock.json");
  writeFileSync(lock, JSON.stringify({ pid: 7, host: "elsewhere" }));
  assert.match((await listRuns(home)).text, /running on elsewhere/);
  assert.match((await showRun(folder)).text, /state +running on elsewhere/);
  await assert.rejects(removeRuns([folder], {}), /far \(running on elsewhere\)/);
  await assert.rejects(removeRuns([folder], { yes: true }), {
    code: "run/locked",
    problem: `In the run folder ${folder} process 7 on elsewhere is at work.`,
    cure: `Stop it first. If elsewhere no longer runs it, remove ${lock}.`,
  });
  writeFileSync(lock, JSON.stringify({ pid: process.pid, host: hostname() }));
  assert.match((await listRuns(home)).text, /running {2}/);
  await assert.rejects(removeRuns([folder], { yes: true }), {
    problem: `In the run folder ${folder} process ${process.pid} is at work.`,
    cure: "Stop it first.",
  });
  assert.ok(existsSync(folder));
  rewrite(folder, { "lock.json": { pid: 2 ** 30, host: hostname() } });
  await removeRuns([folder], { yes: true });
  assert.deepEqual(readdirSync(home), []);
});
