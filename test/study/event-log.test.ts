/** The log of a run through power cuts: flushed before its bytes are counted, and read when it is shorter or cut. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, mock, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { readRun } from "../../src/report/read-run.ts";
import { EventLog, readEvents } from "../../src/study/event-log.ts";
import { loadStudy } from "../../src/study/load.ts";
import { type PreparedStudy, prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { tagHashes } from "../support/kills.ts";
import { smallStudy } from "../support/small-study.ts";

let folder: string;
let base: Base;
let prepared: PreparedStudy;
/** Of the log whenever it was flushed. */
const flushed: number[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "event-log-"));
  base = await Base.load(defaultBase);
  prepared = await prepareStudy(await loadStudy(await smallStudy(folder, 4)), base);
  const whole = fs.fdatasync;
  mock.method(fs, "fdatasync", (descriptor: number, done: (error: Error | null) => void) => {
    flushed.push(fs.fstatSync(descriptor).size);
    whole(descriptor, done);
  });
  syncBuiltinESMExports();
});
after(async () => {
  mock.restoreAll();
  syncBuiltinESMExports();
  await base.close();
  await rm(folder, { recursive: true });
});

test("a log is cut back to its last line break when it is opened", async () => {
  const file = join(folder, "events.jsonl");
  const cases: [string, string][] = [
    ["", ""],
    ['{"kind":"a"', ""],
    ['{"kind":"a"}\n', '{"kind":"a"}\n'],
    ['{"kind":"a"}\n{"ki', '{"kind":"a"}\n'],
    ['{"kind":"a"}\n\0\0\0\0', '{"kind":"a"}\n'],
  ];
  for (const [text, kept] of cases) {
    await writeFile(file, text);
    const log = new EventLog(folder, file);
    assert.equal(log.bytes, kept.length);
    log.add({ kind: "b" });
    log.close();
    assert.equal(await readFile(file, "utf8"), `${kept}{"kind":"b"}\n`);
  }
});

test("half a line is no event, and a line that is none has its number", async () => {
  const file = join(folder, "read.jsonl");
  assert.deepEqual(await readEvents(file), []);
  await writeFile(file, '{"kind":"a"}\n\n{"kind":"b"}\n{"kin');
  assert.deepEqual(await readEvents(file), [{ kind: "a" }, { kind: "b" }]);
  for (const line of ["{", "null", "7"]) {
    await writeFile(file, `{"kind":"a"}\n${line}\n{"kind":"b"}\n`);
    await assert.rejects(readEvents(file), { code: "run/damaged", message: /Line 2 of .*read\.jsonl/ });
  }
});

test("a run flushes its log before what counts its bytes, and goes on with a log that is cut", async () => {
  const out = join(folder, "run");
  await runStudy(prepared, { out, checkpointSeconds: 0 });
  const tags = await tagHashes(out);
  const outcome = (seed: number, stage: string) => join(out, `seed-${seed}`, "stages", stage, "outcome.json");
  const counted: number[] = [];
  for (const seed of [1, 2]) {
    for (const stage of ["domain", "count"])
      counted.push(JSON.parse(await readFile(outcome(seed, stage), "utf8")).events as number);
  }
  for (const bytes of counted) assert.ok(flushed.includes(bytes), `${bytes} of ${flushed.join(" ")}`);
  assert.ok(flushed.length > counted.length, "also before checkpoints");

  // Nothing is left to do: the report is made again beside half a line.
  const log = join(out, "events.jsonl");
  await truncate(log, (await stat(log)).size - 5);
  await runStudy(prepared, { out });
  assert.ok((await readRun(out)).events.length > 0);

  // The last stage is to be done again, and the log is shorter than the stage before it says.
  await rm(join(out, "seed-2", "stages", "count"), { recursive: true });
  await truncate(log, counted[2]! - 5);
  await runStudy(prepared, { out });
  const events = await readEvents<{ kind: string; stage: string; seed: number }>(log);
  assert.deepEqual(
    events.filter((e) => e.kind === "stage-begin").map((e) => `${e.stage} ${e.seed}`),
    ["domain 1", "count 1", "domain 2", "count 2"],
  );
  assert.deepEqual(await tagHashes(out), tags);
  assert.ok((await readdir(join(out, "seed-2", "stages", "count"))).includes("outcome.json"));
});
