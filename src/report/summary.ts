/** What a report says of a task in words and in numbers beyond the tables of the run. */
import { bootstrapInterval, type Interval } from "../evaluate/bootstrap.ts";
import { mae, pearson, r2, rmse, spearman } from "../evaluate/metrics.ts";
import type { MethodResult, TaskReport } from "../study/report.ts";
import { beats } from "../study/warnings.ts";
import type { PredictedRow } from "./read-run.ts";

/** Which way a metric is better, and its heading. */
export const metricInfo: Readonly<Record<string, { heading: string; lower: boolean }>> = {
  rmse: { heading: "RMSE", lower: true },
  mae: { heading: "MAE", lower: true },
  pearson: { heading: "Pearson", lower: false },
  spearman: { heading: "Spearman", lower: false },
  r2: { heading: "R2", lower: false },
  bitsPerCharacter: { heading: "bits/char", lower: true },
  nats: { heading: "nats/token", lower: true },
};

export const headingOf = (metric: string): string => metricInfo[metric]?.heading ?? metric;

/** The metric that decides. */
export const mainMetric = ({ methods }: TaskReport): string => Object.keys(methods[0]?.mean ?? {})[0] ?? "";

const ours = (m: MethodResult): boolean => m.method === "function tag" || m.method === "domain tag";

export const tagMethod = ({ methods }: TaskReport): MethodResult | null => methods.find(ours) ?? null;

/** The best of the methods that are not the trained tag. */
export function strongest(task: TaskReport): MethodResult | null {
  const metric = mainMetric(task);
  const lower = metricInfo[metric]?.lower ?? true;
  const value = (m: MethodResult) => (lower ? 1 : -1) * (m.mean[metric] ?? Number.POSITIVE_INFINITY);
  const others = task.methods.filter((m) => !ours(m));
  return others.length ? others.reduce((a, b) => (value(b) < value(a) ? b : a)) : null;
}

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

/** In one honest sentence. */
export function verdict(task: TaskReport): string {
  const [tag, best] = [tagMethod(task), strongest(task)];
  const metric = mainMetric(task);
  if (!tag || !best) return "There is nothing to compare with.";
  const numbers = `${headingOf(metric)} ${number(tag.mean[metric])} against ${number(best.mean[metric])}`;
  if (metric !== "rmse") {
    const better = (tag.mean[metric] as number) < (best.mean[metric] as number);
    return `The ${tag.method} is ${better ? "better" : "not better"} than ${best.method}: ${numbers}.`;
  }
  if (beats(tag, best))
    return `The ${tag.method} beats the strongest baseline, ${best.method}, by more than the spread of the seeds: ${numbers}.`;
  if (beats(best, tag))
    return `The ${tag.method} does not reach the strongest baseline, ${best.method}: ${numbers}.`;
  return `The ${tag.method} is level with the strongest baseline, ${best.method}, within the spread of the seeds: ${numbers}.`;
}

const intervalMetrics = { rmse, mae, pearson, spearman, r2 };

/** 95 % intervals over the test rows of each metric's mean over the seeds. */
export function intervals(rows: readonly PredictedRow[]): Record<string, Interval> {
  const seeds = grouped(rows, (r) => r.seed).map((own) => ({
    truth: Float64Array.from(own, (r) => r.truth),
    predicted: Float64Array.from(own, (r) => r.predicted),
  }));
  const count = seeds[0]?.truth.length ?? 0;
  const pick = (from: Float64Array, drawn: Int32Array) => Float64Array.from(drawn, (i) => from[i] as number);
  const entries = Object.entries(intervalMetrics).map(([name, metric]) => {
    const statistic = (drawn: Int32Array) => {
      const values = seeds.map((s) => metric(pick(s.truth, drawn), pick(s.predicted, drawn)));
      return values.reduce((sum, v) => sum + v, 0) / values.length;
    };
    return [name, bootstrapInterval(count, statistic, { seed: 1, resamples: 500 })];
  });
  return Object.fromEntries(entries);
}

/** A test row with the mean of what the seeds' tags predicted for it. */
export interface RowError {
  readonly row: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly truth: number;
  readonly predicted: number;
  /** SVG by field. */
  readonly drawings?: Readonly<Record<string, string>>;
}

export function meanOverSeeds(rows: readonly PredictedRow[]): RowError[] {
  return grouped(rows, (r) => r.row).map((same) => {
    const { row, fields, truth } = same[0] as PredictedRow;
    return { row, fields, truth, predicted: same.reduce((s, r) => s + r.predicted, 0) / same.length };
  });
}

export function worstRows(rows: readonly RowError[], count: number): RowError[] {
  const error = (r: RowError) => Math.abs(r.predicted - r.truth);
  return [...rows].sort((a, b) => error(b) - error(a)).slice(0, count);
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
