/** Two times Ctrl-C while the engine runs: the process ends at once, by the signal, and nothing crashes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** A product that takes many seconds, begun before "running" is said. */
const script = `
  const { interruptSignal } = await import(${source("cli/interrupt.ts")});
  const { Engine } = await import(${source("engine/engine.ts")});
  const { Graph } = await import(${source("graph/graph.ts")});
  const size = 2048;
  const g = new Graph();
  const x = g.input("x", "f32", [size, size]);
  let y = x;
  for (let i = 0; i < 400; i++) y = g.one("Gemm", [y, x]);
  g.output("y", y);
  const engine = await Engine.start({ threads: 1 });
  const program = await engine.compile(g);
  interruptSignal((line) => console.log(line));
  const run = program.run({ x: new Float32Array(size * size) });
  setTimeout(() => console.log("running"), 200);
  await run;
  console.log("ended");
`;

test("a second Ctrl-C ends a process whose engine runs", async () => {
  const words = ["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", script];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
  let [said, complained] = ["", ""];
  child.stdout.on("data", (chunk) => {
    said += chunk;
    if (said === "running\n") child.kill("SIGINT");
    if (said.endsWith("to stop now.\n")) child.kill("SIGINT");
  });
  child.stderr.on("data", (chunk) => {
    complained += chunk;
  });
  const [code, signal] = await once(child, "close");
  assert.deepEqual({ code, signal }, { code: null, signal: "SIGINT" }, said + complained);
  assert.equal(said, "running\nStopping after this step. Press Ctrl-C again to stop now.\n");
  assert.equal(complained, "");
});
