/** The command line and the hub, in processes of their own: pull, a hub id as base, interrupts, kills, several at once. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { downloadView } from "../../src/cli/download-view.ts";
import { Progress } from "../../src/cli/progress.ts";
import { run, start, writeStudy } from "../cli/command.ts";
import type { FakeHub } from "../support/hub.ts";
import { blobsOf, name, noise, polyglot, smallModel, temporary, world } from "./folder.ts";

const size = 300_000;
const half = size / 2;
const weights = noise(size);

/** Half of the weights, and then nothing; resolves when the half is on its way. */
function stallOnce(hub: FakeHub): Promise<void> {
  return new Promise((sent) => {
    let left = 1;
    hub.interfere = ({ side, method }, response) => {
      if (side !== "storage" || method !== "GET" || left-- <= 0) return false;
      response.writeHead(200, { "content-length": String(size) });
      response.write(weights.subarray(0, half), () => sent());
      return true;
    };
  });
}

const rangesOf = (hub: FakeHub) =>
  hub.requests.filter((r) => r.side === "storage" && r.method === "GET").map((r) => r.range);

test("model pull, then its id as a base in a study and in model info, without a connection", async (t) => {
  const { hub, env } = await world(t, polyglot());
  const folder = temporary(t);
  const pulled = await run(["model", "pull", name, "--json"], folder, env);
  assert.equal(pulled.code, 0, pulled.stderr);
  const { commit, folder: snapshot, files, bytes } = JSON.parse(pulled.stdout) as Record<string, unknown>;
  assert.equal((files as string[]).length, 6);
  assert.ok((bytes as number) > 10_000_000);

  const connections = hub.connections;
  const offline = { ...env, HF_HUB_OFFLINE: "1" };
  const info = await run(["model", "info", `${name}@${commit}`, "--json"], folder, offline);
  assert.equal(info.code, 0, info.stderr);
  const found = JSON.parse(info.stdout) as { folder: string; fingerprint: { name: string } };
  assert.deepEqual([found.folder, found.fingerprint.name], [snapshot, name]);

  const study = writeStudy(folder, 2);
  writeFileSync(study, `base: ${name}\n${readFileSync(study, "utf8")}`);
  const trained = await run(["train", study, "--out", "run", "--json"], folder, offline);
  assert.equal(trained.code, 0, trained.stderr);
  const asked = await run(
    ["predict", "--tag", "run/tags/Size.safetensors", "--field", "word=CCO", "--base", name, "--json"],
    folder,
    offline,
  );
  assert.equal(asked.code, 0, asked.stderr);
  assert.equal(hub.connections, connections);
});

test("a base that is nowhere: the error names id, path and cure", async (t) => {
  const { hub, env } = await world(t);
  const folder = temporary(t);
  const study = writeStudy(folder, 2);
  writeFileSync(study, `base: lab/none\n${readFileSync(study, "utf8")}`);
  for (const words of [
    ["model", "info", "lab/none"],
    ["train", study],
  ]) {
    const { code, stderr, stdout } = await run(words, folder, env);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /error\[hub\/not-found\]: There is no repository lab\/none for you .*no folder lab\/none/,
    );
    assert.match(stderr, /\n {2}Check the spelling of ORG\/NAME\..*HF_TOKEN/);
    assert.equal(stdout, "");
  }
  const connections = hub.connections;
  const offline = await run(["model", "info", "lab/none"], folder, { ...env, HF_HUB_OFFLINE: "1" });
  assert.match(
    offline.stderr,
    /error\[hub\/offline\].*not in the cache.*\n {2}Unset HF_HUB_OFFLINE.*tagllm model pull lab\/none/,
  );
  assert.equal(hub.connections, connections);
  const usage = await run(["model", "pull", "gpt2"], folder, env);
  assert.match(usage.stderr, /error\[hub\/id\]: "gpt2"/);
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGKILL", null],
] as const) {
  test(`${signal} in the middle of a pull: the next one goes on`, async (t) => {
    const { hub, cache, env } = await world(t, smallModel(weights));
    const stalled = stallOnce(hub);
    const { child, ended } = start(["model", "pull", name], undefined, env);
    await stalled;
    const blobs = () => blobsOf(cache).filter((file) => file.endsWith("incomplete"));
    const there = () =>
      blobs().map((file) => readFileSync(join(cache, "models--lab--polyglot", "blobs", file)).length);
    while (there()[0] !== half) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill(signal);
    const stopped = await ended;
    assert.equal(stopped.code, code);
    if (signal === "SIGINT") assert.match(stopped.stderr, /interrupted: .*\n {2}What is there is kept/);
    assert.deepEqual(there(), [half]);
    const again = await run(["model", "pull", name, "--json"], undefined, env);
    assert.equal(again.code, 0, again.stderr);
    const { folder } = JSON.parse(again.stdout) as { folder: string };
    assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
    assert.deepEqual(rangesOf(hub), [undefined, `bytes=${half}-`]);
    assert.deepEqual(blobs(), []);
  });
}

test("four processes at once into one cache", async (t) => {
  const { cache, env } = await world(t, smallModel(weights));
  const all = await Promise.all(
    Array.from({ length: 4 }, () => run(["model", "pull", name, "--json"], undefined, env)),
  );
  for (const { code, stdout, stderr } of all) {
    assert.equal(code, 0, stderr);
    const { folder } = JSON.parse(stdout) as { folder: string };
    assert.ok(readFileSync(join(folder, "model.safetensors")).equals(weights));
  }
  assert.ok(blobsOf(cache).every((file) => /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(file)));
});

test("progress: what is there of how much, how fast, how long still", () => {
  let [now, text] = [0, ""];
  const target = { isTTY: true, columns: 120, write: (part: string) => (text = part) };
  const view = downloadView(new Progress(target, () => now));
  const step = (done: number) =>
    view({ kind: "download", repo: name, file: "model.safetensors", done, total: 50_000_000 });
  step(0);
  assert.match(text, /lab\/polyglot model\.safetensors: 0 B of 50\.0 MB$/);
  const began = performance.now();
  now = 1000;
  while (performance.now() - began < 20);
  step(10_000_000);
  assert.match(text, /10\.0 MB of 50\.0 MB, [\d.]+ MB\/s, \d+\.\d s left$/);
  view({ kind: "retry", repo: name, problem: "lab/polyglot: busy", seconds: 2 });
  assert.equal(text, "lab/polyglot: busy; trying again in 2.0 s\n");
});
