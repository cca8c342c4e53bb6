/**
 * A process that loads a checkpoint, reads 16 tokens and writes two, and says how long it took and what memory it has
 * then: one line of JSON.
 *
 *     node --import tsx bench/load-child.ts FOLDER mapped|read
 */
import { existsSync, readFileSync } from "node:fs";
import { Runner } from "../src/batch/runner.ts";
import { Engine } from "../src/engine/engine.ts";
import { decode } from "../src/generate/decode.ts";
import { chooser } from "../src/generate/sampling.ts";
import { SingleWriter } from "../src/generate/writer.ts";
import { readArchitecture } from "../src/models/families.ts";
import { modelTensors } from "../src/models/tensors.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import { bareBase } from "../test/support/bare-base.ts";
import { textQuery } from "../test/support/random-prompts.ts";

const [TOKENS, WRITTEN] = [16, 2];
const [folder, way] = process.argv.slice(2) as [string, "mapped" | "read"];

/** Null where the system does not tell. */
function statusBytes(name: string): number | null {
  if (!existsSync("/proc/self/status")) return null;
  const status = readFileSync("/proc/self/status", "utf8");
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status);
  return found ? Number(found[1]) * 1024 : null;
}

const engine = await Engine.start({ threads: 2, mapWeights: way === "mapped" });
const began = performance.now();
const checkpoint = await openCheckpoint(folder);
const architecture = readArchitecture(checkpoint.config);
await engine.load([...modelTensors(checkpoint, architecture)].map(([name, info]) => ({ name, info })));
const loaded = performance.now();
const runner = new Runner(bareBase(architecture, engine), () => new Float32Array(0), {
  reuse: "none",
  tokens: 512,
});
const query = textQuery(Int32Array.from({ length: TOKENS }, (_, i) => 100 + i));
const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
const ends = { maxTokens: WRITTEN, eos: new Set<number>(), room: WRITTEN };
const writer = new SingleWriter(query.prompt.ids, chooser(greedy, 0), ends);
let first = 0;
for await (const _ of decode(runner, [{ query, writer }], 1)) first ||= performance.now();
const ended = performance.now();
console.log(
  JSON.stringify({
    loadSeconds: (loaded - began) / 1000,
    firstTokenSeconds: (first - began) / 1000,
    secondTokenSeconds: (ended - began) / 1000,
    anonymousBytes: statusBytes("RssAnon"),
    fileBytes: statusBytes("RssFile"),
    ids: writer.ids,
  }),
);
await engine.close();
