/**
 * Scores a tag that exists on a labelled table, such as one that was measured after the tag was made: metrics with
 * intervals over the rows, whether the tag's own intervals hold, and what knowing nothing but this table's
 * targets would reach. It trains nothing and chooses nothing.
 */
import { basename } from "node:path";
import { parseNumber } from "../data/numbers.ts";
import type { Table } from "../data/source.ts";
import { TagllmError } from "../errors.ts";
import type { BootstrapOptions } from "../evaluate/bootstrap.ts";
import { conformalLevel } from "../evaluate/conformal.ts";
import { classesOfRows, type MetricsOfRows, numbersOfRows } from "../evaluate/of-rows.ts";
import type { Base } from "../models/base.ts";
import { closest, quote } from "../suggest.ts";
import { requireBase } from "../tags/base.ts";
import { requireTag } from "../tags/library.ts";
import type { Tag } from "../tags/tag.ts";
import { trainingFiles } from "../tags/training-files.ts";
import { evaluateDomain, evaluateText } from "./evaluate-text.ts";
import {
  answered,
  answerOf,
  bootstrapOf,
  type Context,
  type EvaluateOptions,
  type Evaluation,
  Failures,
  type MetricInterval,
  type OutputEvaluation,
  type ScorableRow,
  type Scored,
  withIntervals,
} from "./evaluation.ts";
import type { Prediction } from "./predict.ts";
import { readSeen, wasSeen } from "./sources.ts";

/**
 * Scores a function tag on a labelled table, or a domain tag on texts.
 *
 * @param tags the tag and the domain tags of its template, by name
 * @throws tag/* (unknown, wrong-base, changed), prompts/*, data/column, study/data (no row can be scored, or the targets do not fit the tag),
 * aborted
 */
export async function evaluateTag(
  base: Base,
  tags: ReadonlyMap<string, Tag>,
  name: string,
  table: Table,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const tag = requireTag(tags, name);
  requireBase(tag, base.fingerprint);
  const { columns, rows, failures } = rowsToScore(tag, table, options.targets);
  const seenSets = await readSeen(base.folder);
  const known = table.files.some((f) => seenSets.some((s) => s.files.includes(basename(f.path))));
  const context: Context = { base, tags, tag, columns, rows, failures, options };
  const scored = await score(context);
  requireSome(scored.rows.length, tag, failures);
  return {
    tag: name,
    answer: answerOf(tag),
    rows: table.rows.length,
    scored: scored.rows.length,
    failed: failures.list(),
    trimmed: scored.trimmed,
    outOfDomain: scored.outOfDomain,
    unfinished: scored.unfinished,
    seen: known ? scored.rows.filter((r) => wasSeen(seenSets, table, r.rowNumber, r.fields)).length : null,
    usedInTraining: trainingFiles(tag.provenance).some(({ sha256 }) =>
      table.files.some((f) => f.sha256 === sha256),
    ),
    outputs: scored.outputs,
  };
}

/**
 * The rows that have a truth the tag can be compared with; without the base, so that a table that does not fit is
 * refused before anything is loaded.
 * @throws data/column, study/data
 */
export function rowsToScore(
  tag: Tag,
  table: Table,
  targets: readonly string[] | undefined,
): Pick<Context, "columns" | "rows" | "failures"> {
  const columns = targetColumns(tag, table, targets);
  const failures = new Failures();
  const rows = scorableRows(tag, table, columns, failures);
  requireSome(rows.length, tag, failures);
  return { columns, rows, failures };
}

function score(context: Context): Promise<Scored> {
  switch (answerOf(context.tag)) {
    case "domain":
      return evaluateDomain(context);
    case "text":
      return evaluateText(context);
    default:
      return evaluateHead(context);
  }
}

/** Digests of the files that the tag says it was made from. */
function targetColumns(tag: Tag, { columns }: Table, targets: readonly string[] | undefined): string[] {
  const wanted = targets ?? (tag.kind === "domain" && columns.length === 1 ? columns : tag.outputs);
  const expected = tag.kind === "domain" ? 1 : tag.outputs.length;
  if (wanted.length !== expected) {
    throw new TagllmError(
      "study/data",
      tag.kind === "domain"
        ? `${quote(tag.name)} is a domain tag: it reads text and has no column of its own.`
        : `${quote(tag.name)} answers ${tag.outputs.map(quote).join(", ")}; there are ${wanted.length} columns to compare with.`,
      tag.kind === "domain"
        ? "Name the one column that holds the text (--target COLUMN)."
        : `Name ${expected}, in this order (--target ${tag.outputs.map(() => "COLUMN").join(" ")}).`,
    );
  }
  for (const column of wanted) {
    if (columns.includes(column)) continue;
    const near = closest(column, columns);
    throw new TagllmError(
      "data/column",
      `The table has no column ${quote(column)} to compare with; it has ${columns.map(quote).join(", ")}.`,
      near ? `Did you mean --target ${near}?` : "Name the column of the truth with --target COLUMN.",
    );
  }
  return [...wanted];
}

