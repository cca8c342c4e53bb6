/**
 * Block-wise attention over stored keys and values and the new tokens' own. Scores, not keys, are
 * concatenated, so stored blocks are read in place wherever their span stands; grouped-query heads fold into
 * the rows of one product per key-value head, so keys are never repeated.
 */
import { overRows } from "../graph/composites.ts";
import { FREE, type Graph, type Value } from "../graph/graph.ts";
import type { Architecture, Forward, ForwardShape } from "./architecture.ts";
import type { Rope } from "./rope.ts";

interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
}

/** Keys (rotated at block-local positions) and values that the new tokens see before their own. */
interface PastBlock {
  readonly length: number;
  /** Of the new tokens' queries, by (position - origin of the block); one for each of the architecture's ropes. */
  readonly rotations: readonly Rotation[];
  /** Of each layer, [B, kvHeads, length, headDim]; with 1 for B where all rows have the block in common. */
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
  readonly shared: boolean;
}

/** What all layers share. */
export interface AttentionInputs {
  readonly batch: number;
  /** New tokens of a row, S. */
  readonly length: number;
  /** [B, S, keys], one for each of the architecture's windows. */
  readonly biases: readonly Value[];
  /** One for each of the architecture's ropes. */
  readonly self: readonly Rotation[];
  readonly past: readonly PastBlock[];
  /** Where the new tokens stand, i32[B * S, 1]; null where the architecture has no table of positions. */
  readonly positions: Value | null;
  /** Rows of B * S, as many of each row, that the last layer is asked for: i64[B * R]; null for all. */
  readonly tail: Value | null;
  /** How many of a row's tokens attend together; all where it is not smaller than S. */
  readonly together: number;
}

/**
 * Declares the inputs of the forward function beside the embeddings:
 * - `bias` [B, S, P_0 + P_1 + ... + S]: 0 where attention is allowed, a large negative number elsewhere; `bias.1`
 *   for the layers that have the architecture's second window;
 * - `cos.self`, `sin.self` [B * S, r / 2]: rotations of the new tokens' positions in their own block; `cos.self.1`
 *   and so on for the second of the architecture's ropes;
 * - `cos.i`, `sin.i` [B * S, r / 2]: rotations of (position - origin of past block i), so that a stored
 *   block is never touched: (R(m - o) q) . (R(s) k) = (R(m) q) . (R(o + s) k);
 * - `past.i.key.l`, `past.i.value.l` [B, kvHeads, P_i, headDim]: stored keys (rotated at block-local
 *   positions) and values of layer l; [1, ...] of a block that all rows share;
 * - `positions` i32[B * S, 1] of the new tokens, for architectures that learned a row for each.
 */
export function declareAttentionInputs(
  g: Graph,
  { layers, kvHeads, headDim, ropes, windows, placement }: Architecture,
  { batch, length, past, shared = [] }: ForwardShape,
  together = length,
): AttentionInputs {
  const rotations = (block: string): Rotation[] =>
    ropes.map(({ size }, i) => ({
      cos: g.input(numbered(`cos.${block}`, i), "f32", [batch * length, size / 2]),
      sin: g.input(numbered(`sin.${block}`, i), "f32", [batch * length, size / 2]),
    }));
  const stored = (i: number, part: "key" | "value"): Value[] =>
    Array.from({ length: layers }, (_, l) =>
      g.input(`past.${i}.${part}.${l}`, "f32", [shared[i] ? 1 : batch, kvHeads, past[i] as number, headDim]),
    );
  const free = past.includes(FREE);
  if (free && (past.length > 1 || length > 1)) throw new Error("a free block is alone, before one new token");
  const keys = free ? FREE : past.reduce((n, p) => n + p, length);
  return {
    batch,
    length,
    biases: windows.map((_, i) =>
      g.input(numbered("bias", i), "f32", free ? [batch, 1, 1, FREE] : [batch, length, keys]),
    ),
    self: rotations("self"),
    past: past.map((size, i) => ({
      length: size,
      rotations: rotations(String(i)),
      keys: stored(i, "key"),
      values: stored(i, "value"),
      shared: shared[i] ?? false,
    })),
    positions: placement === "fixed" ? g.input("positions", "i32", [batch * length, 1]) : null,
    tail: null,
    together,
  };
}

