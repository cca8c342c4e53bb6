/** What every model family provides: its sizes, its tensors and one forward function. */
import type { Graph, Value } from "../graph/graph.ts";
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

/**
 * Inputs of the forward function beside the embeddings, declared by it under these names:
 * - `bias` [B, S, P_0 + P_1 + ... + S]: 0 where attention is allowed, a large negative number elsewhere;
 * - `cos.self`, `sin.self` [B * S, r / 2]: rotations of the new tokens' positions in their own block;
 * - `cos.i`, `sin.i` [B * S, r / 2]: rotations of (position - origin of past block i), so that a stored
 *   block is never touched: (R(m - o) q) . (R(s) k) = (R(m) q) . (R(o + s) k);
 * - `past.i.key.l`, `past.i.value.l` [B, kvHeads, P_i, headDim]: stored keys (rotated at block-local
 *   positions) and values of layer l.
 */
export interface Forward {
  /** Residual stream after each layer, [B * S, hidden]. */
  readonly layers: readonly Value[];
  /** After the final norm, [B * S, hidden]. */
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
  /** `embeddings` [B * S, hidden] are rows as they stand in the embedding table (`inputs_embeds`). */
  forward(g: Graph, embeddings: Value, shape: ForwardShape): Forward;
  /** Logits of rows of `Forward.hidden`: [n, hidden] -> [n, vocab]. */
  logits(g: Graph, rows: Value): Value;
}
