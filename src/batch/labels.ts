/** Tokens whose loss is asked for, as the feeds of a batch's program. */
import type { HostArray } from "../engine/engine.ts";
import type { Batch, Place } from "./feeds.ts";
import { roundLength } from "./sizes.ts";

export interface Label {
  /** The position whose token is predicted (from the one before it). */
  readonly position: number;
  readonly id: number;
}

/** @param least of the program's reads */
export function labelFeeds(
  batch: Batch,
  indices: readonly number[],
  labels: readonly (readonly Label[])[],
  weightOf: (index: number) => number,
  least = 1,
): { places: Place[]; size: number; feeds: Record<string, HostArray> } {
  const places: Place[] = [];
  const ids: number[] = [];
  const weights: number[] = [];
  indices.forEach((index, i) => {
    for (const { position, id } of labels[index] as readonly Label[]) {
      places.push(batch.place(i, position - 1));
      ids.push(id);
      weights.push(weightOf(index));
    }
  });
  const size = roundLength(Math.max(least, places.length));
  const label = new BigInt64Array(size);
  ids.forEach((id, i) => {
    label[i] = BigInt(id);
  });
  const weight = new Float32Array(size);
  weight.set(weights);
  return { places, size, feeds: { labels: label, weights: weight } };
}
