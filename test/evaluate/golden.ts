/** The numbers of goldens.py, and the comparison of arrays with them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

interface RidgeGolden {
  rows: number;
  features: number;
  x: number[];
  y: number[];
  fits: { alpha: number; standardise: boolean; weight: number[]; bias: number[] }[];
}

interface Goldens {
  metrics: {
    targets: number[];
    predictions: number[];
    expected: Record<string, number>;
    libraries: Record<string, number>;
  };
  classification: Record<
    string,
    { classes: number; truth: number[]; probabilities: number[]; expected: Record<string, number> }
  >;
  logistic: Record<
    string,
    { classes: number; alpha: number; x: number[]; labels: number[]; probabilities: number[] }
  >;
  ridge: Record<string, RidgeGolden>;
  additive: {
    a: number[];
    b: number[];
    y: number[];
    cases: { shrink: number; mean: number; a: number[]; b: number[] }[];
  };
}

export const goldens = JSON.parse(readFileSync(new URL("goldens.json", import.meta.url), "utf8")) as Goldens;

/** max |actual - expected| / max |expected| is at most `tolerance`. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = "",
): void {
  assert.equal(actual.length, expected.length, what);
  const largest = Math.max(...Array.from(expected, Math.abs));
  const error = Math.max(...Array.from(expected, (value, i) => Math.abs(value - actual[i]!)));
  assert.ok(error <= tolerance * largest, `${what}: error ${error} of ${largest}`);
}
