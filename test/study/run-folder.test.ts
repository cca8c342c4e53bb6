/** Who may work in a run folder: one run at a time, also of one process; a lock that nobody holds is taken over. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { loadStudy } from "../../src/study/load.ts";
import { type PreparedStudy, prepareStudy } from "../../src/study/prepare.ts";
import { RunFolder } from "../../src/study/run-folder.ts";
import { smallStudy } from "../support/small-study.ts";

let base: Base;
let folder: string;
let prepared: PreparedStudy;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "run-folder-"));
  prepared = await prepareStudy(await loadStudy(await smallStudy(folder)), base);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const lockOf = (out: string) => readFile(join(out, "lock.json"), "utf8");

test("a second run of this process is refused, by any path, and takes nothing from the first", async () => {
  const out = join(folder, "held");
  const first = await RunFolder.open(out, prepared);
  const lock = await lockOf(out);
  const half = join(out, ".half.tmp"); // as the first one writes its files
  await writeFile(half, "half");
  await symlink(out, join(folder, "link"));
  for (const path of [out, join(folder, "link")])
    await assert.rejects(RunFolder.open(path, prepared), {
      code: "run/locked",
      message: /another run of this process is at work/,
    });
  assert.equal(await lockOf(out), lock);
  assert.equal(await readFile(half, "utf8"), "half");
  await first.release();
  await (await RunFolder.open(out, prepared)).release();
  await assert.rejects(RunFolder.open(out, prepared, "none"), {
    code: "run/changed",
    message: /engine\.reuse: "auto" then, "none" now/,
  });
  // As runs wrote it that did not say.
  const manifest = JSON.parse(await readFile(join(out, "run.json"), "utf8"));
  delete manifest.engine.reuse;
  await writeFile(join(out, "run.json"), JSON.stringify(manifest));
  await (await RunFolder.open(out, prepared, "none")).release();
});

test("of runs that begin together one gets the folder", async () => {
  const out = join(folder, "together");
  const opened = await Promise.allSettled([1, 2, 3].map(() => RunFolder.open(out, prepared)));
  const given = opened.filter((o) => o.status === "fulfilled");
  assert.equal(given.length, 1);
  for (const { value } of given) await value.release();
});

test("a lock with the number of this process that no run of it holds was left by another", async () => {
  const out = join(folder, "left");
  await mkdir(out);
  await writeFile(join(out, "lock.json"), JSON.stringify({ pid: process.pid, host: hostname() }));
  await (await RunFolder.open(out, prepared)).release();
});

test("a folder that another process holds is not held by who was refused", async () => {
  const out = join(folder, "foreign");
  await mkdir(out);
  await writeFile(join(out, "lock.json"), JSON.stringify({ pid: process.ppid, host: hostname() }));
  await assert.rejects(RunFolder.open(out, prepared), { code: "run/locked", message: /process \d+ on / });
  await rm(join(out, "lock.json"));
  await (await RunFolder.open(out, prepared)).release();
});
