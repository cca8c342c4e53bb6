/** What a report says of a task in numbers beyond the tables of the run. */
import { bootstrapInterval, type Interval } from "../evaluate/bootstrap.ts";
import { accuracy, logLoss, macroF1, mostProbable } from "../evaluate/classification.ts";
import { concordanceIndex, mae, pearson, r2, rmse, spearman } from "../evaluate/metrics.ts";
import type { MethodResult } from "../study/methods.ts";
import type { TaskReport } from "../study/report.ts";
import type { PredictedRow } from "./read-run.ts";

const missing = "–";

export const number = (value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? missing : value.toFixed(3);

export const metricsOf = ({ methods }: TaskReport): string[] => Object.keys(methods[0]?.mean ?? {});

/** Mean, with the spread where there are several seeds. */
export function methodCell({ mean, spread, perSeed }: MethodResult, metric: string): string {
  const value = number(mean[metric]);
  return perSeed.length > 1 && value !== missing ? `${value} ± ${number(spread[metric])}` : value;
}

const longestField = 160;

/** The value of a field, cut to what can be read. */
export const fieldText = (value: string): string =>
  value.length <= longestField ? value : `${value.slice(0, longestField)}… (${value.length} characters)`;

/** 95 % intervals over the test rows of each metric's mean over the seeds. */
export function intervals(rows: readonly PredictedRow[]): Record<string, Interval> {
  const seeds = grouped(rows, (r) => r.seed);
  const count = seeds[0]?.length ?? 0;
  const metrics = hasClasses(rows) ? classMetrics(seeds) : numberMetrics(seeds);
  const entries = Object.entries(metrics).map(([name, perSeed]) => {
    const statistic = (drawn: Int32Array) =>
      perSeed.reduce((sum, metric) => sum + metric(drawn), 0) / perSeed.length;
    return [name, bootstrapInterval(count, statistic, { seed: 1, resamples: 500 })];
  });
  return Object.fromEntries(entries);
}

const hasClasses = (rows: readonly PredictedRow[]): boolean => rows[0]?.probabilities !== undefined;

/** By metric, one function of drawn rows for each seed. */
type DrawnMetrics = Record<string, ((drawn: Int32Array) => number)[]>;

function numberMetrics(seeds: readonly PredictedRow[][]): DrawnMetrics {
  const columns = seeds.map((own) => ({
    truth: Float64Array.from(own, (r) => r.truth as number),
    predicted: Float64Array.from(own, (r) => r.predicted as number),
  }));
  const pick = (from: Float64Array, drawn: Int32Array) => Float64Array.from(drawn, (i) => from[i] as number);
  const of = (metric: (truth: Float64Array, predicted: Float64Array) => number) =>
    columns.map((c) => (drawn: Int32Array) => metric(pick(c.truth, drawn), pick(c.predicted, drawn)));
  return {
    rmse: of(rmse),
    mae: of(mae),
    pearson: of(pearson),
    spearman: of(spearman),
    r2: of(r2),
    ci: of(concordanceIndex),
  };
}

/** Those that a resample without some class still has. */
function classMetrics(seeds: readonly PredictedRow[][]): DrawnMetrics {
  const classes = Object.keys(seeds[0]?.[0]?.probabilities ?? {});
  const columns = seeds.map((own) => ({
    truth: Int32Array.from(own, (r) => classes.indexOf(r.truth as string)),
    probabilities: own.map((r) => classes.map((c) => r.probabilities?.[c] as number)),
  }));
  const of = (metric: (truth: Int32Array, probabilities: Float64Array) => number) =>
    columns.map((c) => (drawn: Int32Array) => {
      const probabilities = Float64Array.from([...drawn].flatMap((i) => c.probabilities[i] as number[]));
      return metric(
        drawn.map((i) => c.truth[i] as number),
        probabilities,
      );
    });
  return {
    accuracy: of((t, p) => accuracy(t, mostProbable(p, classes.length))),
    f1: of((t, p) => macroF1(t, mostProbable(p, classes.length))),
    logLoss: of(logLoss),
  };
}

/** A test row with what the seeds' tags predicted for it on average. */
export interface RowError {
  readonly row: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly truth: number | string;
  readonly predicted: number | string;
  /** Distance of numbers; how improbable the true class was said to be. */
  readonly error: number;
  /** SVG by field. */
  readonly drawings?: Readonly<Record<string, string>>;
}

export function meanOverSeeds(rows: readonly PredictedRow[]): RowError[] {
  return grouped(rows, (r) => r.row).map((same) => {
    const { row, fields, truth, probabilities } = same[0] as PredictedRow;
    const mean = (of: (r: PredictedRow) => number) => same.reduce((s, r) => s + of(r), 0) / same.length;
    if (!probabilities) {
      const predicted = mean((r) => r.predicted as number);
      return { row, fields, truth, predicted, error: Math.abs(predicted - (truth as number)) };
    }
    const means = Object.keys(probabilities).map((c) => ({
      c,
      p: mean((r) => r.probabilities?.[c] as number),
    }));
    const best = means.reduce((a, b) => (b.p > a.p ? b : a));
    return { row, fields, truth, predicted: best.c, error: 1 - (means.find((m) => m.c === truth)?.p ?? 0) };
  });
}

export const worstRows = (rows: readonly RowError[], count: number): RowError[] =>
  [...rows].sort((a, b) => b.error - a.error).slice(0, count);

/** Rows by true class, then by predicted one. */
export interface Confusion {
  readonly classes: readonly string[];
  readonly counts: readonly (readonly number[])[];
}

export function confusionOf(rows: readonly RowError[], classes: readonly string[]): Confusion {
  const counts = classes.map((truth) =>
    classes.map((predicted) => rows.filter((r) => r.truth === truth && r.predicted === predicted).length),
  );
  return { classes, counts };
}

function grouped<T>(items: readonly T[], key: (item: T) => unknown): T[][] {
  const groups = new Map<unknown, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return [...groups.values()];
}
