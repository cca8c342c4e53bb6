/**
 * Ridge regression in closed form: the sums over rows are taken once, then any number of penalties and outputs
 * is solved from them by Cholesky factors, all in float64.
 * It minimises sum (y - x w - b)^2 + alpha * |w|^2; the bias is not penalised.
 */
import { TagllmError } from "../errors.ts";
import { dot, factorise, substitute } from "./cholesky.ts";
import { rmse } from "./metrics.ts";

/** Sums over the rows of x (n x d) and y (n x k): all that ridge regression needs to know about them. */
export interface Moments {
  rows: number;
  features: number;
  outputs: number;
  xMean: Float64Array;
  yMean: Float64Array;
  /** d x d, of centred x. Symmetric; only i <= j is meant to be read. */
  gram: Float64Array;
  /** d x k, of centred x and centred y. */
  cross: Float64Array;
}

export interface Ridge {
  /** d x k, row by row. */
  weight: Float64Array;
  /** k. */
  bias: Float64Array;
}

export interface RidgeOptions {
  /** Penalise weights as if every feature had standard deviation 1; constant features get weight 0. */
  standardise?: boolean;
}

export interface RidgeFit extends Ridge {
  alpha: number;
  /** Validation RMSE for every alpha that was tried, in the order given. */
  table: { alpha: number; rmse: number }[];
}

/** Rows that are centred, turned and summed together; small enough for the processor's cache. */
const BLOCK = 64;

/**
 * Takes the sums over `rows` rows of x (n x d, row by row) and y (n x k). Time is n d (d / 2 + k).
 * Errors: evaluate/input (lengths that do not fit, no rows, values that are not finite).
 */
export function moments(x: Float32Array, rows: number, features: number, y: Float64Array): Moments {
  const outputs = y.length / rows;
  if (rows < 1 || x.length !== rows * features || !Number.isInteger(outputs) || outputs < 1) {
    const problem = `${rows} rows of ${features} features do not fit ${x.length} values of x and ${y.length} of y.`;
    throw new TagllmError("evaluate/input", problem, "Give every row its features and targets.");
  }
  const xMean = columnMeans(x, rows, features);
  const yMean = columnMeans(y, rows, outputs);
  for (const [name, means] of Object.entries({ features: xMean, targets: yMean })) {
    const bad = means.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) continue;
    const problem = `Column ${bad} of the ${name} holds a value that is not finite.`;
    throw new TagllmError("evaluate/input", problem, "Leave rows with such values out.");
  }

  const gram = new Float64Array(features * features);
  const cross = new Float64Array(features * outputs);
  const xBlock = new Float64Array(features * BLOCK);
  const yBlock = new Float64Array(outputs * BLOCK);
  for (let start = 0; start < rows; start += BLOCK) {
    turnBlock(x, start, rows, xMean, xBlock);
    turnBlock(y, start, rows, yMean, yBlock);
    addGram(gram, xBlock, features);
    addCross(cross, xBlock, yBlock, features, outputs);
  }
  return { rows, features, outputs, xMean, yMean, gram, cross };
}

/**
 * Weights and biases for one alpha >= 0. Directions the data does not determine (constant or repeated features
 * with alpha 0) get weight 0.
 */
export function solveRidge(m: Moments, alpha: number, { standardise = false }: RidgeOptions = {}): Ridge {
  const { features: d, outputs: k, cross } = m;
  const scale = standardise ? deviations(m) : new Float64Array(d).fill(1);
  const factor = factorOf(m, scale, 1, alpha);

  const weight = new Float64Array(d * k);
  const bias = m.yMean.slice();
  const column = new Float64Array(d);
  for (let c = 0; c < k; c++) {
    for (let i = 0; i < d; i++) column[i] = cross[i * k + c]! / scale[i]!;
    substitute(factor, d, column);
    for (let i = 0; i < d; i++) {
      const w = column[i]! / scale[i]!;
      weight[i * k + c] = w;
      bias[c]! -= w * m.xMean[i]!;
    }
  }
  return { weight, bias };
}

/** Standard deviation of each feature; 1 where it is 0. */
export const deviations = ({ features, gram, rows }: Moments): Float64Array =>
  Float64Array.from({ length: features }, (_, i) => Math.sqrt(gram[i * features + i]! / rows) || 1);

/** Cholesky factor of `curvature` X'X + alpha I, of centred features over `scale`. */
export function factorOf(
  { features: d, gram }: Moments,
  scale: Float64Array,
  curvature: number,
  alpha: number,
): Float64Array {
  const factor = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) factor[i * d + j] = (curvature * gram[j * d + i]!) / (scale[i]! * scale[j]!);
    factor[i * d + i]! += alpha;
  }
  factorise(factor, d);
  return factor;
}

