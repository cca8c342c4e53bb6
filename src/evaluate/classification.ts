/**
 * How good predicted classes are. Truth is a class number for every row, predictions are probabilities, row by
 * row. Averages over classes are macro: every class counts the same. What is not defined is NaN, never an error.
 */
import { type Places, placesOf } from "./places.ts";

export interface Classification {
  rows: number;
  /** One class against the rest, averaged over the classes that are and are not in the truth. */
  rocAuc: number;
  /** Average precision (area under precision and recall, as steps), averaged likewise. */
  prAuc: number;
  accuracy: number;
  /** Macro; a class that is neither true nor predicted anywhere is left out. */
  f1: number;
  /** Mean of -log p(truth), p at least 1e-15. */
  logLoss: number;
}

/** `truth`: [n]; `probabilities`: [n, classes]. */
export function classificationMetrics(truth: Int32Array, probabilities: Float64Array): Classification {
  const classes = probabilities.length / truth.length;
  const predicted = mostProbable(probabilities, classes);
  const curves = Array.from({ length: classes }, (_, c) => ({
    positive: Uint8Array.from(truth, (t) => (t === c ? 1 : 0)),
    places: placesOf(Float64Array.from(truth, (_t, i) => probabilities[i * classes + c]!)),
  }));
  return {
    rows: truth.length,
    rocAuc: meanOfDefined(curves.map((c) => rocAucAt(c.positive, c.places))),
    prAuc: meanOfDefined(curves.map((c) => averagePrecisionAt(c.positive, c.places))),
    accuracy: accuracy(truth, predicted),
    f1: macroF1(truth, predicted),
    logLoss: logLoss(truth, probabilities),
  };
}

/** The number of the most probable class of each row, the first of equals. */
export function mostProbable(probabilities: ArrayLike<number>, classes: number): Int32Array {
  return Int32Array.from({ length: probabilities.length / classes }, (_, i) => {
    let best = 0;
    for (let c = 1; c < classes; c++)
      if (probabilities[i * classes + c]! > probabilities[i * classes + best]!) best = c;
    return best;
  });
}

export function accuracy(truth: Int32Array, predicted: Int32Array): number {
  return truth.reduce((right, t, i) => right + (t === predicted[i] ? 1 : 0), 0) / truth.length;
}

export function macroF1(truth: Int32Array, predicted: Int32Array): number {
  const classes = [...new Set([...truth, ...predicted])];
  const scores = classes.map((c) => {
    let [hits, of] = [0, 0];
    truth.forEach((t, i) => {
      if (t === c && predicted[i] === c) hits++;
      if (t === c) of++;
      if (predicted[i] === c) of++;
    });
    return (2 * hits) / of;
  });
  return meanOfDefined(scores);
}

export function logLoss(truth: Int32Array, probabilities: Float64Array): number {
  const classes = probabilities.length / truth.length;
  let sum = 0;
  truth.forEach((t, i) => {
    sum -= Math.log(Math.max(probabilities[i * classes + t]!, 1e-15));
  });
  return sum / truth.length;
}

/** Chance that a positive row scores above a negative one, ties counting half; NaN without one of them. */
export function rocAuc(positive: Uint8Array, scores: Float64Array): number {
  return rocAucAt(positive, placesOf(scores));
}

function rocAucAt(positive: Uint8Array, places: Places): number {
  const { hits, misses } = tally(positive, places);
  let [above, below] = [0, 0];
  for (let place = 0; place < places.count; place++) {
    above += hits[place]! * (below + misses[place]! / 2);
    below += misses[place]!;
  }
  const positives = positive.length - below;
  return positives > 0 && below > 0 ? above / (positives * below) : Number.NaN;
}

/** Sum over thresholds of the gain in recall times the precision there; NaN without positive or negative rows. */
export function averagePrecision(positive: Uint8Array, scores: Float64Array): number {
  return averagePrecisionAt(positive, placesOf(scores));
}

function averagePrecisionAt(positive: Uint8Array, places: Places): number {
  const { hits, misses } = tally(positive, places);
  let [found, passed, area] = [0, 0, 0];
  for (let place = places.count - 1; place >= 0; place--) {
    found += hits[place]!;
    passed += hits[place]! + misses[place]!;
    if (passed > 0) area += hits[place]! * (found / passed);
  }
  return found > 0 && found < positive.length ? area / found : Number.NaN;
}

/** Positive and negative rows at each place. */
function tally(positive: Uint8Array, { of, count }: Places): { hits: Int32Array; misses: Int32Array } {
  const [hits, misses] = [new Int32Array(count), new Int32Array(count)];
  for (let i = 0; i < of.length; i++) (positive[i] ? hits : misses)[of[i]!]!++;
  return { hits, misses };
}

function meanOfDefined(values: readonly number[]): number {
  const defined = values.filter((v) => !Number.isNaN(v));
  return defined.reduce((s, v) => s + v, 0) / defined.length;
}
