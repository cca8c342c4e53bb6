/** What a report says of a task in words and in numbers beyond the tables of the run. */
import { bootstrapInterval, type Interval } from "../evaluate/bootstrap.ts";
import { type Regression, regressionMetrics } from "../evaluate/metrics.ts";
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

export const number = (value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(3);

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

const intervalMetrics = ["rmse", "mae", "pearson", "spearman", "r2"] as const;

/** 95 % intervals over the test rows, of the first seed's predictions. */
export function intervals(rows: readonly PredictedRow[]): Partial<Record<keyof Regression, Interval>> {
  const truth = Float64Array.from(rows, (r) => r.truth);
  const predicted = Float64Array.from(rows, (r) => r.predicted);
  const pick = (from: Float64Array, drawn: Int32Array) => Float64Array.from(drawn, (i) => from[i] as number);
  return Object.fromEntries(
    intervalMetrics.map((metric) => [
      metric,
      bootstrapInterval(
        rows.length,
        (drawn) => regressionMetrics(pick(truth, drawn), pick(predicted, drawn))[metric],
        { seed: 1, resamples: 500 },
      ),
    ]),
  );
}
