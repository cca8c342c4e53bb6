/**
 * The sums of a ridge regression kept up to date row by row, so that a sliding window costs its new and its old
 * rows only. Sums are of differences from the first row, in float64, so that they stay exact enough for as long
 * as rows come and go.
 */
import type { Moments } from "./ridge.ts";

export class RunningMoments {
  private readonly features: number;
  private readonly outputs: number;
  private readonly xSum: Float64Array;
  private readonly ySum: Float64Array;
  /** Sums of products; only i <= j. */
  private readonly gram: Float64Array;
  private readonly cross: Float64Array;
  private origin: { x: Float64Array; y: Float64Array } | null = null;
  private rows = 0;

  constructor(features: number, outputs: number) {
    this.features = features;
    this.outputs = outputs;
    this.xSum = new Float64Array(features);
    this.ySum = new Float64Array(outputs);
    this.gram = new Float64Array(features * features);
    this.cross = new Float64Array(features * outputs);
  }

  add(x: Float32Array, y: Float64Array): void {
    this.origin ??= { x: Float64Array.from(x), y: y.slice() };
    this.change(x, y, 1);
  }

  /** Takes away a row that was added. */
  remove(x: Float32Array, y: Float64Array): void {
    this.change(x, y, -1);
  }

  moments(): Moments {
    const { features: d, outputs: k, rows } = this;
    const at = this.origin ?? { x: new Float64Array(d), y: new Float64Array(k) };
    const xMean = this.xSum.map((s) => s / rows);
    const yMean = this.ySum.map((s) => s / rows);
    const gram = new Float64Array(d * d);
    const cross = new Float64Array(d * k);
    for (let i = 0; i < d; i++) {
      const m = rows * xMean[i]!;
      for (let j = i; j < d; j++) gram[i * d + j] = this.gram[i * d + j]! - m * xMean[j]!;
      for (let c = 0; c < k; c++) cross[i * k + c] = this.cross[i * k + c]! - m * yMean[c]!;
    }
    return {
      rows,
      features: d,
      outputs: k,
      xMean: xMean.map((m, i) => m + at.x[i]!),
      yMean: yMean.map((m, c) => m + at.y[c]!),
      gram,
      cross,
    };
  }

  private change(x: Float32Array, y: Float64Array, sign: 1 | -1): void {
    const { features: d, outputs: k, origin } = this;
    if (!origin) return;
    const dx = origin.x.map((o, i) => x[i]! - o);
    const dy = origin.y.map((o, c) => y[c]! - o);
    for (let i = 0; i < d; i++) {
      const xi = sign * dx[i]!;
      this.xSum[i]! += xi;
      for (let j = i; j < d; j++) this.gram[i * d + j]! += xi * dx[j]!;
      for (let c = 0; c < k; c++) this.cross[i * k + c]! += xi * dy[c]!;
    }
    for (let c = 0; c < k; c++) this.ySum[c]! += sign * dy[c]!;
    this.rows += sign;
  }
}
