/** A run that is killed, interrupted or refused goes on to the same files, bit for bit. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Ending, tagHashes, trainProcess } from "../support/kills.ts";
import { Random } from "../support/random.ts";
import { smallStudy } from "../support/small-study.ts";

let folder: string;
let study: string;
let reference: Record<string, string>;
let whole: Ending;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "resume-"));
  study = await smallStudy(folder);
  whole = await trainProcess(study, join(folder, "whole"));
  assert.equal(whole.code, 0, whole.stderr);
  reference = await tagHashes(join(folder, "whole"));
  // tags/, and per seed: stages/ and tags/
  assert.equal(Object.keys(reference).length, 2 + 2 * (2 + 2));
});

after(() => rm(folder, { recursive: true }));

async function assertSame(out: string): Promise<void> {
  assert.deepEqual(await tagHashes(out), reference);
  const left = (await readdir(out)).sort();
  assert.deepEqual(left, (await readdir(join(folder, "whole"))).sort());
}

/** Steps of the log, by seed and stage, each counted as often as it stands there. */
async function loggedSteps(out: string): Promise<number[]> {
  const lines = (await readFile(join(out, "events.jsonl"), "utf8")).trim().split("\n");
  const events = lines.map((line) => JSON.parse(line) as { kind: string; step: number });
  return events.filter((e) => e.kind === "step").map((e) => e.step);
}

test("killed at random times: the same tags", async (t) => {
  const random = new Random(11);
  const out = join(folder, "killed");
  let kills = 0;
  for (let attempt = 0; attempt < 5; attempt++) {
    const { signal } = await trainProcess(study, out, { after: random.int(600, whole.seconds * 600) });
    if (signal !== "SIGKILL") break;
    kills++;
  }
  assert.ok(kills > 0);
  const last = await trainProcess(study, out);
  assert.equal(last.code, 0, last.stderr);
  await assertSame(out);
  assert.deepEqual(await loggedSteps(out), await loggedSteps(join(folder, "whole")));
  t.diagnostic(`${kills} kills`);
});

for (const inside of [
  "run.json:half:1",
  "checkpoint:half:5",
  "checkpoint:before:9",
  "checkpoint:after:12",
  "Count:half:1",
  "count:before:1",
  "count:after:1",
  "Chain.safetensors:before:2",
  "report.json:before:1",
]) {
  test(`killed inside a write (${inside}): the same tags`, async () => {
    const out = join(folder, inside.replaceAll(":", "-"));
    const killed = await trainProcess(study, out, { inside });
    assert.equal(killed.signal, "SIGKILL", `${killed.code} ${killed.stderr}`);
    const last = await trainProcess(study, out);
    assert.equal(last.code, 0, last.stderr);
    await assertSame(out);
  });
}

test("killed with little memory and blocks in files: the same tags", async (t) => {
  process.env.TAGLLM_CACHE = join(folder, "cache");
  t.after(() => delete process.env.TAGLLM_CACHE);
  const filed = join(folder, "filed.yaml");
  await writeFile(filed, `memory: 0.0001\ndisk: 1\n${await readFile(study, "utf8")}`);
  const [undisturbed, out] = [join(folder, "undisturbed"), join(folder, "filed")];
  assert.equal((await trainProcess(filed, undisturbed)).code, 0);
  await rm(process.env.TAGLLM_CACHE, { recursive: true });
  const killed = await trainProcess(filed, out, { inside: "checkpoint:after:12" });
  assert.equal(killed.signal, "SIGKILL", `${killed.code} ${killed.stderr}`);
  const last = await trainProcess(filed, out);
  assert.equal(last.code, 0, last.stderr);
  assert.match(last.stderr, /goes on from step/);
  assert.deepEqual(await tagHashes(out), await tagHashes(undisturbed));
});

test("Ctrl-C saves and stops with 130; the same command goes on", async () => {
  const out = join(folder, "interrupted");
  const stopped = await trainProcess(study, out, { said: "[2/4] count", signal: "SIGINT" });
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /stopped and saved[\s\S]*The same command goes on/);
  const last = await trainProcess(study, out);
  assert.equal(last.code, 0, last.stderr);
  await assertSame(out);
});

test("a run that is done is only reported again", async () => {
  const again = await trainProcess(study, join(folder, "whole"));
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /was done before/);
  await assertSame(join(folder, "whole"));
});

test("changed data and a changed study are refused with the difference, and nothing is lost", async () => {
  const out = join(folder, "whole");
  const text = await readFile(study, "utf8");
  const rows = join(folder, "rows.csv");
  const data = await readFile(rows, "utf8");
  try {
    await writeFile(study, text.replace("steps: 12", "steps: 13"));
    const other = await trainProcess(study, out);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /run\/changed[\s\S]*study\.stages\.1\.steps: 12 then, 13 now/);
    await writeFile(study, text);
    await writeFile(rows, `${data}CCO,1,3\n`);
    const grown = await trainProcess(study, out);
    assert.match(grown.stderr, /run\/changed[\s\S]*data\.rows\.0\.sha256/);
  } finally {
    await writeFile(study, text);
    await writeFile(rows, data);
  }
  await assertSame(out);
});

test("two processes do not work in one folder", async () => {
  const out = join(folder, "twice");
  const endings = await Promise.all([trainProcess(study, out), trainProcess(study, out)]);
  const refused = endings.filter((e) => e.code === 1);
  assert.equal(refused.length, 1, endings.map((e) => e.stderr).join("\n"));
  assert.match(refused[0]?.stderr ?? "", /run\/locked/);
  await assertSame(out);
});

test("a read-only folder is refused", {
  skip: process.getuid?.() === 0 && "root may write anywhere",
}, async () => {
  const closed = await mkdtemp(join(folder, "closed-"));
  await chmod(closed, 0o500);
  const refused = await trainProcess(study, join(closed, "run"));
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /run\/write/);
});
