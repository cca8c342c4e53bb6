/** What a report says of a task in numbers beyond the tables of the run. */
import { bootstrapIntervals, type Interval } from "../evaluate/bootstrap.ts";
import { meanText, metricText } from "../evaluate/metric-names.ts";
import {
  answersOfRows,
  classesOfRows,
  type MetricsOfRows,
  meanOfRows,
  numbersOfRows,
  textOfRows,
  tokensOfRows,
} from "../evaluate/of-rows.ts";
import type { MethodResult } from "../study/methods.ts";
import type { TaskReport } from "../study/report.ts";
import type { LossRow, PredictedRow } from "./read-run.ts";

const missing = "–";

export const number = (value: number | null | undefined): string =>
  value === null || value === undefined || !Number.isFinite(value) ? missing : metricText(value);

export const metricsOf = ({ methods }: TaskReport): string[] => Object.keys(methods[0]?.mean ?? {});

/** Mean, with the spread where there are several seeds. */
export function methodCell({ mean, spread, perSeed }: MethodResult, metric: string): string {
  const value = number(mean[metric]);
  return perSeed.length > 1 && value !== missing
    ? meanText(mean[metric] as number, spread[metric] as number)
    : value;
}

const longestField = 160;

/** The value of a field, cut to what can be read. */
export const fieldText = (value: string): string =>
  value.length <= longestField ? value : `${value.slice(0, longestField)}… (${value.length} characters)`;

/** Test rows of one seed, and of how many groups of the split they are. */
export interface Extent {
  readonly rows: number;
  readonly groups: number;
}

/** Of the rows of all seeds. */
export function extentOf(rows: readonly (PredictedRow | LossRow)[]): Extent {
  const own = rows.filter(({ seed }) => seed === rows[0]?.seed);
  return { rows: own.length, groups: new Set(own.map(groupOf)).size };
}

const groupOf = ({ group, row }: { readonly group?: number; readonly row: number }): number => group ?? row;

/** What intervals are over. */
export const extentText = ({ rows, groups }: Extent): string =>
  groups < rows ? `the ${groups} groups of test rows` : "test rows";

/** Why there are no intervals; null where there are, or no rows. */
export function whyNoIntervals({ rows, groups }: Extent): string | null {
  if (groups !== 1) return null;
  const what = rows === 1 ? "there is one test row" : `the ${rows} test rows are one group`;
  return `No 95 % interval: ${what}, so every resample would be the same.`;
}

/** 95 % intervals over the test rows, or their groups, of each metric's mean over the seeds that has one. */
export function intervals(
  predictions: readonly PredictedRow[],
  losses: readonly LossRow[],
): Record<string, Interval> {
  const parts = predictions.length
    ? [predictedMetrics(predictions)]
    : [lossMetrics(losses), answerMetrics(losses)];
  const found = parts.flatMap(([seeds, rows]) => {
    if (rows.length === 0) return [];
    const options = { seed: 1, resamples: 500, groups: rows.map(groupOf) };
    return Object.entries(bootstrapIntervals(rows.length, meanOfRows(seeds), options));
  });
  return Object.fromEntries(
    found.filter(([, { low, high }]) => Number.isFinite(low) && Number.isFinite(high)),
  );
}

/** Of each seed, and the rows that each has. */
function predictedMetrics(rows: readonly PredictedRow[]): [MetricsOfRows[], PredictedRow[]] {
  const seeds = grouped(rows, (r) => r.seed);
  const classes = Object.keys(rows[0]?.probabilities ?? {});
  const metrics = seeds.map((own) =>
    classes.length
      ? classesOfRows(
          Int32Array.from(own, (r) => classes.indexOf(r.truth as string)),
          Float64Array.from(own.flatMap((r) => classes.map((c) => r.probabilities?.[c] as number))),
        )
      : numbersOfRows(
          Float64Array.from(own, (r) => r.truth as number),
          Float64Array.from(own, (r) => r.predicted as number),
        ),
  );
  return [metrics, seeds[0] ?? []];
}

function lossMetrics(rows: readonly LossRow[]): [MetricsOfRows[], LossRow[]] {
  const seeds = grouped(rows, (r) => r.seed);
  const column = (own: readonly LossRow[], of: (r: LossRow) => number | undefined) =>
    Float64Array.from(own, (r) => of(r) as number);
  const metrics = seeds.map((own) =>
    own[0]?.characters === undefined
      ? tokensOfRows({ nats: column(own, (r) => r.nats), tokens: column(own, (r) => r.tokens) })
      : textOfRows({
          bits: column(own, (r) => r.nats / Math.LN2),
          characters: column(own, (r) => r.characters),
        }),
  );
  return [metrics, seeds[0] ?? []];
}

/** Of the rows whose answers were written. */
function answerMetrics(rows: readonly LossRow[]): [MetricsOfRows[], LossRow[]] {
  const written = rows.filter(({ said }) => said !== undefined);
  const seeds = grouped(written, (r) => r.seed);
  const metrics = seeds.map((own) =>
    answersOfRows(
      own.map((r) => r.truth as string),
      own.map((r) => r.said as string),
    ),
  );
  return [metrics, seeds[0] ?? []];
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
