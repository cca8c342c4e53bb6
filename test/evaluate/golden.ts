/** The numbers of goldens.py, and the comparison of arrays with them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { classificationMetrics } from "../../src/evaluate/classification.ts";
import { regressionMetrics } from "../../src/evaluate/metrics.ts";
import { bitsPerCharacter, exactMatch, textMetrics } from "../../src/evaluate/text.ts";

interface RidgeGolden {
  rows: number;
  features: number;
  x: number[];
  y: number[];
  fits: { alpha: number; standardise: boolean; weight: number[]; bias: number[] }[];
}

type Expected = Record<string, number | null>;

interface Goldens {
  metrics: Record<
    string,
    { targets: number[]; predictions: number[]; expected: Expected; libraries: Expected }
  >;
  classification: Record<
    string,
    { classes: number; truth: number[]; probabilities: number[]; expected: Expected }
  >;
  text: {
    lengths: number[];
    losses: number[];
    characters: number[];
    truth: string[];
    said: string[];
    expected: Record<string, number>;
  };
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

/** A metric of a case as it was found, and as the other libraries have it; NaN where it is not defined. */
export interface MetricCase {
  readonly metric: string;
  readonly name: string;
  readonly found: number;
  readonly expected: number;
}

/** Every metric that reports show, on every golden case. */
export function metricCases(): MetricCase[] {
  const compared = (name: string, found: object, ...expected: Expected[]): MetricCase[] =>
    expected.flatMap((numbers) =>
      Object.entries(numbers).map(([metric, value]) => ({
        metric,
        name,
        found: (found as Record<string, number>)[metric] ?? Number.POSITIVE_INFINITY,
        expected: value ?? Number.NaN,
      })),
    );
  const f64 = (values: readonly number[]) => Float64Array.from(values);
  const { lengths, losses, characters, truth, said, expected } = goldens.text;
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
  const nats = f64(
    lengths.map((n, i) => losses.slice(starts[i]!, starts[i]! + n).reduce((a, b) => a + b, 0)),
  );
  const bits = nats.map((n) => n / Math.LN2);
  const ofText = {
    exactMatch: exactMatch(truth, said, Int32Array.from(truth.keys())),
    ...textMetrics({ nats, tokens: f64(lengths) }),
    bitsPerCharacter: bitsPerCharacter({ bits, characters: f64(characters) }),
  };
  return [
    ...Object.entries(goldens.metrics).flatMap(([name, g]) =>
      compared(name, regressionMetrics(f64(g.targets), f64(g.predictions)), g.expected, g.libraries),
    ),
    ...Object.entries(goldens.classification).flatMap(([name, g]) =>
      compared(name, classificationMetrics(Int32Array.from(g.truth), f64(g.probabilities)), g.expected),
    ),
    ...compared("rows of several lengths", ofText, expected),
  ];
}

/** |found - expected| over the larger of 1 and |expected|; 0 where both are NaN, infinite where only one is. */
export function difference({ found, expected }: MetricCase): number {
  if (Number.isNaN(found) || Number.isNaN(expected)) {
    return Number.isNaN(found) && Number.isNaN(expected) ? 0 : Number.POSITIVE_INFINITY;
  }
  return Math.abs(found - expected) / Math.max(1, Math.abs(expected));
}

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
