/** The same step gives the same bits: again, and in another process. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

test("a training step on two threads is bit-stable from run to run and process to process", async () => {
  const script = new URL("./step-bits.ts", import.meta.url).pathname;
  const hashes: string[] = [];
  for (const _ of [1, 2]) {
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script]);
    hashes.push(...stdout.trim().split("\n"));
  }
  assert.equal(hashes.length, 4);
  assert.match(hashes[0] as string, /^[0-9a-f]{64}$/);
  assert.deepEqual(new Set(hashes).size, 1, hashes.join("\n"));
});
