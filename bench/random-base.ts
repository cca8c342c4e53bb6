/** A model of random weights and a batch for it, without files: what the benchmarks of a step run. */

import type { Label } from "../src/batch/labels.ts";
import type { Query } from "../src/batch/layout.ts";
import { Runner } from "../src/batch/runner.ts";
import type { Engine } from "../src/engine/engine.ts";
import { elementCount } from "../src/graph/graph.ts";
import type { Architecture } from "../src/models/architecture.ts";
import { readArchitecture } from "../src/models/families.ts";
import { bareBase } from "../test/support/bare-base.ts";
import type { StepShape } from "./step-shape.ts";

const TAG = "Tag";
const SPREAD = 0.02;

/** Numbers of [0, 1). */
function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

export const random = xorshift(1);

/** Uniform numbers with the standard deviation `SPREAD`; 135 million of them in a second. */
export function randomFloats(count: number): Float32Array {
  const out = new Float32Array(count);
  const width = SPREAD * Math.sqrt(12);
  for (let i = 0; i < count; i++) out[i] = (random() - 0.5) * width;
  return out;
}

/** One for norms, random for everything else; each made when it is asked for. */
export function* randomWeights({
  tensors,
}: Architecture): Generator<{ name: string; shape: readonly number[]; values: Float32Array }> {
  for (const [name, shape] of tensors) {
    const count = elementCount(shape);
    const values = shape.length === 1 ? new Float32Array(count).fill(1) : randomFloats(count);
    yield { name, shape, values };
  }
}

export async function uploadWeights(engine: Engine, architecture: Architecture): Promise<void> {
  for (const { name, shape, values } of randomWeights(architecture)) await engine.upload(name, shape, values);
}

function makeRow(shape: StepShape, vocabSize: number): { query: Query; labels: Label[] } {
  const ids = Int32Array.from({ length: shape.length }, () => Math.floor(random() * vocabSize));
  ids.fill(-1, shape.tagStart, shape.tagStart + shape.tagVectors);
  const slots = [{ tag: TAG, position: shape.tagStart }];
  const prompt = { ids, slots, spans: [], pieces: [], readout: null, target: null, trimmed: [] };
  const from = shape.length - shape.labelled;
  const labels = Array.from(ids.subarray(from), (id, i) => ({ position: from + i, id }));
  return { query: { prompt, isolate: false, cut: shape.tagStart }, labels };
}

/** The step of `shape`, ready to be taken: seconds and loss of each. */
export async function prepareStep(
  engine: Engine,
  shape: StepShape,
  options: { plain?: boolean } = {},
): Promise<() => Promise<{ seconds: number; loss: number }>> {
  const architecture = readArchitecture(shape.config);
  await uploadWeights(engine, architecture);
  const vectors = randomFloats(shape.tagVectors * architecture.hiddenSize);
  const runner = new Runner(bareBase(architecture, engine), () => vectors, {
    reuse: "none",
    tokens: shape.tokensPerRun,
    ...options,
  });
  const rows = Array.from({ length: shape.rows }, () => makeRow(shape, architecture.vocabSize));
  const weights = new Float32Array(shape.rows).fill(1 / (shape.rows * shape.labelled));
  // The sum of the runs' weighted losses and gradients is the batch's mean loss and its gradient.
  return async () => {
    const began = performance.now();
    const { loss, gradients } = await runner.textStep(
      rows.map((r) => r.query),
      rows.map((r) => r.labels),
      weights,
    );
    const seconds = (performance.now() - began) / 1000;
    if (!gradients.get(TAG)?.some((g) => g !== 0)) throw new Error("the tag has no gradient");
    return { seconds, loss };
  };
}
