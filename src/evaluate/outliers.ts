/**
 * Does a row look like the rows that were learned from? Hidden states are projected to a few random directions,
 * where their mean and covariance are well known from few rows, and the Mahalanobis distance there is compared
 * with that of validation rows.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export interface OutlierDetector {
  /** Of the random directions. */
  readonly seed: number;
  /** [projections] */
  readonly mean: Float32Array;
  /** [projections, projections], lower triangular: distance^2 = |whitening (z - mean)|^2 */
  readonly whitening: Float32Array;
  /** Distances above it count as out of domain. */
  readonly threshold: number;
}

const PROJECTIONS = 32;
/** Share of validation rows that lie within the threshold. */
const WITHIN = 0.99;

/** `train`, `validation`: [n, width] hidden states. null with too few rows to know a covariance from. */
export function fitOutlierDetector(
  train: Float32Array,
  validation: Float32Array,
  width: number,
  seed = 1,
): OutlierDetector | null {
  const rows = train.length / width;
  const k = Math.min(PROJECTIONS, width, Math.floor(rows / 5));
  if (k < 2 || validation.length < 20 * width) return null;
  const z = project(train, width, k, seed);
  const mean = new Float64Array(k);
  z.forEach((v, i) => {
    mean[i % k]! += v / rows;
  });
  const covariance = new Float64Array(k * k);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < k; i++) {
      const a = z[r * k + i]! - mean[i]!;
      for (let j = 0; j <= i; j++) covariance[i * k + j]! += (a * (z[r * k + j]! - mean[j]!)) / rows;
    }
  }
  const detector = {
    seed,
    mean: Float32Array.from(mean),
    whitening: Float32Array.from(inverseFactor(covariance, k)),
    threshold: 0,
  };
  const distances = outlierDistances(detector, validation, width).sort();
  return { ...detector, threshold: distances[Math.ceil(WITHIN * distances.length) - 1]! };
}

/** [n] from hidden states [n, width]. */
export function outlierDistances(
  { seed, mean, whitening }: OutlierDetector,
  hidden: Float32Array,
  width: number,
): Float64Array {
  const k = mean.length;
  const z = project(hidden, width, k, seed);
  return Float64Array.from({ length: hidden.length / width }, (_, r) => {
    let sum = 0;
    for (let i = 0; i < k; i++) {
      let w = 0;
      for (let j = 0; j <= i; j++) w += whitening[i * k + j]! * (z[r * k + j]! - mean[j]!);
      sum += w * w;
    }
    return Math.sqrt(sum);
  });
}

/** [n, width] times a random sign matrix [width, k] over the root of the width (Achlioptas 2003). */
function project(hidden: Float32Array, width: number, k: number, seed: number): Float64Array {
  const random = xoroshiro128plus(seed);
  const signs = Float64Array.from({ length: width * k }, () => (uniformFloat64(random) < 0.5 ? -1 : 1));
  const scale = 1 / Math.sqrt(width);
  const out = new Float64Array((hidden.length / width) * k);
  for (let r = 0; r < hidden.length / width; r++) {
    for (let i = 0; i < width; i++) {
      const value = hidden[r * width + i]! * scale;
      for (let j = 0; j < k; j++) out[r * k + j]! += value * signs[i * k + j]!;
    }
  }
  return out;
}

/** The inverse of the Cholesky factor of a covariance (lower triangle), with a little added to its diagonal. */
function inverseFactor(covariance: Float64Array, k: number): Float64Array {
  const factor = covariance.slice();
  let trace = 0;
  for (let i = 0; i < k; i++) trace += covariance[i * k + i]!;
  for (let i = 0; i < k; i++) factor[i * k + i]! += (1e-6 * trace) / k || 1e-12;
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = factor[i * k + j]!;
      for (let m = 0; m < j; m++) sum -= factor[i * k + m]! * factor[j * k + m]!;
      factor[i * k + j] = i === j ? Math.sqrt(sum) : sum / factor[j * k + j]!;
    }
  }
  const inverse = new Float64Array(k * k);
  for (let c = 0; c < k; c++) {
    for (let i = c; i < k; i++) {
      let sum = i === c ? 1 : 0;
      for (let m = c; m < i; m++) sum -= factor[i * k + m]! * inverse[m * k + c]!;
      inverse[i * k + c] = sum / factor[i * k + i]!;
    }
  }
  return inverse;
}
