/**
 * Block-wise attention over stored keys and values and the new tokens' own. Scores, not keys, are
 * concatenated, so stored blocks are read in place wherever their span stands; grouped-query heads fold into
 * the rows of one product per key-value head, so keys are never repeated.
 */
import type { Graph, Value } from "../graph/graph.ts";
import type { Architecture, Forward, ForwardShape } from "./architecture.ts";

interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
}

/** Keys (rotated at block-local positions) and values that the new tokens see before their own. */
interface PastBlock {
  readonly length: number;
  /** Of the new tokens' queries, by (position - origin of the block). */
  readonly rotation: Rotation;
  /** Of each layer, [B, kvHeads, length, headDim]. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
}

/** What all layers share. */
export interface AttentionInputs {
  readonly batch: number;
  /** New tokens of a row, S. */
  readonly length: number;
  /** [B, S, keys] */
  readonly bias: Value;
  readonly self: Rotation;
  readonly past: readonly PastBlock[];
  /** Rows of B * S, as many of each row, that the last layer is asked for: i64[B * R]; null for all. */
  readonly tail: Value | null;
}

/**
 * Declares the inputs of the forward function beside the embeddings:
 * - `bias` [B, S, P_0 + P_1 + ... + S]: 0 where attention is allowed, a large negative number elsewhere;
 * - `cos.self`, `sin.self` [B * S, r / 2]: rotations of the new tokens' positions in their own block;
 * - `cos.i`, `sin.i` [B * S, r / 2]: rotations of (position - origin of past block i), so that a stored
 *   block is never touched: (R(m - o) q) . (R(s) k) = (R(m) q) . (R(o + s) k);
 * - `past.i.key.l`, `past.i.value.l` [B, kvHeads, P_i, headDim]: stored keys (rotated at block-local
 *   positions) and values of layer l.
 */
export function declareAttentionInputs(
  g: Graph,
  { layers, kvHeads, headDim, rope }: Architecture,
  { batch, length, past }: ForwardShape,
): AttentionInputs {
  const table = [batch * length, rope.size / 2];
  const rotation = (block: string): Rotation => ({
    cos: g.input(`cos.${block}`, "f32", table),
    sin: g.input(`sin.${block}`, "f32", table),
  });
  const stored = (i: number, part: "key" | "value"): Value[] =>
    Array.from({ length: layers }, (_, l) =>
      g.input(`past.${i}.${part}.${l}`, "f32", [batch, kvHeads, past[i] as number, headDim]),
    );
  return {
    batch,
    length,
    bias: g.input("bias", "f32", [batch, length, past.reduce((n, p) => n + p, length)]),
    self: rotation("self"),
    past: past.map((size, i) => ({
      length: size,
      rotation: rotation(String(i)),
      keys: stored(i, "key"),
      values: stored(i, "value"),
    })),
    tail: null,
  };
}

/** The first `count` of the new tokens of each row by themselves, and the others with these before them. */
export function cutInputs(
  g: Graph,
  inputs: AttentionInputs,
  count: number,
): { before: AttentionInputs; after(first: Pick<Forward, "keys" | "values">): AttentionInputs } {
  const { batch, length, past, self } = inputs;
  const rotations = [self, ...past.map((p) => p.rotation)].map(({ cos, sin }) => {
    const [cosBefore, cosAfter] = cutRows(g, cos, inputs, count);
    const [sinBefore, sinAfter] = cutRows(g, sin, inputs, count);
    return [
      { cos: cosBefore, sin: sinBefore },
      { cos: cosAfter, sin: sinAfter },
    ] as const;
  });
  const parts = [count, length - count];
  const [early, late] = g.apply("Split", [inputs.bias], { axis: 1, sizes: parts }) as [Value, Value];
  const seen = (early.shape[2] as number) - (length - count);
  const blocks = (side: 0 | 1) =>
    past.map((p, i) => ({ ...p, rotation: rotations[i + 1]?.[side] as Rotation }));
  const rotationOf = (side: 0 | 1) => rotations[0]?.[side] as Rotation;
  return {
    before: {
      batch,
      length: count,
      bias: g.apply("Split", [early], { axis: 2, sizes: [seen, length - count] })[0] as Value,
      self: rotationOf(0),
      past: blocks(0),
      tail: null,
    },
    after: ({ keys, values }) => {
      const own = { length: count, rotation: rotationOf(1), keys, values };
      return {
        batch,
        length: length - count,
        bias: late,
        self: rotationOf(1),
        past: [...blocks(1), own],
        tail: null,
      };
    },
  };
}

/** [B * S, n] -> the first `count` tokens of each row, [B * count, n], and the others. */
export function cutRows(
  g: Graph,
  x: Value,
  { batch, length }: Pick<ForwardShape, "batch" | "length">,
  count: number,
): [Value, Value] {
  const width = x.shape[1] as number;
  const apart = g.one("Reshape", [x], { shape: [batch, length, width] });
  const parts = g.apply("Split", [apart], { axis: 1, sizes: [count, length - count] });
  return parts.map((part) =>
    g.one("Reshape", [part], { shape: [batch * (part.shape[1] as number), width] }),
  ) as [Value, Value];
}

/** The tokens of a layer that go on once its keys and values are there: all, or in the last layer those read. */
export interface Queries {
  /** [B * S, n] -> [B * Q, n] */
  rows(x: Value): Value;
  /** Q */
  readonly length: number;
  /** [B, 1, 1, Q, keys] */
  readonly bias: Value;
  /** One for each past block, then that of the own block. */
  readonly rotations: readonly Rotation[];
}

export function queriesOf(g: Graph, inputs: AttentionInputs, lastLayer: boolean): Queries {
  const { batch, length, past, self, bias, tail } = inputs;
  const keys = bias.shape[2] as number;
  const rotations = [...past.map((p) => p.rotation), self];
  const wide = (x: Value, queries: number) => g.one("Reshape", [x], { shape: [batch, 1, 1, queries, keys] });
  if (!tail || !lastLayer) return { rows: (x) => x, length, bias: wide(bias, length), rotations };
  const rows = (x: Value) => g.one("Gather", [x, tail]);
  const each = (tail.shape[0] as number) / batch;
  const flat = g.one("Reshape", [bias], { shape: [batch * length, keys] });
  return {
    rows,
    length: each,
    bias: wide(rows(flat), each),
    rotations: rotations.map(({ cos, sin }) => ({ cos: rows(cos), sin: rows(sin) })),
  };
}

/** Rotates the heads of `x` [B * n, heads * headDim]. */
function rotate(g: Graph, x: Value, { cos, sin }: Rotation, batch: number): Value {
  const [rows, width] = x.shape as [number, number];
  const ids = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i));
  const positions = g.constant(ids, [batch, rows / batch]);
  const apart = g.one("Reshape", [x], { shape: [batch, rows / batch, width] });
  return g.one("RotaryEmbedding", [apart, positions, cos, sin]);
}

