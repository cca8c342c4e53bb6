/**
 * Our side of the benchmarks of pairs, a process of its own, in the line protocol of child.ts:
 *
 *     epoch      one epoch of the function tag, 32 pairs a step in random order, on what is stored
 *     screen N   the first N pairs read once, as `predict` reads them     plain N   the same without reuse
 *     clear      forgets what is stored                          end       says how much memory it took
 *
 *     node --import tsx bench/pairs-child.ts '{"config": ..., "proteins": [...], ...}' f32
 */
import { Runner, type RunnerOptions } from "../src/batch/runner.ts";
import { BlockStore } from "../src/batch/store.ts";
import { Engine } from "../src/engine/engine.ts";
import type { Precision } from "../src/engine/precision.ts";
import { readArchitecture } from "../src/models/families.ts";
import { bareBase } from "../test/support/bare-base.ts";
import { answerLines } from "./answer-lines.mjs";
import { type PairsShape, PROMPT, pairQueries } from "./pairs.ts";
import { random, randomFloats, uploadWeights } from "./random-base.ts";

const STEP = 32;
const TOKENS = 512;
/** A study's default. */
const STUDY_MEMORY = 6e9;

const shape = JSON.parse(process.argv[2] as string) as PairsShape;
const precision = process.argv[3] as Precision;
const engine = await Engine.start({ threads: shape.threads, precision });
const architecture = readArchitecture(shape.config);
await uploadWeights(engine, architecture);
const width = architecture.hiddenSize;
const vectors = new Map(
  ["Protein", "SMILES", "Affinity"].map((tag) => [tag, randomFloats(PROMPT.vectors * width)]),
);
const base = bareBase(architecture, engine);
const runnerOf = (options: Omit<RunnerOptions, "tokens">, store?: BlockStore) =>
  new Runner(base, (tag) => vectors.get(tag) as Float32Array, { ...options, tokens: TOKENS }, store);
const training = runnerOf(
  { reuse: shape.reuse ?? "prefix", fixedShapes: true },
  new BlockStore(base, { memory: STUDY_MEMORY }),
);
const reading = runnerOf({ reuse: "spans", sharedOnly: true });
const whole = runnerOf({ reuse: "none" });

const queries = pairQueries(shape, random, architecture.vocabSize);
const head = { outputs: 1, weight: randomFloats(width), bias: new Float32Array(1) };

async function epoch(): Promise<void> {
  const order = queries.map((q) => ({ q, key: random() })).sort((a, b) => a.key - b.key);
  await training.prepare(order.map(({ q }) => q));
  for (let at = 0; at < order.length; at += STEP) {
    const batch = order.slice(at, at + STEP).map(({ q }) => q);
    const targets = Float32Array.from(batch, () => random() - 0.5);
    const weights = new Float32Array(batch.length).fill(1 / batch.length);
    const { gradients } = await training.headStep(
      batch,
      ({ prompt }) => prompt.readout as number,
      targets,
      weights,
      head,
    );
    if (!gradients.get("Affinity")?.some((g) => g !== 0)) throw new Error("the tag has no gradient");
  }
}

async function read(runner: Runner, count: number): Promise<void> {
  const hidden = await runner.hidden(queries.slice(0, count), ({ prompt }) => prompt.readout as number);
  if (!hidden.every(Number.isFinite)) throw new Error("a read-out is not a number");
}

async function answer(request: string): Promise<object> {
  const [word, number] = request.split(" ");
  const began = performance.now();
  if (word === "epoch") await epoch();
  else if (word === "screen") await read(reading, Number(number));
  else if (word === "plain") await read(whole, Number(number));
  else if (word === "clear") await Promise.all([training.clear(), reading.clear()]);
  else throw new Error(`unknown request ${request}`);
  return { seconds: (performance.now() - began) / 1000 };
}

await answerLines(answer, async () => {
  await engine.close();
  return {};
});
