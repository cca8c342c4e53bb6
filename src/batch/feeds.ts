/**
 * Layouts in the rows of a program -> the arrays that it is fed with. Layouts that share a row see only
 * themselves. What no layout fills holds token 0 and sees itself, so that every softmax and norm stays finite.
 */
import type { Feed } from "../engine/engine.ts";
import type { Architecture, ForwardShape } from "../models/architecture.ts";
import { firstSeen, MASKED } from "../prompts/mask.ts";
import type { Layout } from "./layout.ts";

/** Vectors of tags by name: [length, width] each. */
export type VectorsOf = (tag: string) => Float32Array;

/** A position of the rows of a batch. */
export interface Place {
  readonly row: number;
  readonly at: number;
}

export interface SlotRef extends Place {
  readonly tag: string;
  /** Row of the tag's vectors. */
  readonly vector: number;
}

/** A layout and where its fresh positions begin. */
export interface Placed {
  readonly layout: Layout;
  readonly row: number;
  readonly offset: number;
}

export interface Batch {
  readonly shape: ForwardShape;
  readonly placed: readonly Placed[];
  /** What stands at the slots of the program; it may have more. */
  readonly slots: readonly SlotRef[];
  /** Slots of the program. */
  readonly slotCount: number;
  readonly feeds: Record<string, Feed>;
  /** Where a position of a layout's prompt stands; it must be fresh. */
  place(index: number, position: number): Place;
}

/** @param slotCount for how many slots: what is asked for, given how many there are */
export function makeBatch(
  architecture: Architecture,
  placed: readonly Placed[],
  shape: ForwardShape,
  vectorsOf: VectorsOf,
  slotCount: (slots: number) => number = (slots) => slots,
): Batch {
  const feeds: Record<string, Feed> = { ids: tokenIds(placed, shape), bias: attentionBias(placed, shape) };
  addRotations(feeds, architecture, placed, shape);
  const slots = placed.flatMap((p) => slotsOf(p, architecture.hiddenSize, vectorsOf));
  const count = slots.length === 0 ? 0 : slotCount(slots.length);
  if (count) addVectors(feeds, slots, count, shape, architecture.hiddenSize, vectorsOf);
  const places = placed.map(({ layout }) => new Map(Array.from(layout.fresh, (p, i) => [p, i])));
  const place = (index: number, position: number): Place => {
    const at = places[index]?.get(position);
    if (at === undefined) throw new Error(`position ${position} of layout ${index} does not run`);
    const { row, offset } = placed[index] as Placed;
    return { row, at: offset + at };
  };
  return { shape, placed, slots, slotCount: count, feeds, place };
}

function tokenIds(placed: readonly Placed[], { batch, length }: ForwardShape): Int32Array {
  const ids = new Int32Array(batch * length);
  for (const { layout, row, offset } of placed) {
    layout.fresh.forEach((p, i) => {
      ids[row * length + offset + i] = Math.max(0, layout.query.prompt.ids[p] as number);
    });
  }
  return ids;
}

/** [B, S, sum of past + S]: 0 where a fresh position sees a stored or fresh one, MASKED elsewhere; padding sees itself. */
export function attentionBias(
  placed: readonly Placed[],
  { batch, length, past }: ForwardShape,
): Float32Array {
  const pastTotal = past.reduce((n, p) => n + p, 0);
  const keys = pastTotal + length;
  const bias = new Float32Array(batch * length * keys).fill(MASKED);
  for (let i = 0; i < batch * length; i++) bias[i * keys + pastTotal + (i % length)] = 0;
  for (const { layout, row, offset } of placed) {
    const first = firstSeen(layout.query.prompt, layout.query.isolate);
    layout.fresh.forEach((position, i) => {
      const at = (row * length + offset + i) * keys;
      const sees = (other: number) => other <= position && other >= (first[position] as number);
      let stored = at;
      layout.past.forEach(({ positions }, b) => {
        positions.forEach((p, k) => {
          if (sees(p)) bias[stored + k] = 0;
        });
        stored += past[b] as number;
      });
      const own = at + pastTotal + offset;
      for (let k = 0; k < i; k++) if (sees(layout.fresh[k] as number)) bias[own + k] = 0;
    });
  }
  return bias;
}

/** Rotations of the fresh positions, once for their own block and once relative to each past block. */
function addRotations(
  feeds: Record<string, Feed>,
  { rope }: Architecture,
  placed: readonly Placed[],
  { batch, length, past }: ForwardShape,
): void {
  const relative = (origin: (layout: Layout) => number): Float32Array => {
    const positions = new Float32Array(batch * length);
    for (const { layout, row, offset } of placed) {
      layout.fresh.forEach((p, i) => {
        positions[row * length + offset + i] = p - origin(layout);
      });
    }
    return positions;
  };
  const add = (block: string, positions: Float32Array) => {
    const { cos, sin } = rope.tables(positions);
    feeds[`cos.${block}`] = cos;
    feeds[`sin.${block}`] = sin;
  };
  add(
    "self",
    relative(() => 0),
  );
  past.forEach((_, b) => {
    add(
      String(b),
      relative((layout) => layout.past[b]?.origin ?? 0),
    );
  });
}

function slotsOf({ layout, row, offset }: Placed, width: number, vectorsOf: VectorsOf): SlotRef[] {
  return layout.query.prompt.slots.flatMap(({ tag, position }) => {
    const begin = layout.fresh.indexOf(position);
    const length = begin < 0 ? 0 : vectorsOf(tag).length / width;
    return Array.from({ length }, (_, vector) => ({ tag, vector, row, at: offset + begin + vector }));
  });
}

/** Slots beyond those there are write the first one's vector once more. */
function addVectors(
  feeds: Record<string, Feed>,
  slots: readonly SlotRef[],
  count: number,
  { length }: ForwardShape,
  width: number,
  vectorsOf: VectorsOf,
): void {
  const values = new Float32Array(count * width);
  const rows = new BigInt64Array(count);
  for (let i = 0; i < count; i++) {
    const { tag, vector, row, at } = slots[i] ?? (slots[0] as SlotRef);
    values.set(vectorsOf(tag).subarray(vector * width, (vector + 1) * width), i * width);
    rows[i] = BigInt(row * length + at);
  }
  feeds.vectors = values;
  feeds.slots = rows;
}
