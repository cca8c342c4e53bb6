/**
 * Block-wise attention over stored keys and values and the new tokens' own. Scores, not keys, are
 * concatenated, so stored blocks are read in place wherever their span stands; grouped-query heads fold into
 * the rows of one product per key-value head, so keys are never repeated.
 */
import type { Graph, Value } from "../graph/graph.ts";
import type { Architecture, ForwardShape } from "./architecture.ts";

/** Inputs that all layers share. */
export interface AttentionInputs {
  /** [B, 1, 1, S, keys] */
  readonly bias: Value;
  readonly self: Rotation;
  readonly past: readonly Rotation[];
}

interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
}

type Sizes = Pick<Architecture, "heads" | "kvHeads" | "headDim" | "rope">;

export function declareAttentionInputs(
  g: Graph,
  { batch, length, past }: ForwardShape,
  sizes: Sizes,
): AttentionInputs {
  const table = [batch * length, sizes.rope.size / 2];
  const rotation = (block: string): Rotation => ({
    cos: g.input(`cos.${block}`, "f32", table),
    sin: g.input(`sin.${block}`, "f32", table),
  });
  const keys = past.reduce((n, p) => n + p, length);
  const bias = g.input("bias", "f32", [batch, length, keys]);
  return {
    bias: g.one("Reshape", [bias], { shape: [batch, 1, 1, length, keys] }),
    self: rotation("self"),
    past: past.map((_, i) => rotation(String(i))),
  };
}

/** Rotates the heads of `x` [B * S, heads * headDim]. */
function rotate(g: Graph, x: Value, { cos, sin }: Rotation, { batch, length }: ForwardShape): Value {
  const width = x.shape[1] as number;
  const ids = BigInt64Array.from({ length: batch * length }, (_, i) => BigInt(i));
  const positions = g.constant(ids, [batch, length]);
  const rows = g.one("Reshape", [x], { shape: [batch, length, width] });
  return g.one("RotaryEmbedding", [rows, positions, cos, sin]);
}

/** [B, S, heads * headDim] -> [B, heads, S, headDim] */
function splitHeads(g: Graph, x: Value, { batch, length }: ForwardShape, headDim: number): Value {
  const heads = (x.shape.at(-1) as number) / headDim;
  const apart = g.one("Reshape", [x], { shape: [batch, length, heads, headDim] });
  return g.one("Transpose", [apart], { perm: [0, 2, 1, 3] });
}

export interface AttentionResult {
  /** [B * S, heads * headDim], before the output projection. */
  readonly context: Value;
  readonly key: Value;
  readonly value: Value;
}

/**
 * @param q [B * S, heads * headDim], before rotation
 * @param k [B * S, kvHeads * headDim], before rotation
 * @param v [B * S, kvHeads * headDim]
 */
export function attend(
  g: Graph,
  { q, k, v }: { q: Value; k: Value; v: Value },
  inputs: AttentionInputs,
  shape: ForwardShape,
  sizes: Sizes,
  layer: number,
): AttentionResult {
  const { batch, length, past } = shape;
  const { heads, kvHeads, headDim } = sizes;
  const group = heads / kvHeads;
  const alpha = { float: 1 / Math.sqrt(headDim) };
  const grouped = (x: Value) => g.one("Reshape", [x], { shape: [batch, kvHeads, group * length, headDim] });
  const stored = (part: "key" | "value", i: number) =>
    g.input(`past.${i}.${part}.${layer}`, "f32", [batch, kvHeads, past[i] as number, headDim]);

  const key = splitHeads(g, rotate(g, k, inputs.self, shape), shape, headDim);
  const value = splitHeads(g, v, shape, headDim);
  const keys = [...past.map((_, i) => stored("key", i)), key];
  const values = [...past.map((_, i) => stored("value", i)), value];
  const rotations = [...inputs.past, inputs.self];

  const scores = keys.map((block, i) => {
    const query = grouped(splitHeads(g, rotate(g, q, rotations[i] as Rotation, shape), shape, headDim));
    return g.one("FusedMatMul", [query, block], { transB: 1, alpha });
  });
  const all = scores.length === 1 ? (scores[0] as Value) : g.one("Concat", scores, { axis: -1 });
  const total = all.shape.at(-1) as number;
  const biased = g.one("Add", [
    g.one("Reshape", [all], { shape: [batch, kvHeads, group, length, total] }),
    inputs.bias,
  ]);
  const probabilities = g.one("Reshape", [g.one("Softmax", [biased])], {
    shape: [batch, kvHeads, group * length, total],
  });
  const blocks =
    keys.length === 1
      ? [probabilities]
      : g.apply("Split", [probabilities], { axis: -1, sizes: [...past, length] });
  const mixed = blocks.map((p, i) => g.one("FusedMatMul", [p, values[i] as Value]));
  const context = mixed.length === 1 ? (mixed[0] as Value) : g.one("Sum", mixed);
  const heady = g.one("Reshape", [context], { shape: [batch, heads, length, headDim] });
  const rows = g.one("Transpose", [heady], { perm: [0, 2, 1, 3] });
  return { context: g.one("Reshape", [rows], { shape: [batch * length, heads * headDim] }), key, value };
}
