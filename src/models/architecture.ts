/** What every model family provides: its sizes, its tensors and one forward function. */
import type { Graph, Value } from "../graph/graph.ts";
import type { AttentionInputs } from "./attention.ts";
import type { Rope } from "./rope.ts";

/** Sizes of one program: every run of it has these. */
export interface ForwardShape {
  /** Rows, B. */
  readonly batch: number;
  /** New tokens of a row, S. */
  readonly length: number;
  /** Stored positions of each past block, P_i; empty when a prompt is run whole. */
  readonly past: readonly number[];
}

export interface Forward {
  /** Residual stream after each layer, [B * S, hidden]; of the last layer only the rows that are read. */
  readonly layers: readonly Value[];
  /** After the final norm: [B * S, hidden], or the rows that are read. */
  readonly hidden: Value;
  /** Keys (rotated at block-local positions) and values of the new tokens, [B, kvHeads, S, headDim] a layer. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
}

export interface Architecture {
  readonly modelType: string;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly rope: Rope;
  /** Name of the embedding table [vocab, hidden]; a tag's rows are of its kind. */
  readonly embedding: string;
  /** Name of the vocabulary head [vocab, hidden]; the embedding table's own when tied. */
  readonly vocabularyHead: string;
  /** Every tensor the family reads, with its shape. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  /**
   * `embeddings` [B * S, hidden] are rows as they stand in the embedding table (`inputs_embeds`); `inputs` are
   * their positions, who sees whom, and the keys and values from before them.
   */
  forward(g: Graph, embeddings: Value, inputs: AttentionInputs): Forward;
  /** Logits of rows of `Forward.hidden`: [n, hidden] -> [n, vocab]. */
  logits(g: Graph, rows: Value): Value;
}
