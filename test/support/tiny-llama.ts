/** A Llama small enough for graphs to be read, with random weights to run them. */
import { Engine, type HostArray, type Program } from "../../src/engine/engine.ts";
import { elementCount, type Graph } from "../../src/graph/graph.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import type { Base } from "../../src/models/base.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, type ProgramSpec } from "../../src/models/program.ts";
import { MASKED } from "../../src/prompts/mask.ts";
import { Random } from "./random.ts";

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
  const bias = new Float32Array(rows * (stored + length)).fill(MASKED);
  for (let r = 0; r < rows; r++) {
    bias.fill(0, r * (stored + length), r * (stored + length) + stored + (r % length) + 1);
  }
  const { cos, sin } = architecture.rope.tables(
    Array.from({ length: rows }, (_, r) => stored + (r % length)),
  );
  const ids = (count: number, below: number) => Array.from({ length: count }, () => random.int(0, below - 1));
  const distinct = random.shuffled(Array.from({ length: rows }, (_, r) => r));
  const whole: Record<string, HostArray> = {
    bias,
    ids: Int32Array.from(ids(rows, architecture.vocabSize)),
    slots: BigInt64Array.from(distinct.slice(0, slots), BigInt),
    reads: BigInt64Array.from(ids(reads, rows), BigInt),
    labels: BigInt64Array.from(ids(reads, architecture.vocabSize), BigInt),
  };
  const feeds: Record<string, HostArray> = {};
  for (const { name, shape, kind } of graph.inputs.values()) {
    if (kind !== "input") continue;
    if (name.startsWith("cos.")) feeds[name] = cos;
    else if (name.startsWith("sin.")) feeds[name] = sin;
    else feeds[name] = whole[name] ?? random.floats(elementCount(shape));
  }
  return feeds;
}

/** A base without files: the tiny Llama with random weights, as far as a Runner looks at one. */
export async function startTinyBase(seed: number, threads = 1): Promise<Base> {
  const architecture = readArchitecture(tinyLlama);
  const engine = await Engine.start({ threads });
  await uploadRandomWeights(engine, architecture, seed);
  const programs = new Map<string, Promise<Program>>();
  const program = (spec: ProgramSpec): Promise<Program> => {
    const key = JSON.stringify(spec);
    const known = programs.get(key) ?? engine.compile(buildProgram(architecture, spec));
    programs.set(key, known);
    return known;
  };
  return { architecture, engine, program, close: () => engine.close() } as unknown as Base;
}
