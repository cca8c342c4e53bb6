/** Ctrl-C is heard at any time, and a second one ends the process at once, by the signal, and nothing crashes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { world } from "../hub/folder.ts";
import { run, start, temporaryFolder, writeStudy } from "./command.ts";

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

/** Words of every command that takes Ctrl-C over and asks the base for something. */
let folder: string;
let commands: string[][];
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tagllm-interrupt-"));
  const study = writeStudy(folder, 1);
  const trained = await run(["train", study, "--out", join(folder, "run")]);
  assert.equal(trained.code, 0, trained.stderr);
  const [tags, table] = [join(folder, "run", "tags"), join(folder, "words.csv")];
  commands = [
    ["train", study, "--out", join(folder, "new")],
    ["predict", "--tag", join(tags, "Size.safetensors"), "--data", table],
    ["eval", tags, table],
    ["tags", "verify", tags],
  ];
});
after(() => rmSync(folder, { recursive: true }));

test("Ctrl-C while the hub does not answer ends a command at once", async (t) => {
  const { hub, env } = await world(t);
  const silent = "lab/silent";
  const file = join(folder, "silent.yaml");
  writeFileSync(file, `base: ${silent}\n${readFileSync(join(folder, "study.yaml"), "utf8")}`);
  const stopped = async (words: readonly string[]) => {
    const asked = new Promise<void>((resolve) => {
      hub.interfere = () => {
        resolve();
        return true;
      };
    });
    const { child, ended } = start(words, folder, env);
    await asked;
    child.kill("SIGINT");
    return { ...(await ended), signal: child.signalCode };
  };
  for (const words of [["train", file], ...commands.slice(1).map((c) => [...c, "--base", silent])]) {
    const { code, stderr } = await stopped(words);
    assert.equal(code, 130, stderr);
    assert.match(stderr, /^Stopping .*\ninterrupted: The download was interrupted\./, words.join(" "));
  }
  assert.equal((await stopped(["train", file, "--dry-run"])).signal, "SIGINT");
});

test("Ctrl-C while the base is loaded or data is made ends a command before it begins", async () => {
  // A Ctrl-C as soon as one is listened for.
  const hook = `process.on("newListener", (name) => {
    if (name === "SIGINT") setImmediate(() => process.kill(process.pid, "SIGINT"));
  });`;
  const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hook)}` };
  for (const words of [...commands, ["demo"]]) {
    const { code, stdout, stderr } = await run([...words, "--json"], folder, env);
    assert.equal(code, 130, stderr);
    const { error } = JSON.parse(stdout) as { error: { code: string; problem: string; cure: string } };
    assert.equal(error.code, "aborted");
    assert.match(error.problem, /^The (command was interrupted|demo's data is not complete)\.$/);
    assert.equal(error.cure, "Start it again.");
  }
  assert.equal(existsSync(join(folder, "new")), false);
});

test("Ctrl-C while predict waits for a pipe ends it", { timeout: 60_000 }, async (t) => {
  const out = temporaryFolder(t);
  const words = ["predict", "--tag", join(folder, "run", "tags", "Size.safetensors"), "--data", "-"];
  const { child, ended } = start([...words, "--out", join(out, "predicted.csv")]);
  t.after(() => child.kill("SIGKILL"));
  child.stdin?.write('{"word":"CNO"}\n'.repeat(1000));
  const written = () => readdirSync(out).reduce((sum, name) => sum + statSync(join(out, name)).size, 0);
  while (child.exitCode === null && written() < 1000) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill("SIGINT");
  const { code, stderr } = await ended;
  assert.equal(code, 130, stderr);
  assert.match(stderr, /^Stopping .*\ninterrupted: Reading stdin was interrupted\.\n {2}Start it again\.\n$/);
  assert.deepEqual(readdirSync(out), []);
});

test("demo goes on in the folder of a demo that was stopped, and in no other", async (t) => {
  const own = temporaryFolder(t);
  const study = readFileSync(new URL("../../examples/demo/study.yaml", import.meta.url), "utf8");
  const folderOf = (name: string, text: string, files: Record<string, object> = {}) => {
    const path = join(own, "runs", name, "run");
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "..", "study.yaml"), text);
    for (const [file, json] of Object.entries(files)) writeFileSync(join(path, file), JSON.stringify(json));
  };
  const stoppedRun = { "run.json": { study: { name: "demo" } } };
  folderOf("demo", study, { ...stoppedRun, "report.json": { study: { name: "demo" } } });
  folderOf("demo-2", `${study}# mine\n`, stoppedRun);
  folderOf("demo-3", study, stoppedRun);
  folderOf("half-made", study);
  for (const [words, place] of [
    [["demo"], "runs/demo-3"],
    [["demo", "--out", "runs/demo-3"], "runs/demo-3"],
    [["demo", "--out", "runs/half-made"], "runs/half-made"],
    [["demo", "--out", "new"], "new"],
  ] as const) {
    const { child, ended, says } = start(words, own);
    await says("Making");
    child.kill("SIGINT");
    const { stderr } = await ended;
    assert.ok(stderr.includes(` pairs of them in ${place} ...\n`), stderr);
    assert.equal(readFileSync(join(own, place, "study.yaml"), "utf8"), study);
  }
});

test("demo leaves a folder of others as it was", async (t) => {
  const own = temporaryFolder(t);
  for (const name of ["study.yaml", "molecules.csv", "pairs.csv"]) writeFileSync(join(own, name), "mine");
  const { code, stderr } = await run(["demo", "--out", "."], own);
  assert.equal(code, 1);
  assert.equal(
    stderr,
    "error[run/folder]: The folder . holds something, and no study.yaml of the demo.\n" +
      "  Choose another with --out, or leave it out.\n",
  );
  assert.deepEqual(readdirSync(own).sort(), ["molecules.csv", "pairs.csv", "study.yaml"]);
  for (const name of readdirSync(own)) assert.equal(readFileSync(join(own, name), "utf8"), "mine");
});
