/** What the evaluation of a tag says, and what its kinds (head, text, domain) share. */
import { BlockStore } from "../batch/store.ts";
import type { TagllmError } from "../errors.ts";
import { type BootstrapOptions, bootstrapIntervals, type Interval } from "../evaluate/bootstrap.ts";
import type { MetricsOfRows } from "../evaluate/of-rows.ts";
import type { Base } from "../models/base.ts";
import type { Tag } from "../tags/tag.ts";
import { type Prediction, predict } from "./predict.ts";

export interface EvaluateOptions {
  /**
   * Columns that hold the truth, one per output of the tag in its order; default: those of the outputs' names.
   * For a domain tag: the one column that holds the text.
   */
  readonly targets?: readonly string[];
  /** Resamples of the bootstrap; default 1000. */
  readonly resamples?: number;
  /** Longest text answer in tokens; default as in training, else 64. */
  readonly answerTokens?: number;
  /** As of `predict`. */
  readonly reuse?: "auto" | "none";
  readonly signal?: AbortSignal;
  /** Rows that are done. */
  readonly onProgress?: (rows: number) => void;
}

/** What is not defined (a correlation with a constant, an area without one of the classes) is null. */
export interface MetricInterval {
  readonly value: number | null;
  /** 95 %, percentile bootstrap over rows; null where no resample had a value. */
  readonly low: number | null;
  readonly high: number | null;
}

export type MetricIntervals = Readonly<Record<string, MetricInterval>>;

export interface OutputEvaluation {
  /** Of the tag; null for a domain tag. */
  readonly output: string | null;
  /** The column of the table that was compared with. */
  readonly column: string;
  readonly metrics: MetricIntervals;
  /** What says the same of every row from this table's targets alone; for text of a domain the base without a tag. */
  readonly baseline: { readonly method: string; readonly metrics: MetricIntervals } | null;
  /** Of the tag's intervals or sets of classes; null where it has none. */
  readonly coverage: {
    /** The share that they were made for. */
    readonly promised: number;
    readonly share: MetricInterval;
    /** Rows whose truth they hold. */
    readonly held: number;
    /** Mean width of the intervals, or mean number of classes in the sets. */
    readonly size: number;
  } | null;
}

export interface Evaluation {
  readonly tag: string;
  readonly answer: "number" | "class" | "text" | "domain";
  /** Rows of the table, and those that were scored. */
  readonly rows: number;
  readonly scored: number;
  /** Rows that could not be scored, by reason; 0-based data rows of the file. */
  readonly failed: readonly { readonly reason: string; readonly rows: readonly number[] }[];
  /** Scored rows whose prompt was cut to fit the base, or the tag's own limit. */
  readonly trimmed: number;
  /** Scored rows whose answer in text stops where it may have no more tokens; null for other tags. */
  readonly unfinished: number | null;
  /** Scored rows unlike those that the tag learned; null where the tag cannot tell. */
  readonly outOfDomain: number | null;
  /** Scored rows that the base was pretrained on; null where its seen.json does not speak of the file. */
  readonly seen: number | null;
  /** The table is a file that the tag was made from, so that some of its rows are no test. */
  readonly usedInTraining: boolean;
  readonly outputs: readonly OutputEvaluation[];
}

/** A row that can be scored. */
export interface ScorableRow {
  readonly fields: Record<string, string>;
  /** 0-based data row of the file. */
  readonly rowNumber: number;
  /** As it stands in the columns, in the order of the outputs. */
  readonly truth: readonly string[];
}

/** What the kinds of tags have in common once their rows are answered. */
export interface Scored {
  readonly rows: readonly ScorableRow[];
  readonly outputs: readonly OutputEvaluation[];
  readonly trimmed: number;
  readonly unfinished: number | null;
  readonly outOfDomain: number | null;
}

/** Rows by the reason why they are not scored. */
export class Failures {
  private readonly byReason = new Map<string, number[]>();

  add(reason: string, row: number): void {
    const rows = this.byReason.get(reason);
    if (rows) rows.push(row);
    else this.byReason.set(reason, [row]);
  }

  list(): Evaluation["failed"] {
    return [...this.byReason].map(([reason, rows]) => ({ reason, rows: rows.toSorted((a, b) => a - b) }));
  }
}

export interface Context {
  readonly base: Base;
  readonly tags: ReadonlyMap<string, Tag>;
  readonly tag: Tag;
  readonly columns: readonly string[];
  readonly rows: readonly ScorableRow[];
  readonly failures: Failures;
  readonly options: EvaluateOptions;
}

export function answerOf({ kind, head, classes }: Tag): Evaluation["answer"] {
  if (kind === "domain") return "domain";
  return head === null ? "text" : classes ? "class" : "number";
}

const chunkRows = 1000;

/** Predicts rows in parts; those that make no prompt are counted as failed. */
export async function answered(context: Context): Promise<{ row: ScorableRow; prediction: Prediction }[]> {
  const { base, rows, failures, options } = context;
  const kept: { row: ScorableRow; prediction: Prediction }[] = [];
  const store = new BlockStore(base);
  try {
    for (let at = 0; at < rows.length; at += chunkRows) {
      const part = rows.slice(at, at + chunkRows);
      const predictions = await predictPart(context, part, store);
      predictions.forEach((prediction, i) => {
        const row = part[i] as ScorableRow;
        if (prediction.error) failures.add(withoutRow(prediction.error), row.rowNumber);
        else kept.push({ row, prediction });
      });
      options.onProgress?.(at + part.length);
    }
    return kept;
  } finally {
    await store.clear();
  }
}

function predictPart(
  { base, tags, tag, options: { signal, answerTokens, reuse } }: Context,
  part: readonly ScorableRow[],
  store: BlockStore,
): Promise<Prediction[]> {
  const rows = part.map((r) => r.fields);
  return predict(base, tags, tag.name, rows, {
    keepFailed: true,
    store,
    ...(signal && { signal }),
    ...(reuse && { reuse }),
    ...(answerTokens !== undefined && { answerTokens }),
  });
}

/** The same words for the same fault of different rows. */
const withoutRow = ({ problem }: TagllmError): string => problem.replace(/^Row \d+: /, "").replace(/\.$/, "");

export const bootstrapOf = ({ resamples = 1000 }: EvaluateOptions): BootstrapOptions => ({
  seed: 1,
  resamples,
});

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

export function withIntervals(
  rows: number,
  metrics: MetricsOfRows,
  bootstrap: BootstrapOptions,
): MetricIntervals {
  const entry = ([name, { value, low, high }]: [string, Interval]): [string, MetricInterval] => [
    name,
    { value: orNull(value), low: orNull(low), high: orNull(high) },
  ];
  return Object.fromEntries(Object.entries(bootstrapIntervals(rows, metrics, bootstrap)).map(entry));
}
