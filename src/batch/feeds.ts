/**
 * Layouts in the rows of a program -> the arrays that it is fed with. Layouts that share a row see only
 * themselves. What no layout fills holds token 0 and sees itself, so that every softmax and norm stays finite.
 */
import type { Feed } from "../engine/engine.ts";
import type { Architecture, ForwardShape } from "../models/architecture.ts";
import { type Placed, sightFeeds } from "./sight.ts";

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
  const feeds: Record<string, Feed> = {
    ids: tokenIds(placed, shape),
    ...sightFeeds(architecture, placed, shape),
  };
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

/** A stored prefix may end within a tag: then only the vectors behind its end run. */
function slotsOf({ layout, row, offset }: Placed, width: number, vectorsOf: VectorsOf): SlotRef[] {
  return layout.query.prompt.slots.flatMap(({ tag, position }) =>
    Array.from({ length: vectorsOf(tag).length / width }, (_, vector) => ({
      tag,
      vector,
      row,
      at: layout.fresh.indexOf(position + vector),
    }))
      .filter(({ at }) => at >= 0)
      .map((slot) => ({ ...slot, at: offset + slot.at })),
  );
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