/** Rows whose truth is there and of the tag's kind. */
function scorableRows(tag: Tag, table: Table, columns: readonly string[], failures: Failures): ScorableRow[] {
  const kind = answerOf(tag);
  const faultOf = (column: string, text: string): string | null => {
    if (text.trim() === "") return `${column} is empty`;
    if (kind === "number") {
      const { fault } = parseNumber(text);
      return fault === null ? null : `${column} is ${fault}`;
    }
    if (kind === "class" && !tag.classes?.includes(text))
      return `a ${column} that ${tag.name} does not know: ${quote(text)}`;
    return null;
  };
  return table.rows.flatMap((fields, i): ScorableRow[] => {
    const rowNumber = table.rowNumbers[i] as number;
    const truth = columns.map((column) => fields[column] ?? "");
    const faults = truth.flatMap((text, k) => faultOf(columns[k] as string, text) ?? []);
    if (faults[0] === undefined) return [{ fields, rowNumber, truth }];
    failures.add(faults[0], rowNumber);
    return [];
  });
}

function requireSome(rows: number, tag: Tag, failures: Failures): void {
  if (rows > 0) return;
  const lost = failures.list().map(({ reason, rows: own }) => `${own.length} rows: ${reason}`);
  throw new TagllmError(
    "study/data",
    `No row can be scored with ${quote(tag.name)} (${lost.slice(0, 3).join("; ")}).`,
    "Check which column holds the truth, and that it is what the tag answers.",
  );
}

async function evaluateHead(context: Context): Promise<Scored> {
  const { tag, columns, options } = context;
  const kept = await answered(context);
  const outputs =
    kept.length === 0
      ? []
      : columns.map((column, k): OutputEvaluation => {
          const output = (tag.outputs[k] ?? null) as string;
          const truth = kept.map(({ row }) => row.truth[k] as string);
          const predictions = kept.map(({ prediction }) => prediction);
          const part = tag.classes
            ? classOutput(tag.classes, truth, predictions)
            : numberOutput(
                output,
                truth.map((t) => parseNumber(t).value as number),
                predictions,
              );
          const bootstrap = bootstrapOf(options);
          return {
            output,
            column,
            metrics: withIntervals(kept.length, part.metrics, bootstrap),
            baseline: {
              method: part.baseline.method,
              metrics: withIntervals(kept.length, part.baseline.metrics, bootstrap),
            },
            coverage: coverageOf(part.cover, bootstrap),
          };
        });
  const told = kept.filter(({ prediction }) => prediction.outOfDomain !== undefined);
  return {
    rows: kept.map(({ row }) => row),
    outputs,
    trimmed: kept.filter(({ prediction }) => prediction.trimmed.length > 0).length,
    unfinished: null,
    outOfDomain: told.length ? told.filter(({ prediction }) => prediction.outOfDomain).length : null,
  };
}

/** For each row whether its truth is held, and how large the interval or set is; null without them. */
interface Cover {
  readonly held: readonly boolean[];
  readonly sizes: readonly number[];
}

interface Part {
  readonly metrics: MetricsOfRows;
  readonly baseline: { readonly method: string; readonly metrics: MetricsOfRows };
  readonly cover: Cover | null;
}

function numberOutput(output: string, truth: readonly number[], predictions: readonly Prediction[]): Part {
  const y = Float64Array.from(truth);
  const mean = y.reduce((sum, v) => sum + v, 0) / y.length;
  const intervals = predictions.flatMap((p) =>
    p.intervals ? [p.intervals[output] as readonly [number, number]] : [],
  );
  return {
    metrics: numbersOfRows(
      y,
      Float64Array.from(predictions, (p) => p.values[output] as number),
    ),
    baseline: {
      method: "mean of this table",
      metrics: numbersOfRows(
        y,
        y.map(() => mean),
      ),
    },
    cover:
      intervals.length === predictions.length
        ? {
            held: intervals.map(([low, high], i) => low <= (y[i] as number) && (y[i] as number) <= high),
            sizes: intervals.map(([low, high]) => high - low),
          }
        : null,
  };
}

function classOutput(
  classes: readonly string[],
  truth: readonly string[],
  predictions: readonly Prediction[],
): Part {
  const labels = Int32Array.from(truth, (t) => classes.indexOf(t));
  const shares = classes.map((_, c) => labels.filter((l) => l === c).length / labels.length);
  const flat = (of: (i: number) => readonly number[]) => Float64Array.from(truth.flatMap((_, i) => of(i)));
  const sets = predictions.flatMap((p) => (p.classSet ? [p.classSet] : []));
  return {
    metrics: classesOfRows(
      labels,
      flat((i) => classes.map((name) => predictions[i]?.probabilities?.[name] as number)),
    ),
    baseline: {
      method: "class shares of this table",
      metrics: classesOfRows(
        labels,
        flat(() => shares),
      ),
    },
    cover:
      sets.length === predictions.length
        ? {
            held: sets.map((set, i) => set.includes(truth[i] as string)),
            sizes: sets.map((set) => set.length),
          }
        : null,
  };
}

function coverageOf(cover: Cover | null, bootstrap: BootstrapOptions): OutputEvaluation["coverage"] {
  if (!cover) return null;
  const { held, sizes } = cover;
  const share = (rows: Int32Array) => rows.reduce((n, i) => n + (held[i] ? 1 : 0), 0) / rows.length;
  return {
    promised: conformalLevel,
    share: withIntervals(held.length, (rows) => ({ share: share(rows) }), bootstrap).share as MetricInterval,
    held: held.filter(Boolean).length,
    size: sizes.reduce((sum, s) => sum + s, 0) / sizes.length,
  };
}