/** Predictions for rows of x: n x k, row by row. */
export function predictRidge({ weight, bias }: Ridge, x: Float32Array, rows: number): Float64Array {
  const k = bias.length;
  const d = weight.length / k;
  const predicted = new Float64Array(rows * k);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < k; c++) {
      let total = bias[c]!;
      for (let i = 0; i < d; i++) total += x[r * d + i]! * weight[i * k + c]!;
      predicted[r * k + c] = total;
    }
  }
  return predicted;
}

/**
 * Fits every alpha on the training rows (x: n x d) and keeps the one with the lowest RMSE on the validation rows
 * (the first of equals). Errors: evaluate/input.
 */
export function fitRidge(
  x: Float32Array,
  rows: number,
  features: number,
  y: Float64Array,
  options: RidgeOptions & { alphas: readonly number[]; validation: { x: Float32Array; y: Float64Array } },
): RidgeFit {
  const { alphas, validation } = options;
  const sums = moments(x, rows, features, y);
  const validationRows = validation.y.length / sums.outputs;
  const fits = alphas.map((alpha) => {
    const ridge = solveRidge(sums, alpha, options);
    return { ...ridge, alpha, rmse: rmse(validation.y, predictRidge(ridge, validation.x, validationRows)) };
  });
  const [first, ...others] = fits;
  if (first === undefined) throw new TagllmError("evaluate/input", "No alpha to try.", "Give at least one.");
  const { weight, bias, alpha } = others.reduce((best, fit) => (fit.rmse < best.rmse ? fit : best), first);
  return { weight, bias, alpha, table: fits.map((fit) => ({ alpha: fit.alpha, rmse: fit.rmse })) };
}

function columnMeans(values: Float32Array | Float64Array, rows: number, columns: number): Float64Array {
  const means = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) means[i % columns]! += values[i]!;
  return means.map((total) => total / rows);
}

/** Centred rows [start, start + BLOCK) as columns x BLOCK; rows past the end are zero. */
function turnBlock(
  values: Float32Array | Float64Array,
  start: number,
  rows: number,
  means: Float64Array,
  block: Float64Array,
): void {
  const columns = means.length;
  for (let r = 0; r < BLOCK; r++) {
    const from = (start + r) * columns;
    const inside = start + r < rows;
    for (let c = 0; c < columns; c++) block[c * BLOCK + r] = inside ? values[from + c]! - means[c]! : 0;
  }
}

/** gram[i, j] += <column i, column j> for i <= j, four by two at a time so that sums stay in registers. */
function addGram(gram: Float64Array, block: Float64Array, d: number): void {
  const tiled = d - (d % 4);
  for (let i = 0; i < tiled; i += 4) {
    for (let j = i; j < d - 1; j += 2) addTile(gram, block, d, i, j);
    if ((d - i) % 2 === 1) for (let a = 0; a < 4; a++) addPair(gram, block, d, i + a, d - 1);
  }
  for (let i = tiled; i < d; i++) for (let j = i; j < d; j++) addPair(gram, block, d, i, j);
}

function addTile(gram: Float64Array, block: Float64Array, d: number, i: number, j: number): void {
  let [s00, s01, s10, s11, s20, s21, s30, s31] = [0, 0, 0, 0, 0, 0, 0, 0];
  const a = i * BLOCK;
  const b = j * BLOCK;
  for (let r = 0; r < BLOCK; r++) {
    const b0 = block[b + r]!;
    const b1 = block[b + BLOCK + r]!;
    const a0 = block[a + r]!;
    const a1 = block[a + BLOCK + r]!;
    const a2 = block[a + 2 * BLOCK + r]!;
    const a3 = block[a + 3 * BLOCK + r]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s30 += a3 * b0;
    s31 += a3 * b1;
  }
  const at = i * d + j;
  gram[at]! += s00;
  gram[at + 1]! += s01;
  gram[at + d]! += s10;
  gram[at + d + 1]! += s11;
  gram[at + 2 * d]! += s20;
  gram[at + 2 * d + 1]! += s21;
  gram[at + 3 * d]! += s30;
  gram[at + 3 * d + 1]! += s31;
}

function addPair(gram: Float64Array, block: Float64Array, d: number, i: number, j: number): void {
  gram[i * d + j]! += dot(block, i * BLOCK, block, j * BLOCK, BLOCK);
}

function addCross(cross: Float64Array, x: Float64Array, y: Float64Array, d: number, k: number): void {
  for (let i = 0; i < d; i++) {
    for (let c = 0; c < k; c++) cross[i * k + c]! += dot(x, i * BLOCK, y, c * BLOCK, BLOCK);
  }
}
