/** A Llama small enough for graphs to be read, with random weights to run them. */
import { layOut } from "../../src/batch/layout.ts";
import { sightFeeds } from "../../src/batch/sight.ts";
import { Engine, type Feed, type HostArray } from "../../src/engine/engine.ts";
import { elementCount, type Graph } from "../../src/graph/graph.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import type { Base } from "../../src/models/base.ts";
import { readArchitecture } from "../../src/models/families.ts";
import type { ProgramSpec } from "../../src/models/program.ts";
import { bareBase } from "./bare-base.ts";
import { Random } from "./random.ts";
import { textQuery } from "./random-prompts.ts";

export const tinyLlama = {
  model_type: "llama",
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 4,
  intermediate_size: 12,
  vocab_size: 16,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
};

/** Norm weights around 1, all others scaled so that every layer keeps its input's magnitude. */
export async function uploadRandomWeights(
  engine: Engine,
  { tensors }: Architecture,
  seed: number,
): Promise<void> {
  const random = new Random(seed);
  for (const [name, shape] of tensors) {
    const spread = shape.length === 1 ? 0.1 : Math.sqrt(3 / (shape[1] as number));
    const values = random.floats(elementCount(shape), -spread, spread);
    await engine.upload(name, shape, name.includes("norm") ? values.map((v) => 1 + v) : values);
  }
}

/** Valid feeds of any program: causal over the new tokens, every stored position visible. */
export function randomFeeds(
  architecture: Architecture,
  graph: Graph,
  { batch, length, past, slots, reads }: ProgramSpec,
  seed: number,
): Record<string, HostArray> {
  const random = new Random(seed);
  const rows = batch * length;
  const stored = past.reduce((n, p) => n + p, 0);
  const range = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
  const blocks = past.map((size, b) => {
    const begin = past.slice(0, b).reduce((n, p) => n + p, 0);
    return { kind: "text", origin: 0, positions: range(begin, begin + size) } as const;
  });
  const text = layOut(textQuery(new Int32Array(stored + length)), "none");
  const layout = { ...text, past: blocks, fresh: range(stored, stored + length) };
  const placed = Array.from({ length: batch }, (_, row) => ({ layout, row, offset: 0 }));
  const ids = (count: number, below: number) => Array.from({ length: count }, () => random.int(0, below - 1));
  const distinct = random.shuffled(Array.from({ length: rows }, (_, r) => r));
  const whole: Record<string, Feed> = {
    ...sightFeeds(architecture, placed, { batch, length, past }),
    ids: Int32Array.from(ids(rows, architecture.vocabSize)),
    slots: BigInt64Array.from(distinct.slice(0, slots), BigInt),
    reads: BigInt64Array.from(ids(reads, rows), BigInt),
    labels: BigInt64Array.from(ids(reads, architecture.vocabSize), BigInt),
  };
  const feeds: Record<string, HostArray> = {};
  for (const { name, shape, kind } of graph.inputs.values()) {
    if (kind !== "input") continue;
    feeds[name] = (whole[name] as HostArray | undefined) ?? random.floats(elementCount(shape));
  }
  return feeds;
}

/** The tiny Llama with random weights. */
export async function startTinyBase(seed: number, threads = 1): Promise<Base> {
  const architecture = readArchitecture(tinyLlama);
  const engine = await Engine.start({ threads });
  await uploadRandomWeights(engine, architecture, seed);
  return bareBase(architecture, engine);
}
