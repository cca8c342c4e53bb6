/**
 * Multinomial logistic regression with an L2 penalty, in float64: minimises the sum over rows of -log p(class)
 * plus alpha / 2 * |w|^2 on standardised features (or as given); biases are not penalised. Convex, so L-BFGS finds the
 * minimum whatever it starts from.
 */
import { TagllmError } from "../errors.ts";
import { logLoss } from "./classification.ts";

export interface Logistic {
  /** [features, classes], on features as they are given. */
  weight: Float64Array;
  /** [classes] */
  bias: Float64Array;
}

export interface LogisticFit extends Logistic {
  alpha: number;
  /** Validation log loss for every alpha, in the order given. */
  table: { alpha: number; logLoss: number }[];
}

export interface LabelledRows {
  /** [n, features] */
  readonly x: Float32Array;
  /** [n], class numbers from 0. */
  readonly labels: Int32Array;
}

export interface LogisticOptions {
  readonly alphas: readonly number[];
  readonly validation: LabelledRows;
  /** Penalise weights as if every feature had standard deviation 1; default true. */
  readonly standardise?: boolean;
}

const MOST_STEPS = 300;
const MEMORY = 10;
/** Largest entry of the gradient, per row, at which the minimum counts as found. */
const TOLERANCE = 1e-5;

/** Fits every alpha, from the largest down, and keeps the one with the lowest log loss on validation. */
export function fitLogistic(
  train: LabelledRows,
  classes: number,
  { alphas, validation, standardise = true }: LogisticOptions,
): LogisticFit {
  const features = train.x.length / train.labels.length;
  if (!Number.isInteger(features) || features < 1 || alphas.length === 0) {
    const problem = `${train.x.length} features do not fit ${train.labels.length} rows, or no alpha is given.`;
    throw new TagllmError("evaluate/input", problem, "Give every row its features, and an alpha.");
  }
  const scaled = standardise ? standardised(train.x, features) : asGiven(train.x, features);
  let start: Float64Array = new Float64Array((features + 1) * classes);
  const fits = [...alphas]
    .sort((a, b) => b - a)
    .map((alpha) => {
      start = minimise(
        (at) => lossAndGradient(scaled.x, train.labels, classes, alpha, at),
        start,
        train.labels.length,
      );
      const fit = unstandardised(start, scaled, classes);
      const loss = logLoss(validation.labels, logisticProbabilities(fit, validation.x));
      return { ...fit, alpha, loss };
    });
  const best = fits.reduce((a, b) => (b.loss < a.loss ? b : a));
  const table = alphas.map((alpha) => ({
    alpha,
    logLoss: fits.find((f) => f.alpha === alpha)?.loss as number,
  }));
  return { weight: best.weight, bias: best.bias, alpha: best.alpha, table };
}

/** [n, classes] */
export function logisticProbabilities({ weight, bias }: Logistic, x: Float32Array): Float64Array {
  const classes = bias.length;
  const features = weight.length / classes;
  const rows = x.length / features;
  const out = new Float64Array(rows * classes);
  for (let r = 0; r < rows; r++) {
    const own = out.subarray(r * classes, (r + 1) * classes);
    own.set(bias);
    for (let i = 0; i < features; i++) {
      const value = x[r * features + i]!;
      for (let c = 0; c < classes; c++) own[c]! += value * weight[i * classes + c]!;
    }
    softmax(own);
  }
  return out;
}

/** In place. */
export function softmax(logits: Float64Array): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (const v of logits) largest = Math.max(largest, v);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) {
    logits[c] = Math.exp(logits[c]! - largest);
    sum += logits[c]!;
  }
  for (let c = 0; c < logits.length; c++) logits[c]! /= sum;
}

interface Scaled {
  /** [n, features], mean 0 and standard deviation 1; constant features are 0. */
  x: Float64Array;
  mean: Float64Array;
  scale: Float64Array;
}

const asGiven = (x: Float32Array, features: number): Scaled => ({
  x: Float64Array.from(x),
  mean: new Float64Array(features),
  scale: new Float64Array(features).fill(1),
});

function standardised(x: Float32Array, features: number): Scaled {
  const rows = x.length / features;
  const mean = new Float64Array(features);
  const scale = new Float64Array(features);
  x.forEach((v, i) => {
    mean[i % features]! += v / rows;
  });
  x.forEach((v, i) => {
    scale[i % features]! += (v - mean[i % features]!) ** 2 / rows;
  });
  for (let i = 0; i < features; i++) scale[i] = Math.sqrt(scale[i]!) || 1;
  const out = Float64Array.from(x, (v, i) => (v - mean[i % features]!) / scale[i % features]!);
  return { x: out, mean, scale };
}

