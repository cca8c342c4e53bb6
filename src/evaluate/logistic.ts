/**
 * Multinomial logistic regression with an L2 penalty, in float64: minimises the sum over rows of -log p(class)
 * plus alpha / 2 * |w|^2 on standardised features (or as given); biases are not penalised. Convex, so L-BFGS finds the
 * minimum whatever it starts from. Hidden states are strongly correlated, so it begins each direction from the
 * curvature that the loss would have if all rows had the classes' shares: some ten steps instead of hundreds.
 */
import { TagllmError } from "../errors.ts";
import { dot, substitute } from "./cholesky.ts";
import { logLoss } from "./classification.ts";
import { deviations, factorOf, type Moments, moments } from "./ridge.ts";

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
  const { rows, ...data } = prepared(train, features, standardise);
  const shares = classShares(train.labels, classes);
  const curvature = Math.max(1e-6, shares.reduce((sum, p) => sum + p * (1 - p), 0) / classes);
  let start: Float64Array = new Float64Array((features + 1) * classes);
  const fits = [...alphas]
    .sort((a, b) => b - a)
    .map((alpha) => {
      const turn = turnOf(data, curvature, alpha);
      start = minimise(
        (at) => lossAndGradient(rows, train.labels, classes, alpha, at),
        (gradient) => newtonStep(gradient, turn, curvature * train.labels.length, classes),
        start,
        train.labels.length,
      );
      const fit = unstandardised(start, data, classes);
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

interface Prepared {
  /** [n, features], centred and divided by the scale. */
  rows: Float64Array;
  sums: Moments;
  scale: Float64Array;
}

function prepared({ x, labels }: LabelledRows, features: number, standardise: boolean): Prepared {
  const sums = moments(x, labels.length, features, Float64Array.from(labels));
  const scale = standardise ? deviations(sums) : new Float64Array(features).fill(1);
  const rows = Float64Array.from(x, (v, i) => (v - sums.xMean[i % features]!) / scale[i % features]!);
  return { rows, sums, scale };
}

function classShares(labels: Int32Array, classes: number): Float64Array {
  const shares = new Float64Array(classes);
  for (const c of labels) shares[c]! += 1 / labels.length;
  return shares;
}

/** Multiplies in place by the inverse of the curvature of a class's weights; with few rows only of its diagonal. */
function turnOf({ sums, scale }: Omit<Prepared, "rows">, curvature: number, alpha: number) {
  const d = sums.features;
  if (sums.rows >= d) {
    const factor = factorOf(sums, scale, curvature, alpha);
    return (column: Float64Array) => substitute(factor, d, column);
  }
  const diagonal = scale.map((s, i) => (curvature * sums.gram[i * d + i]!) / s ** 2 + alpha);
  return (column: Float64Array) => {
    for (let i = 0; i < d; i++) column[i]! /= diagonal[i]! || 1;
  };
}

/** The gradient, the weights of each class turned and its bias over its curvature. */
function newtonStep(
  gradient: Float64Array,
  turn: (column: Float64Array) => void,
  biasCurvature: number,
  classes: number,
): Float64Array {
  const features = gradient.length / classes - 1;
  const out = new Float64Array(gradient.length);
  const column = new Float64Array(features);
  for (let c = 0; c < classes; c++) {
    for (let i = 0; i < features; i++) column[i] = gradient[i * classes + c]!;
    turn(column);
    for (let i = 0; i < features; i++) out[i * classes + c] = column[i]!;
    out[features * classes + c] = gradient[features * classes + c]! / biasCurvature;
  }
  return out;
}

function unstandardised(
  at: Float64Array,
  { sums, scale }: Omit<Prepared, "rows">,
  classes: number,
): Logistic {
  const features = scale.length;
  const weight = new Float64Array(features * classes);
  const bias = at.slice(features * classes);
  for (let i = 0; i < features; i++) {
    for (let c = 0; c < classes; c++) {
      const w = at[i * classes + c]! / scale[i]!;
      weight[i * classes + c] = w;
      bias[c]! -= w * sums.xMean[i]!;
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

/** L-BFGS with backtracking (Nocedal and Wright, algorithms 7.4 and 3.1); `newton` is its first curvature. */
function minimise(
  objective: Objective,
  newton: (gradient: Float64Array) => Float64Array,
  start: Float64Array,
  rows: number,
): Float64Array {
  let at: Float64Array = start.slice();
  let { loss, gradient } = objective(at);
  const pairs: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  for (let step = 0; step < MOST_STEPS; step++) {
    if (gradient.every((g) => Math.abs(g) <= TOLERANCE * rows)) break;
    const direction = twoLoops(gradient, pairs, newton);
    const slope = product(direction, gradient);
    let length = 1;
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
    const curvature = product(s, y);
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
  newton: (gradient: Float64Array) => Float64Array,
): Float64Array {
  const q = gradient.slice();
  const weights: number[] = [];
  for (const { s, y, rho } of pairs.toReversed()) {
    const a = rho * product(s, q);
    weights.unshift(a);
    for (let i = 0; i < q.length; i++) q[i]! -= a * y[i]!;
  }
  const turned = newton(q);
  pairs.forEach(({ s, y, rho }, k) => {
    const b = rho * product(y, turned);
    for (let i = 0; i < turned.length; i++) turned[i]! += (weights[k]! - b) * s[i]!;
  });
  return turned.map((v) => -v);
}

const moved = (at: Float64Array, direction: Float64Array, length: number): Float64Array =>
  at.map((v, i) => v + length * direction[i]!);

const product = (a: Float64Array, b: Float64Array): number => dot(a, 0, b, 0, a.length);
