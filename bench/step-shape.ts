/** The step that is measured: its model, its batch, and how many operations its matrix products are. */
import { productFlops } from "../src/graph/cost.ts";
import { lower } from "../src/graph/lower.ts";
import { readArchitecture } from "../src/models/families.ts";
import { buildProgram } from "../src/models/program.ts";

export interface StepShape {
  /** As in a checkpoint's config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly rows: number;
  /** Tokens of a row, tag vectors included. */
  readonly length: number;
  /** Labelled positions of a row: its last ones. */
  readonly labelled: number;
  /** The tag's vectors stand at [tagStart, tagStart + tagVectors) of each row. */
  readonly tagStart: number;
  readonly tagVectors: number;
  /** Tokens of one run of the engine; a step is as many runs as it takes. */
  readonly tokensPerRun: number;
  readonly threads: number;
}

/** SmolLM2-135M's config.json, and a batch of 8 rows of 256 tokens with 64 labels. */
export const smollm: StepShape = {
  config: {
    model_type: "llama",
    hidden_size: 576,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    head_dim: 64,
    intermediate_size: 1536,
    vocab_size: 49152,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    tie_word_embeddings: true,
  },
  rows: 8,
  length: 256,
  labelled: 8,
  tagStart: 10,
  tagVectors: 10,
  tokensPerRun: 512,
  threads: 2,
};

/** Floating-point operations of all matrix products of one step, forward and backward. */
export function stepFlops({ config, rows, length, labelled, tagVectors }: StepShape): number {
  const graph = buildProgram(readArchitecture(config), {
    batch: rows,
    length,
    past: [],
    slots: rows * tagVectors,
    reads: rows * labelled,
    result: { kind: "text", train: true },
  });
  return productFlops(lower(graph, "cpu"));
}
