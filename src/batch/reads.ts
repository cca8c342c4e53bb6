/**
 * What a run need not compute: the last layer where nobody reads it, and backward where nothing trained lies
 * before. Both follow from where the reads and the slots of a batch are.
 */
import type { HostArray } from "../engine/engine.ts";
import type { ProgramSpec } from "../models/program.ts";
import type { Batch, Place, SlotRef } from "./feeds.ts";
import { roundReads } from "./sizes.ts";

interface Reading {
  readonly spec: Pick<ProgramSpec, "tail" | "constant">;
  readonly feeds: Record<string, HostArray>;
  /** What the rows of `grad.vectors` are the gradients of; there may be more rows. */
  readonly slots: readonly SlotRef[];
}

/**
 * Everything runs.
 * @param size of the program's `reads`, at least as many as places
 */
export function wholeReads({ shape, slots }: Batch, places: readonly Place[], size: number): Reading {
  const rows = places.map(({ row, at }) => row * shape.length + at);
  return { spec: {}, feeds: { reads: padded(rows, size, shape.batch * shape.length) }, slots };
}

/** @param trains whether there is a backward pass */
export function neededReads(batch: Batch, places: readonly Place[], size: number, trains: boolean): Reading {
  const feeds: Record<string, HostArray> = {};
  const cut = trains ? constantLength(batch, places) : 0;
  const length = batch.shape.length - cut;
  let { spec, slots }: Pick<Reading, "spec" | "slots"> = { spec: {}, slots: batch.slots };
  if (cut) {
    slots = batch.slots.filter(({ at }) => at >= cut);
    const trained = roundReads(slots.length);
    spec = { constant: { length: cut, trained } };
    feeds.trained = indices(
      slots.map(({ row, at }) => row * length + at - cut),
      trained,
    );
  }
  const read = places.map(({ row, at }) => row * length + at - cut);
  const rows: number[][] = Array.from({ length: batch.shape.batch }, () => []);
  const ranks = places.map(({ row }, i) => (rows[row] as number[]).push(read[i] as number) - 1);
  const tail = roundReads(Math.max(1, ...rows.map((r) => r.length)));
  if (2 * tail > length) {
    feeds.reads = padded(read, size, batch.shape.batch * length);
    return { spec, feeds, slots };
  }
  feeds.tail = indices(
    rows.flatMap((r, row) => {
      const free = unread(r, row * length);
      return Array.from({ length: tail }, (_, k) => r[k] ?? free);
    }),
    batch.shape.batch * tail,
  );
  feeds.reads = padded(
    places.map(({ row }, i) => row * tail + (ranks[i] as number)),
    size,
    batch.shape.batch * tail,
  );
  return { spec: { ...spec, tail }, feeds, slots };
}

/**
 * Positions at the beginning of all rows that hold nothing trained and are not read. Few of them, or few among
 * many, are not worth products of their own.
 */
function constantLength({ placed, shape, slots }: Batch, places: readonly Place[]): number {
  if (placed.some(({ offset }) => offset > 0)) return 0;
  const first = Math.min(
    ...placed.map(({ layout }) => layout.fresh.filter((p) => p < layout.query.cut).length),
    ...places.map(({ at }) => at),
  );
  const length = first <= 16 ? first : first - (first % 16);
  const worthwhile = shape.batch * length >= 16 && length * 8 >= shape.length;
  return worthwhile && slots.some(({ at }) => at >= length) ? length : 0;
}

/**
 * Reads, and as padding a row that nobody reads where there is one: the runtime adds up gradients by row in parallel,
 * and zeros that meet another's gradient may undo it.
 * @param rows to read from
 */
function padded(read: readonly number[], size: number, rows: number): BigInt64Array {
  const free = unread(read);
  return indices(read, size, free < rows ? free : 0);
}

/** The first row from `first` on that is not read. */
function unread(read: readonly number[], first = 0): number {
  const taken = new Set(read);
  let row = first;
  while (taken.has(row)) row++;
  return row;
}

const indices = (values: readonly number[], size: number, padding = 0): BigInt64Array =>
  BigInt64Array.from({ length: size }, (_, i) => BigInt(values[i] ?? padding));
