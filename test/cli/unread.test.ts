/** A reader that leaves before a command has ended: stdout ends the work in order, stderr not at all. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { start, temporaryFolder, writeStudy } from "./command.ts";

test("generate ends when nobody reads its text, and not in the middle of the engine's work", async () => {
  const hook = `
    process.exit = () => process.stderr.write("left ");
    const write = process.stdout.write.bind(process.stdout);
    let writes = 0;
    process.stdout.write = (text) => {
      writes++;
      return write(text);
    };
    process.on("exit", () => writes > 0 && process.stderr.write(String(writes)));
  `;
  const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hook)}` };
  const words = ["generate", "--prompt", "And God said", "--max-tokens", "1500"];
  const { child, ended } = start(words, undefined, env);
  child.stdout?.once("data", () => child.stdout?.destroy());
  const { code, stderr } = await ended;
  assert.deepEqual([code, child.signalCode], [0, null], stderr);
  assert.match(stderr, /^\d+$/);
  assert.ok(Number(stderr) < 800, `${stderr} pieces of text`);
});

test("a run goes on when nobody reads its progress", async (t) => {
  const folder = temporaryFolder(t);
  const out = join(folder, "out");
  const { child, ended, says } = start(["train", writeStudy(folder, 2), "--out", out]);
  await says("domain, seed 1");
  child.stderr?.destroy();
  assert.equal((await ended).code, 0);
  assert.ok(existsSync(join(out, "report.json")));
});