function unstandardised(at: Float64Array, { mean, scale }: Scaled, classes: number): Logistic {
  const features = mean.length;
  const weight = new Float64Array(features * classes);
  const bias = at.slice(features * classes);
  for (let i = 0; i < features; i++) {
    for (let c = 0; c < classes; c++) {
      const w = at[i * classes + c]! / scale[i]!;
      weight[i * classes + c] = w;
      bias[c]! -= w * mean[i]!;
    }
  }
  return { weight, bias };
}

/** Parameters are weights [features, classes], then biases [classes]. */
function lossAndGradient(
  x: Float64Array,
  labels: Int32Array,
  classes: number,
  alpha: number,
  at: Float64Array,
): { loss: number; gradient: Float64Array } {
  const features = at.length / classes - 1;
  const biases = features * classes;
  const gradient = new Float64Array(at.length);
  const p = new Float64Array(classes);
  let loss = 0;
  for (let r = 0; r < labels.length; r++) {
    for (let c = 0; c < classes; c++) p[c] = at[biases + c]!;
    const row = r * features;
    for (let i = 0; i < features; i++) {
      const value = x[row + i]!;
      for (let c = 0; c < classes; c++) p[c]! += value * at[i * classes + c]!;
    }
    softmax(p);
    const truth = labels[r]!;
    loss -= Math.log(Math.max(p[truth]!, 1e-300));
    p[truth]! -= 1;
    for (let i = 0; i < features; i++) {
      const value = x[row + i]!;
      for (let c = 0; c < classes; c++) gradient[i * classes + c]! += value * p[c]!;
    }
    for (let c = 0; c < classes; c++) gradient[biases + c]! += p[c]!;
  }
  for (let i = 0; i < biases; i++) {
    loss += (alpha / 2) * at[i]! ** 2;
    gradient[i]! += alpha * at[i]!;
  }
  return { loss, gradient };
}

type Objective = (at: Float64Array) => { loss: number; gradient: Float64Array };

/** L-BFGS with backtracking (Nocedal and Wright, algorithms 7.4 and 3.1). */
function minimise(objective: Objective, start: Float64Array, rows: number): Float64Array {
  let at: Float64Array = start.slice();
  let { loss, gradient } = objective(at);
  const pairs: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  for (let step = 0; step < MOST_STEPS; step++) {
    if (gradient.every((g) => Math.abs(g) <= TOLERANCE * rows)) break;
    const direction = twoLoops(gradient, pairs);
    const slope = dot(direction, gradient);
    let length = step === 0 ? 1 / Math.max(1, Math.sqrt(dot(gradient, gradient))) : 1;
    let next = moved(at, direction, length);
    let found = objective(next);
    while (found.loss > loss + 1e-4 * length * slope && length > 1e-12) {
      length /= 2;
      next = moved(at, direction, length);
      found = objective(next);
    }
    if (found.loss >= loss) break;
    const s = next.map((v, i) => v - at[i]!);
    const y = found.gradient.map((v, i) => v - gradient[i]!);
    const curvature = dot(s, y);
    if (curvature > 1e-12) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > MEMORY) pairs.shift();
    at = next;
    ({ loss, gradient } = found);
  }
  return at;
}

function twoLoops(
  gradient: Float64Array,
  pairs: readonly { s: Float64Array; y: Float64Array; rho: number }[],
): Float64Array {
  const q = gradient.slice();
  const weights: number[] = [];
  for (const { s, y, rho } of pairs.toReversed()) {
    const a = rho * dot(s, q);
    weights.unshift(a);
    for (let i = 0; i < q.length; i++) q[i]! -= a * y[i]!;
  }
  const last = pairs.at(-1);
  const gamma = last ? dot(last.s, last.y) / dot(last.y, last.y) : 1;
  for (let i = 0; i < q.length; i++) q[i]! *= gamma;
  pairs.forEach(({ s, y, rho }, k) => {
    const b = rho * dot(y, q);
    for (let i = 0; i < q.length; i++) q[i]! += (weights[k]! - b) * s[i]!;
  });
  return q.map((v) => -v);
}

const moved = (at: Float64Array, direction: Float64Array, length: number): Float64Array =>
  at.map((v, i) => v + length * direction[i]!);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
