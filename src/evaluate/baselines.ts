/**
 * Predictions that look at no text at all: the mean, and the mean plus what each of two things adds to it
 * (a drug's mean and a protein's mean). What a model must beat before it can be said to have read its input.
 */
import { mean } from "./metrics.ts";

/** Two keys for every row, such as drug and protein. */
export interface KeyedRows {
  a: readonly string[];
  b: readonly string[];
}

export interface AdditiveMeans {
  mean: number;
  a: Map<string, number>;
  b: Map<string, number>;
}

/** The mean of the training targets for each of `rows` rows. */
export function predictMean(trainTargets: Float64Array, rows: number): Float64Array {
  return new Float64Array(rows).fill(mean(trainTargets));
}

/**
 * Fits y = mean + effect of a + effect of b by alternating least squares to convergence: the minimum of
 * sum of squared errors + shrink * sum of squared effects (shrink > 0), so a key with few rows stays near the mean.
 */
export function additiveMeans({ a, b }: KeyedRows, y: Float64Array, shrink = 1): AdditiveMeans {
  const aOf = indexKeys(a);
  const bOf = indexKeys(b);
  const aEffect = new Float64Array(aOf.keys.length);
  const bEffect = new Float64Array(bOf.keys.length);
  const precision = 1e-12 * (Math.max(...minMax(y).map(Math.abs)) + 1);
  let offset = mean(y);
  for (let round = 0, moved = Infinity; moved > precision && round < 10_000; round++) {
    const before = offset;
    offset = mean(y.map((value, i) => value - aEffect[aOf.index[i]!]! - bEffect[bOf.index[i]!]!));
    moved = Math.max(
      Math.abs(offset - before),
      refit(aEffect, aOf.index, y, (i) => offset + bEffect[bOf.index[i]!]!, shrink),
      refit(bEffect, bOf.index, y, (i) => offset + aEffect[aOf.index[i]!]!, shrink),
    );
  }
  const named = (keys: string[], effect: Float64Array) => new Map(keys.map((key, i) => [key, effect[i]!]));
  return { mean: offset, a: named(aOf.keys, aEffect), b: named(bOf.keys, bEffect) };
}

/** A key that training did not have gets the mean effect, which is 0. */
export function predictAdditive(fit: AdditiveMeans, { a, b }: KeyedRows): Float64Array {
  return Float64Array.from(a, (key, i) => fit.mean + (fit.a.get(key) ?? 0) + (fit.b.get(b[i]!) ?? 0));
}

/** Sets every effect to its shrunk mean residual; returns the largest change. */
function refit(
  effect: Float64Array,
  index: Int32Array,
  y: Float64Array,
  others: (row: number) => number,
  shrink: number,
): number {
  const total = new Float64Array(effect.length);
  const rows = new Float64Array(effect.length);
  for (let i = 0; i < y.length; i++) {
    total[index[i]!]! += y[i]! - others(i);
    rows[index[i]!]!++;
  }
  let moved = 0;
  for (let g = 0; g < effect.length; g++) {
    const next = total[g]! / (rows[g]! + shrink);
    moved = Math.max(moved, Math.abs(next - effect[g]!));
    effect[g] = next;
  }
  return moved;
}

function indexKeys(values: readonly string[]): { keys: string[]; index: Int32Array } {
  const places = new Map<string, number>();
  const index = Int32Array.from(values, (value) => {
    if (!places.has(value)) places.set(value, places.size);
    return places.get(value)!;
  });
  return { keys: [...places.keys()], index };
}

function minMax(values: Float64Array): [number, number] {
  let [low, high] = [0, 0];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}
