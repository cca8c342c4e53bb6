/**
 * What a function tag with a head answers: numbers or one of several classes. Both train in the same way, by
 * least squares on coded targets (standardised numbers; centred one-hot classes), and differ in the head that is
 * fitted last, in what its outputs mean, and in how they are scored.
 */
import type { HeadValues } from "../batch/head.ts";
import { classificationMetrics, mostProbable } from "../evaluate/classification.ts";
import { classScore, conformalThreshold } from "../evaluate/conformal.ts";
import { fitLogistic, softmax } from "../evaluate/logistic.ts";
import { regressionMetrics } from "../evaluate/metrics.ts";
import { fitRidge } from "../evaluate/ridge.ts";
import type { Scaling } from "../tags/tag.ts";
import { setHead } from "../train/closed-form.ts";
import { type Metrics, toMetrics } from "./methods.ts";
import { standardise, type TaskRow } from "./tasks.ts";

/** What was true and predicted for a row; probabilities with classes. */
export interface Outcome {
  readonly truth: number | string;
  readonly predicted: number | string;
  readonly probabilities?: Readonly<Record<string, number>>;
}

/** Rows with their hidden states, [n, width]. */
export interface FeatureRows {
  readonly x: Float32Array;
  readonly rows: readonly TaskRow[];
}

export interface FitOptions {
  readonly penalties: readonly number[];
  /** Penalise weights as if every feature had standard deviation 1; default true. */
  readonly standardise?: boolean;
}

/** A head for use, and the penalty that validation chose for it. */
export interface ChosenHead {
  readonly head: HeadValues;
  readonly penalty: number;
}

export interface Answer {
  /** Outputs of the head. */
  readonly outputs: number;
  /** The targets of a row as least squares learns them. */
  encode(row: TaskRow): number[];
  /** The prediction that knows only the training rows' targets. */
  average(rows: readonly TaskRow[]): number[];
  fit(train: FeatureRows, validation: FeatureRows, options: FitOptions): ChosenHead;
  /** Outputs of that head, [n, outputs], as predictions: standardised numbers or probabilities. */
  predictions(raw: ArrayLike<number>): Float64Array;
  /** Of predictions [n, outputs] for each target in turn. */
  metrics(rows: readonly TaskRow[], predictions: Float64Array): Metrics[];
  outcomes(rows: readonly TaskRow[], predictions: Float64Array): Outcome[][];
  /** What the tag's file must say for its answers to be read. */
  description(rows: readonly TaskRow[], predictions: Float64Array): AnswerDescription;
}

export interface AnswerDescription {
  readonly scaling: Scaling[] | null;
  readonly classes: string[] | null;
  readonly conformal: (number | null)[];
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

export function numberAnswer(scaling: readonly Scaling[]): Answer {
  const outputs = scaling.length;
  const unscaled = (predictions: Float64Array, i: number, k: number) => {
    const { mean, scale } = scaling[k] as Scaling;
    return mean + scale * (predictions[i * outputs + k] as number);
  };
  const outcomes = (rows: readonly TaskRow[], predictions: Float64Array) =>
    scaling.map((_, k) =>
      rows.map((row, i) => ({ truth: row.numbers[k] as number, predicted: unscaled(predictions, i, k) })),
    );
  return {
    outputs,
    encode: (row) => standardise(row, scaling),
    average: (rows) =>
      scaling.map(
        (_, k) => rows.reduce((s, r) => s + (standardise(r, scaling)[k] as number), 0) / rows.length,
      ),
    fit: (train, validation, options) =>
      ridgeHead(train, validation, options, (row) => standardise(row, scaling)),
    predictions: (raw) => Float64Array.from(raw),
    metrics: (rows, predictions) =>
      outcomes(rows, predictions).map((pairs) =>
        toMetrics(
          regressionMetrics(
            Float64Array.from(pairs, (p) => p.truth),
            Float64Array.from(pairs, (p) => p.predicted),
          ),
        ),
      ),
    outcomes,
    description: (rows, predictions) => ({
      scaling: [...scaling],
      classes: null,
      conformal: outcomes(rows, predictions).map((pairs) =>
        finiteOrNull(conformalThreshold(pairs.map((p) => Math.abs(p.truth - p.predicted)))),
      ),
    }),
  };
}

/** `shares`: of each class among the training rows. */
export function classAnswer(classes: readonly string[], shares: readonly number[]): Answer {
  const outputs = classes.length;
  const number = new Map(classes.map((name, c) => [name, c]));
  const labels = (rows: readonly TaskRow[]) =>
    Int32Array.from(rows, (row) => number.get(row.label as string) as number);
  return {
    outputs,
    encode: (row) => classes.map((name, c) => (row.label === name ? 1 : 0) - (shares[c] as number)),
    average: (rows) => classes.map((name) => rows.filter((r) => r.label === name).length / rows.length),
    fit: (train, validation, { penalties, standardise: scaled = true }) => {
      const fit = fitLogistic({ x: train.x, labels: labels(train.rows) }, outputs, {
        alphas: penalties,
        standardise: scaled,
        validation: { x: validation.x, labels: labels(validation.rows) },
      });
      return chosen(fit);
    },
    predictions: (raw) => probabilitiesOf(raw, outputs),
    metrics: (rows, predictions) => {
      const { rows: _, ...metrics } = classificationMetrics(labels(rows), predictions);
      return [metrics];
    },
    outcomes: (rows, predictions) => {
      const best = mostProbable(predictions, outputs);
      return [
        rows.map((row, i) => ({
          truth: row.label as string,
          predicted: classes[best[i] as number] as string,
          probabilities: Object.fromEntries(
            classes.map((name, c) => [name, predictions[i * outputs + c] as number]),
          ),
        })),
      ];
    },
    description: (rows, predictions) => ({
      scaling: null,
      classes: [...classes],
      conformal: [
        finiteOrNull(
          conformalThreshold(
            [...labels(rows)].map((c, i) => classScore(predictions[i * outputs + c] as number)),
          ),
        ),
      ],
    }),
  };
}

/** Softmax over the outputs of every row. */
export function probabilitiesOf(logits: ArrayLike<number>, classes: number): Float64Array {
  const out = Float64Array.from(logits);
  for (let at = 0; at < out.length; at += classes) softmax(out.subarray(at, at + classes));
  return out;
}

/** Ridge regression of coded targets as a head. */
export function ridgeHead(
  train: FeatureRows,
  validation: FeatureRows,
  { penalties, standardise: scaled = true }: FitOptions,
  encode: (row: TaskRow) => number[],
): ChosenHead {
  const coded = ({ rows }: FeatureRows) => Float64Array.from(rows.flatMap(encode));
  const width = train.x.length / train.rows.length;
  const fit = fitRidge(train.x, train.rows.length, width, coded(train), {
    alphas: penalties,
    validation: { x: validation.x, y: coded(validation) },
    standardise: scaled,
  });
  return chosen(fit);
}

const chosen = (fit: { weight: Float64Array; bias: Float64Array; alpha: number }): ChosenHead => ({
  head: headOf(fit),
  penalty: fit.alpha,
});

/** A linear fit [width, outputs] as a head [outputs, width]. */
export function headOf(fit: { weight: Float64Array; bias: Float64Array }): HeadValues {
  const outputs = fit.bias.length;
  const head = { outputs, weight: new Float32Array(fit.weight.length), bias: new Float32Array(outputs) };
  setHead(head, fit);
  return head;
}
