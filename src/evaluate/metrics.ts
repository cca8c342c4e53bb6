/**
 * The numbers that say how good predictions are. All take the targets first and expect as many predictions.
 * A metric that is not defined for its input (no rows; a correlation or R2 of constant values or of fewer than
 * two rows; anything that is not finite) is NaN, never an error.
 */
import { placesOf, rowsByPlace } from "./places.ts";

export interface Regression {
  rows: number;
  rmse: number;
  mse: number;
  mae: number;
  /** 1 - squared error / squared deviation of the targets from their own mean. */
  r2: number;
  pearson: number;
  spearman: number;
  /** Concordance index: share of pairs with different targets whose predictions stand in the same order. */
  ci: number;
}

export function regressionMetrics(targets: Float64Array, predictions: Float64Array): Regression {
  return {
    rows: targets.length,
    rmse: rmse(targets, predictions),
    mse: mse(targets, predictions),
    mae: mae(targets, predictions),
    r2: r2(targets, predictions),
    pearson: pearson(targets, predictions),
    spearman: spearman(targets, predictions),
    ci: concordanceIndex(targets, predictions),
  };
}

export function mse(targets: Float64Array, predictions: Float64Array): number {
  return mean(targets.map((y, i) => (y - predictions[i]!) ** 2));
}

export function rmse(targets: Float64Array, predictions: Float64Array): number {
  return Math.sqrt(mse(targets, predictions));
}

export function mae(targets: Float64Array, predictions: Float64Array): number {
  return mean(targets.map((y, i) => Math.abs(y - predictions[i]!)));
}

export function r2(targets: Float64Array, predictions: Float64Array): number {
  const deviation = sum(centred(targets).map((d) => d * d));
  return deviation > 0 ? 1 - sum(targets.map((y, i) => (y - predictions[i]!) ** 2)) / deviation : Number.NaN;
}

export function pearson(a: Float64Array, b: Float64Array): number {
  const x = centred(a);
  const y = centred(b);
  const spread = Math.sqrt(sum(x.map((v) => v * v)) * sum(y.map((v) => v * v)));
  if (!(spread > 0)) return Number.NaN;
  return Math.min(1, Math.max(-1, sum(x.map((v, i) => v * y[i]!)) / spread));
}

/** Pearson's correlation of ranks; equal values share the mean of their ranks. */
export function spearman(a: Float64Array, b: Float64Array): number {
  return pearson(ranks(a), ranks(b));
}

/**
 * Share of the pairs of rows with different targets whose predictions stand in the same order; equal predictions
 * count half. NaN where all targets are equal. Time is n log n.
 */
export function concordanceIndex(targets: Float64Array, predictions: Float64Array): number {
  if (targets.some(Number.isNaN) || predictions.some(Number.isNaN)) return Number.NaN;
  const places = placesOf(predictions);
  const below = new Int32Array(places.count + 1);
  let [concordant, pairs, inserted] = [0, 0, 0];
  for (const same of rowsByPlace(placesOf(targets))) {
    for (const i of same) {
      const lower = countUpTo(below, places.of[i]!);
      const equal = countUpTo(below, places.of[i]! + 1) - lower;
      concordant += lower + equal / 2;
      pairs += inserted;
    }
    for (const i of same) addAt(below, places.of[i]! + 1);
    inserted += same.length;
  }
  return pairs > 0 ? concordant / pairs : Number.NaN;
}

/** A binary indexed tree of counts: add one at a place from 1; how many lie at places up to one. */
function addAt(tree: Int32Array, place: number): void {
  for (let i = place; i < tree.length; i += i & -i) tree[i]!++;
}

function countUpTo(tree: Int32Array, place: number): number {
  let count = 0;
  for (let i = place; i > 0; i -= i & -i) count += tree[i]!;
  return count;
}

export function mean(values: Float64Array): number {
  return sum(values) / values.length;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Values minus their mean; exactly zero where all values are equal. */
function centred(values: Float64Array): Float64Array {
  const first = values[0] ?? 0;
  const shifted = values.map((value) => value - first);
  const offset = mean(shifted);
  return shifted.map((value) => value - offset);
}

/** Ranks from 1; NaN among the values makes all of them NaN. */
function ranks(values: Float64Array): Float64Array {
  if (values.some(Number.isNaN)) return values.map(() => Number.NaN);
  const { of, count } = placesOf(values);
  const rank = new Float64Array(count);
  for (const place of of) rank[place]!++;
  let below = 0;
  for (let place = 0; place < count; place++) {
    const equal = rank[place]!;
    rank[place] = below + (equal + 1) / 2;
    below += equal;
  }
  return Float64Array.from(of, (place) => rank[place]!);
}
