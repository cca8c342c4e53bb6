/**
 * Layouts of one shape -> the arrays that a program is fed with. Rows shorter than the program's are padded at
 * the right; rows beyond the layouts repeat the first one, so that every softmax and norm stays finite.
 */
import type { Feed, HostArray } from "../engine/engine.ts";
import type { Architecture, ForwardShape } from "../models/architecture.ts";
import { firstSeen, MASKED } from "../prompts/mask.ts";
import type { Layout } from "./layout.ts";

/** Vectors of tags by name: [length, width] each. */
export type VectorsOf = (tag: string) => Float32Array;

export interface SlotRef {
  readonly tag: string;
  /** Row of the tag's vectors. */
  readonly vector: number;
  /** Row of the batch. */
  readonly row: number;
}

export interface Batch {
  readonly shape: ForwardShape;
  readonly layouts: readonly Layout[];
  /** What stands at each slot of the program; slots of padding rows are null. */
  readonly slots: readonly (SlotRef | null)[];
  readonly feeds: Record<string, Feed>;
  /** Where a position of a row's prompt stands among the B * S rows; it must be fresh. */
  place(row: number, position: number): number;
}

export function makeBatch(
  architecture: Architecture,
  layouts: readonly Layout[],
  shape: ForwardShape,
  vectorsOf: VectorsOf,
): Batch {
  const padded = Array.from({ length: shape.batch }, (_, i) => layouts[i] ?? (layouts[0] as Layout));
  const feeds: Record<string, Feed> = { ids: tokenIds(padded, shape), bias: attentionBias(padded, shape) };
  addRotations(feeds, architecture, padded, shape);
  const slots = addVectors(feeds, padded, layouts.length, shape, architecture.hiddenSize, vectorsOf);
  const places = layouts.map(({ fresh }) => new Map(Array.from(fresh, (p, i) => [p, i])));
  const place = (row: number, position: number): number => {
    const at = places[row]?.get(position);
    if (at === undefined) throw new Error(`position ${position} of row ${row} does not run`);
    return row * shape.length + at;
  };
  return { shape, layouts, slots, feeds, place };
}

function tokenIds(layouts: readonly Layout[], { batch, length }: ForwardShape): Int32Array {
  const ids = new Int32Array(batch * length);
  layouts.forEach(({ query, fresh }, row) => {
    fresh.forEach((p, i) => {
      ids[row * length + i] = Math.max(0, query.prompt.ids[p] as number);
    });
  });
  return ids;
}

/** [B, S, sum of past + S]: 0 where a fresh position sees a stored or fresh one, MASKED elsewhere; padding sees itself. */
export function attentionBias(
  layouts: readonly Layout[],
  { batch, length, past }: ForwardShape,
): Float32Array {
  const pastTotal = past.reduce((n, p) => n + p, 0);
  const keys = pastTotal + length;
  const bias = new Float32Array(batch * length * keys).fill(MASKED);
  layouts.forEach((layout, row) => {
    const first = firstSeen(layout.query.prompt, layout.query.isolate);
    for (let i = 0; i < length; i++) {
      const at = (row * length + i) * keys;
      bias[at + pastTotal + i] = 0;
      if (i >= layout.fresh.length) continue;
      const position = layout.fresh[i] as number;
      const sees = (other: number) => other <= position && other >= (first[position] as number);
      let offset = 0;
      layout.past.forEach(({ positions }, b) => {
        positions.forEach((p, k) => {
          if (sees(p)) bias[at + offset + k] = 0;
        });
        offset += past[b] as number;
      });
      for (let k = 0; k < i; k++) if (sees(layout.fresh[k] as number)) bias[at + pastTotal + k] = 0;
    }
  });
  return bias;
}

/** Rotations of the fresh positions, once for their own block and once relative to each past block. */
function addRotations(
  feeds: Record<string, Feed>,
  { rope }: Architecture,
  layouts: readonly Layout[],
  { batch, length, past }: ForwardShape,
): void {
  const relative = (origin: (layout: Layout) => number): Float32Array => {
    const positions = new Float32Array(batch * length);
    layouts.forEach((layout, row) => {
      layout.fresh.forEach((p, i) => {
        positions[row * length + i] = p - origin(layout);
      });
    });
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

function addVectors(
  feeds: Record<string, Feed>,
  layouts: readonly Layout[],
  real: number,
  { length }: ForwardShape,
  width: number,
  vectorsOf: VectorsOf,
): (SlotRef | null)[] {
  const rows: { at: number; ref: SlotRef }[] = [];
  layouts.forEach((layout, row) => {
    for (const { tag, position } of layout.query.prompt.slots) {
      const vectors = vectorsOf(tag);
      const begin = layout.fresh.indexOf(position);
      if (begin < 0) continue;
      for (let vector = 0; vector < vectors.length / width; vector++) {
        rows.push({ at: row * length + begin + vector, ref: { tag, vector, row } });
      }
    }
  });
  if (rows.length === 0) return [];
  const values = new Float32Array(rows.length * width);
  rows.forEach(({ ref }, i) => {
    values.set(vectorsOf(ref.tag).subarray(ref.vector * width, (ref.vector + 1) * width), i * width);
  });
  feeds.vectors = values;
  feeds.slots = BigInt64Array.from(rows, ({ at }) => BigInt(at));
  return rows.map(({ ref }) => (ref.row < real ? ref : null));
}

/** Rows of B * S as `reads`, filled up with row 0. */
export function readIndices(places: readonly number[], size: number): HostArray {
  return BigInt64Array.from({ length: size }, (_, i) => BigInt(places[i] ?? 0));
}
