/**
 * How good predicted classes are. Truth is a class number for every row, predictions are probabilities, row by
 * row. Averages over classes are macro: every class counts the same. What is not defined is NaN, never an error.
 */

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
  const perClass = (metric: (positive: Uint8Array, scores: Float64Array) => number): number =>
    meanOfDefined(
      Array.from({ length: classes }, (_, c) =>
        metric(
          Uint8Array.from(truth, (t) => (t === c ? 1 : 0)),
          Float64Array.from(truth, (_t, i) => probabilities[i * classes + c]!),
        ),
      ),
    );
  return {
    rows: truth.length,
    rocAuc: perClass(rocAuc),
    prAuc: perClass(averagePrecision),
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
  const order = ascending(scores);
  let [ranks, positives] = [0, 0];
  for (const [start, end] of runs(order, scores)) {
    for (const i of order.subarray(start, end)) {
      if (!positive[i]) continue;
      ranks += (start + 1 + end) / 2;
      positives++;
    }
  }
  const negatives = scores.length - positives;
  if (positives === 0 || negatives === 0) return Number.NaN;
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Sum over thresholds of the gain in recall times the precision there; NaN without positive or negative rows. */
export function averagePrecision(positive: Uint8Array, scores: Float64Array): number {
  const order = ascending(scores);
  const positives = positive.reduce((n, p) => n + p, 0);
  if (positives === 0 || positives === scores.length) return Number.NaN;
  let [hits, area] = [0, 0];
  for (const [start, end] of runs(order, scores).reverse()) {
    let gained = 0;
    for (const i of order.subarray(start, end)) gained += positive[i]!;
    hits += gained;
    area += (gained / positives) * (hits / (scores.length - start));
  }
  return area;
}

const ascending = (scores: Float64Array): Int32Array =>
  Int32Array.from(scores.keys()).sort((i, j) => scores[i]! - scores[j]!);

/** [from, to) of equal scores along the order. */
function runs(order: Int32Array, scores: Float64Array): [number, number][] {
  const found: [number, number][] = [];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    found.push([start, end]);
    start = end;
  }
  return found;
}

function meanOfDefined(values: readonly number[]): number {
  const defined = values.filter((v) => !Number.isNaN(v));
  return defined.reduce((s, v) => s + v, 0) / defined.length;
}