/** [B * n or B, n, heads * headDim] -> [B, heads, n, headDim] */
function splitHeads(g: Graph, x: Value, batch: number, headDim: number): Value {
  const heads = (x.shape.at(-1) as number) / headDim;
  const apart = g.one("Reshape", [x], { shape: [batch, rowsOf(x) / batch, heads, headDim] });
  return g.one("Transpose", [apart], { perm: [0, 2, 1, 3] });
}

const rowsOf = (x: Value): number => x.shape.slice(0, -1).reduce((n, d) => n * d, 1);

export interface AttentionResult {
  /** [B * Q, heads * headDim], before the output projection. */
  readonly context: Value;
  readonly key: Value;
  readonly value: Value;
}

/**
 * @param q [B * Q, heads * headDim], before rotation
 * @param k [B * S, kvHeads * headDim], before rotation
 * @param v [B * S, kvHeads * headDim]
 */
export function attend(
  g: Graph,
  { q, k, v }: { q: Value; k: Value; v: Value },
  { batch, past, self }: AttentionInputs,
  { length, bias, rotations }: Queries,
  { heads, kvHeads, headDim }: Pick<Architecture, "heads" | "kvHeads" | "headDim">,
  layer: number,
): AttentionResult {
  const group = heads / kvHeads;
  const alpha = { float: 1 / Math.sqrt(headDim) };
  const grouped = (x: Value) => g.one("Reshape", [x], { shape: [batch, kvHeads, group * length, headDim] });

  const key = splitHeads(g, rotate(g, k, self, batch), batch, headDim);
  const value = splitHeads(g, v, batch, headDim);
  const keys = [...past.map((p) => p.keys[layer] as Value), key];
  const values = [...past.map((p) => p.values[layer] as Value), value];

  const scores = keys.map((block, i) => {
    const query = grouped(splitHeads(g, rotate(g, q, rotations[i] as Rotation, batch), batch, headDim));
    return g.one("FusedMatMul", [query, block], { transB: 1, alpha });
  });
  const all = scores.length === 1 ? (scores[0] as Value) : g.one("Concat", scores, { axis: -1 });
  const total = all.shape.at(-1) as number;
  const biased = g.one("Add", [
    g.one("Reshape", [all], { shape: [batch, kvHeads, group, length, total] }),
    bias,
  ]);
  const scored = g.one("Reshape", [biased], { shape: [batch, kvHeads, group * length, total] });
  const context = g.one("Attend", [scored, ...values]);
  const heady = g.one("Reshape", [context], { shape: [batch, heads, length, headDim] });
  const rows = g.one("Transpose", [heady], { perm: [0, 2, 1, 3] });
  return { context: g.one("Reshape", [rows], { shape: [batch * length, heads * headDim] }), key, value };
}