/** The name of an input of which an architecture has one or several. */
export const numbered = (name: string, i: number): string => (i === 0 ? name : `${name}.${i}`);

/** The first `count` of the new tokens of each row by themselves, and the others with these before them. */
export function cutInputs(
  g: Graph,
  inputs: AttentionInputs,
  count: number,
): { before: AttentionInputs; after(first: Pick<Forward, "keys" | "values">): AttentionInputs } {
  const { batch, length, together } = inputs;
  type Sides = readonly [Value, Value];
  const rest = length - count;
  const both = (x: Value): Sides => cutRows(g, x, inputs, count);
  const turned = (all: readonly Rotation[]) =>
    all.map(({ cos, sin }) => ({ cos: both(cos), sin: both(sin) }));
  const self = turned(inputs.self);
  const past = inputs.past.map((p) => ({ ...p, rotations: turned(p.rotations) }));
  const positions = inputs.positions === null ? null : both(inputs.positions);
  const biases = inputs.biases.map((bias): Sides => {
    const [early, late] = g.apply("Split", [bias], { axis: 1, sizes: [count, rest] }) as [Value, Value];
    const seen = (bias.shape[2] as number) - rest;
    return [g.apply("Split", [early], { axis: 2, sizes: [seen, rest] })[0] as Value, late];
  });
  const side = (i: 0 | 1): AttentionInputs => {
    const of = (all: ReturnType<typeof turned>) => all.map(({ cos, sin }) => ({ cos: cos[i], sin: sin[i] }));
    return {
      batch,
      length: i === 0 ? count : rest,
      biases: biases.map((bias) => bias[i]),
      self: of(self),
      past: past.map((p) => ({ ...p, rotations: of(p.rotations) })),
      positions: positions === null ? null : positions[i],
      tail: null,
      together,
    };
  };
  return {
    before: side(0),
    after: ({ keys, values }) => {
      const late = side(1);
      return {
        ...late,
        past: [...late.past, { length: count, rotations: late.self, keys, values, shared: false }],
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
  /** One after the other they are all Q. */
  readonly parts: readonly QueryPart[];
  /** One for each past block, then that of the own block; null in a layer that does not rotate. */
  readonly rotations: readonly (Rotation | null)[];
}

/** Queries that attend together: the keys behind the last of them are hidden from all of them. */
interface QueryPart {
  /** n */
  readonly length: number;
  /** How many of the own block's keys they are multiplied with, from the first on. */
  readonly seen: number;
  /** [B, 1, 1, n, past keys + seen]; [1, B, 1, ...] where heads stand before rows. */
  readonly bias: Value;
}

/**
 * Of scores and contexts: [B, kvHeads, ...], or [kvHeads, B, ...] where rows share a block. Then the queries of
 * all rows are next to each other, and meet the block's keys as the rows of one product.
 */
interface Order {
  readonly headsFirst: boolean;
  /** [B, n, kvHeads, group, headDim] -> [lead, group, n, headDim], and back. */
  readonly apart: readonly number[];
  readonly back: readonly number[];
}

const ROWS_FIRST: Order = { headsFirst: false, apart: [0, 2, 3, 1, 4], back: [0, 3, 1, 2, 4] };
const HEADS_FIRST: Order = { headsFirst: true, apart: [2, 0, 3, 1, 4], back: [1, 3, 0, 2, 4] };

const orderOf = ({ past }: Pick<AttentionInputs, "past">): Order =>
  past.some(({ shared }) => shared) ? HEADS_FIRST : ROWS_FIRST;

/** How a layer attends. */
export interface LayerAttention {
  /** Which of the architecture's windows, by index. */
  readonly window: number;
  /** Which of its ropes; null where positions are not rotated. */
  readonly rope: number | null;
  /** Products of queries and keys are multiplied by it. */
  readonly scale: number;
  /** Scores s become c tanh(s / c). */
  readonly softcap: number | null;
}

export function queriesOf(
  g: Graph,
  inputs: AttentionInputs,
  { window, rope }: LayerAttention,
  lastLayer: boolean,
): Queries {
  const { batch, length, past, self, tail } = inputs;
  const bias = inputs.biases[window] as Value;
  const keys = bias.shape.at(-1) as number;
  const turns = [...past.map((p) => p.rotations), self];
  const rotations = turns.map((all) => (rope === null ? null : (all[rope] as Rotation)));
  if (!tail || !lastLayer) {
    const parts = keys === FREE ? [] : stairs(g, bias, inputs);
    return { rows: (x) => x, length, parts, rotations };
  }
  const rows = (x: Value) => g.one("Gather", [x, tail]);
  const each = (tail.shape[0] as number) / batch;
  const read = rows(g.one("Reshape", [bias], { shape: [batch * length, keys] }));
  const shape = [...biasLead(inputs), 1, each, keys];
  return {
    rows,
    length: each,
    parts: [{ length: each, seen: length, bias: g.one("Reshape", [read], { shape }) }],
    rotations: rotations.map((r) => r && { cos: rows(r.cos), sin: rows(r.sin) }),
  };
}

const biasLead = (inputs: Pick<AttentionInputs, "batch" | "past">): number[] =>
  orderOf(inputs).headsFirst ? [1, inputs.batch] : [inputs.batch, 1];

/** All queries in parts, each with the keys up to its own end: what lies above the diagonal need not be computed. */
function stairs(
  g: Graph,
  bias: Value,
  inputs: Pick<AttentionInputs, "batch" | "length" | "together" | "past">,
): QueryPart[] {
  const { length, together } = inputs;
  const keys = bias.shape[2] as number;
  const sizes = Array.from({ length: Math.ceil(length / together) }, (_, i) =>
    Math.min(together, length - i * together),
  );
  return split(g, bias, 1, sizes).map((rows, i) => {
    const size = sizes[i] as number;
    const hidden = length - i * together - size;
    const [visible] = split(g, rows, 2, [keys - hidden, hidden]) as [Value];
    const shape = [...biasLead(inputs), 1, size, keys - hidden];
    return { length: size, seen: length - hidden, bias: g.one("Reshape", [visible], { shape }) };
  });
}

/** Parts of `x` along an axis, without those of size 0. */
function split(g: Graph, x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  const some = sizes.filter((size) => size > 0);
  return some.length === 1 ? [x] : g.apply("Split", [x], { axis, sizes: some });
}

/** Rotates the heads of `x` [B * n, heads * headDim]. */
function rotate(
  g: Graph,
  x: Value,
  { cos, sin }: Rotation,
  { interleaved, size }: Rope,
  batch: number,
  headDim: number,
): Value {
  const [rows, width] = x.shape as [number, number];
  const ids = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i));
  const positions = g.constant(ids, [batch, rows / batch]);
  const apart = g.one("Reshape", [x], { shape: [batch, rows / batch, width] });
  return g.one("RotaryEmbedding", [apart, positions, cos, sin], {
    ...(size < headDim && { rotary_embedding_dim: size, num_heads: width / headDim }),
    ...(interleaved && { interleaved: 1 }),
  });
}

/** [B * n or B, n, heads * headDim] -> [B, heads, n, headDim] */
function splitHeads(g: Graph, x: Value, batch: number, headDim: number): Value {
  const heads = (x.shape.at(-1) as number) / headDim;
  const apart = g.one("Reshape", [x], { shape: [batch, rowsOf(x) / batch, heads, headDim] });
  return g.one("Transpose", [apart], { perm: [0, 2, 1, 3] });
}

const rowsOf = (x: Value): number => x.shape.slice(0, -1).reduce((n, d) => n * d, 1);

/** The mean of values by softmax of the scores before and of the own one, without a place where both stand. */
function attendOne(g: Graph, before: Value, values: Value, own: Value, ownValue: Value): Value {
  const top = (x: Value) => g.one("ReduceMax", [x], { axes: [-1] });
  const largest = top(g.one("Concat", [top(before), own], { axis: -1 }));
  const power = (x: Value) => g.one("Exp", [g.one("Sub", [x, largest])]);
  const [many, one] = [power(before), power(own)];
  const total = g.one("Add", [g.one("ReduceSum", [many], { axes: [-1] }), one]);
  const sum = g.one("Add", [g.one("FusedMatMul", [many, values]), g.one("Mul", [one, ownValue])]);
  return g.one("Div", [sum, total]);
}

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
  inputs: AttentionInputs,
  { length, parts, rotations }: Queries,
  { heads, kvHeads, headDim, ropes }: Pick<Architecture, "heads" | "kvHeads" | "headDim" | "ropes">,
  { rope, scale, softcap, window }: LayerAttention,
  layer: number,
): AttentionResult {
  const { batch, past, self } = inputs;
  const group = heads / kvHeads;
  const alpha = { float: scale / (softcap ?? 1) };
  const turn = (x: Value, by: Rotation | null) =>
    by && rope !== null ? rotate(g, x, by, ropes[rope] as Rope, batch, headDim) : x;
  const { headsFirst, apart, back } = orderOf({ past });
  const lead = headsFirst ? [kvHeads, batch] : [batch, kvHeads];
  const ordered = (x: Value) => (headsFirst ? g.one("Transpose", [x], { perm: [1, 0, 2, 3] }) : x);

  const key = splitHeads(g, turn(k, rope === null ? null : (self[rope] as Rotation)), batch, headDim);
  const value = splitHeads(g, v, batch, headDim);
  if (past[0]?.length === FREE) {
    const [block] = past;
    const query = (i: 0 | 1) =>
      g.one("Reshape", [turn(q, rotations[i] ?? null)], { shape: [batch, kvHeads, group, headDim] });
    const score = (i: 0 | 1, of: Value): Value => {
      const s = g.one("FusedMatMul", [query(i), of], { transB: 1, alpha });
      return softcap === null ? s : g.one("Mul", [g.one("Tanh", [s]), g.scalar(softcap)]);
    };
    const bias = inputs.biases[window] as Value;
    const before = g.one("Add", [score(0, block.keys[layer] as Value), bias]);
    const context = attendOne(g, before, block.values[layer] as Value, score(1, key), value);
    return { context: g.one("Reshape", [context], { shape: [batch, heads * headDim] }), key, value };
  }
  const stored = (of: "keys" | "values") => past.map((block) => ordered(block[of][layer] as Value));
  const [keys, values] = [stored("keys"), stored("values")];
  const [ownKey, ownValue] = [ordered(key), ordered(value)];
  const firstOf = (x: Value, seen: number) =>
    split(g, x, 2, [seen, (x.shape[2] as number) - seen])[0] as Value;
  const sizes = parts.map((part) => part.length);

  const contexts = parts.map(({ length: n, seen, bias }, i) => {
    const scores = [...keys, firstOf(ownKey, seen)].map((block, b) => {
      const shape = [batch, length, kvHeads, group, headDim];
      const rows = g.one("Reshape", [turn(q, rotations[b] ?? null)], { shape });
      const all = g.one("Transpose", [rows], { perm: apart });
      const query = split(g, all, 3, sizes)[i] as Value;
      const grouped = g.one("Reshape", [query], { shape: [...lead, group * n, headDim] });
      return overRows(g, grouped, block, { transB: 1, alpha });
    });
    const joined = scores.length === 1 ? (scores[0] as Value) : g.one("Concat", scores, { axis: -1 });
    const all = softcap === null ? joined : g.one("Mul", [g.one("Tanh", [joined]), g.scalar(softcap)]);
    const total = all.shape.at(-1) as number;
    const heady = g.one("Reshape", [all], { shape: [...lead, group, n, total] });
    const biased = g.one("Reshape", [g.one("Add", [heady, bias])], { shape: [...lead, group * n, total] });
    const context = g.one("Attend", [biased, ...values, firstOf(ownValue, seen)]);
    const headed = g.one("Reshape", [context], { shape: [...lead, group, n, headDim] });
    return g.one("Transpose", [headed], { perm: back });
  });
  const rows = contexts.length === 1 ? (contexts[0] as Value) : g.one("Concat", contexts, { axis: 1 });
  return { context: g.one("Reshape", [rows], { shape: [batch * length, heads * headDim] }), key, value };
}
