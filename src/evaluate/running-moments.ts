/**
 * The sums of a ridge regression kept up to date row by row, so that a sliding window costs its new and its old
 * rows only. Sums are of differences from the first row, in float64, so that they stay exact enough for as long
 * as rows come and go.
 */
import { type Arrays, takeArray } from "../arrays.ts";
import type { Moments } from "./ridge.ts";

export class RunningMoments {
  private readonly features: number;
  private readonly outputs: number;
  private readonly xSum: Float64Array;
  private readonly ySum: Float64Array;
  /** Sums of products; only i <= j. */
  private readonly gram: Float64Array;
  private readonly cross: Float64Array;
  /** The first row; zero before there is one. */
  private readonly origin: { readonly x: Float64Array; readonly y: Float64Array };
  private begun = false;
  private rows = 0;

  constructor(features: number, outputs: number) {
    this.features = features;
    this.outputs = outputs;
    this.xSum = new Float64Array(features);
    this.ySum = new Float64Array(outputs);
    this.gram = new Float64Array(features * features);
    this.cross = new Float64Array(features * outputs);
    this.origin = { x: new Float64Array(features), y: new Float64Array(outputs) };
  }

  /** All sums as they are; sums that were made again from the rows would differ in their last bits. */
  state(): Arrays {
    const counts = Float64Array.of(this.rows, Number(this.begun));
    return new Map([["counts", counts], ...this.sums().map(([n, a]) => [n, a.slice()] as const)]);
  }

  restore(state: Arrays): void {
    const [rows, begun] = takeArray(state, "counts", 2);
    this.rows = rows as number;
    this.begun = begun === 1;
    for (const [name, sums] of this.sums()) sums.set(takeArray(state, name, sums.length));
  }

  private sums(): [string, Float64Array][] {
    const { xSum, ySum, gram, cross, origin } = this;
    return Object.entries({ xSum, ySum, gram, cross, xOrigin: origin.x, yOrigin: origin.y });
  }

  add(x: Float32Array, y: Float64Array): void {
    if (!this.begun) {
      this.origin.x.set(x);
      this.origin.y.set(y);
      this.begun = true;
    }
    this.change(x, y, 1);
  }

  /** Takes away a row that was added. */
  remove(x: Float32Array, y: Float64Array): void {
    this.change(x, y, -1);
  }

  moments(): Moments {
    const { features: d, outputs: k, rows } = this;
    const { x: xOrigin, y: yOrigin } = this.origin;
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
      xMean: xMean.map((m, i) => m + xOrigin[i]!),
      yMean: yMean.map((m, c) => m + yOrigin[c]!),
      gram,
      cross,
    };
  }

  private change(x: Float32Array, y: Float64Array, sign: 1 | -1): void {
    const { features: d, outputs: k, origin } = this;
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
