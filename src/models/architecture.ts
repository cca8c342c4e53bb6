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
  /**
   * Stored positions of each past block, P_i; empty when a prompt is run whole. One block of `FREE` positions before one
   * new token: a program for any number of them. Its bias is of the block alone, as a new token always sees itself.
   */
  readonly past: readonly number[];
  /** Of each past block, whether all rows have it in common: it is fed once. None when absent. */
  readonly shared?: readonly boolean[];
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
  /** The rotations of its layers: none, one for all, or one for each kind of layer. */
  readonly ropes: readonly Rope[];
  /** How many positions its layers see, themselves included; null for all. One for each kind of layer. */
  readonly windows: readonly (number | null)[];
  /**
   * Whether a position is known from its distance to others alone, so that stored keys and values serve wherever
   * their text stands (`any`), or from a table of absolute positions (`fixed`).
   */
  readonly placement: "any" | "fixed";
  /**
   * Rows of the embedding table times this are what the layers take: `inputs_embeds` of Hugging Face, and what
   * tags stand among. 1 but where the scale belongs to the embedding itself.
   */
  readonly embeddingScale: number;
  /** Name of the embedding table [vocab, hidden]; a tag's rows are of its kind. */
  readonly embedding: string;
  /** Name of the vocabulary head [vocab, hidden]; the embedding table's own when tied. */
  readonly vocabularyHead: string;
  /** Every tensor the family reads, with its shape. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  /** What names begin with: the first in `tensors`, the others in checkpoints that were saved in another way. */
  readonly prefixes: readonly string[];
  /**
   * `embeddings` [B * S, hidden] are rows of the embedding table times `embeddingScale`; `inputs` are
   * their positions, who sees whom, and the keys and values from before them.
   */
  forward(g: Graph, embeddings: Value, inputs: AttentionInputs): Forward;
  /** Logits of rows of `Forward.hidden`: [n, hidden] -> [n, vocab]. */
  logits(g: Graph, rows: Value): Value;
}
