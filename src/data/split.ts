/**
 * A table -> its rows for training, validation and test. Rows that belong together (the same molecule, the same
 * protein) stay on one side; a published fold is taken as it is.
 * Sides depend on the seed and the groups alone, not on the order of the rows, and a new group moves few others.
 */
import { createHash } from "node:crypto";
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";
import { requireColumns } from "./column.ts";
import type { Table } from "./source.ts";

export interface SplitSpec {
  /** Single rows, or the fields whose equal values (all of them) stay on one side. */
  by: "row" | { group: string[] };
  /**
   * A column that says the side: its values for test and, optionally, for validation. Rows with any other value
   * are training rows. Without `validation`, that side is split off the training rows by `by`.
   */
  fold?: { column: string; test: string[]; validation?: string[] | undefined } | undefined;
  /** Share of the rows below 1, or a number of rows from 1 on; 0 for none. Not used with `fold`. */
  test: number;
  /** As `test`; with `fold` a share of the rows that the fold leaves. */
  validation: number;
}

/** Indices into the table's rows, ascending; every row is on exactly one side. */
export interface Sides {
  train: Int32Array;
  validation: Int32Array;
  test: Int32Array;
}

export interface Leak {
  column: string;
  /** Rows whose value in `column` also occurs in training, of how many rows. */
  test: { shared: number; of: number };
  validation: { shared: number; of: number };
}

/**
 * Divides the rows. Sizes are met as closely as whole groups allow.
 * Errors: data/column, data/split (a size or fold value that cannot be met, a side left empty).
 */
export function splitRows(table: Table, spec: SplitSpec, seed: number): Sides {
  checkSpec(table, spec);
  const { fold, by } = spec;
  const every = Array.from(table.rows, (_, i) => i);
  const test = fold
    ? rowsOfFold(table, fold.column, fold.test)
    : draw(table, every, by, rowCount(spec.test, every.length), `test ${seed}`);
  const rest = without(every, test);
  const validation = fold?.validation
    ? rowsOfFold(table, fold.column, fold.validation)
    : draw(
        table,
        rest,
        by,
        rowCount(spec.validation, fold ? rest.length : every.length),
        `validation ${seed}`,
      );
  const train = without(rest, validation);

  const wanted = { train: 1, validation: fold?.validation ? 1 : spec.validation, test: fold ? 1 : spec.test };
  refuseEmpty(table, { train, validation, test }, wanted);
  return {
    train: Int32Array.from(train),
    validation: Int32Array.from(validation),
    test: Int32Array.from(test),
  };
}

/** How many held-out rows share a value with training, for each column by itself. Errors: data/column. */
export function leaks(table: Table, sides: Sides, columns: readonly string[]): Leak[] {
  requireColumns(table, columns);
  return columns.map((column) => {
    const value = (i: number) => table.rows[i]![column]!;
    const trained = new Set(Array.from(sides.train, value));
    const share = (side: Int32Array) => ({
      shared: side.filter((i) => trained.has(value(i))).length,
      of: side.length,
    });
    return { column, test: share(sides.test), validation: share(sides.validation) };
  });
}

function checkSpec(table: Table, { by, fold, test, validation }: SplitSpec): void {
  for (const [name, size] of Object.entries({ test, validation })) {
    if (size >= 0 && (size < 1 || Number.isInteger(size))) continue;
    throw new TagllmError(
      "data/split",
      `The ${name} size ${size} is neither a share nor a number of rows.`,
      "Use a share below 1 (0.1) or a whole number of rows (500).",
    );
  }
  if (by !== "row") requireColumns(table, by.group);
  if (!fold) return;
  requireColumns(table, [fold.column]);
  const existing = new Set(table.rows.map((row) => row[fold.column]!));
  for (const value of [...fold.test, ...(fold.validation ?? [])]) {
    if (existing.has(value)) continue;
    throw new TagllmError(
      "data/split",
      `No row has ${quote(value)} in the fold column ${quote(fold.column)}.`,
      didYouMean(value, existing, "values"),
    );
  }
  const both = fold.test.find((value) => fold.validation?.includes(value));
  if (both !== undefined) {
    throw new TagllmError(
      "data/split",
      `The fold ${quote(both)} is listed for both test and validation.`,
      "List it for one of them.",
    );
  }
}

function rowCount(size: number, rows: number): number {
  return size < 1 ? Math.round(size * rows) : size;
}

function rowsOfFold(table: Table, column: string, values: string[]): number[] {
  return Array.from(table.rows.keys()).filter((i) => values.includes(table.rows[i]![column]!));
}

/** Whole groups in an order fixed by `salt`, as many as bring the number of rows closest to `target`. */
function draw(table: Table, rows: number[], by: SplitSpec["by"], target: number, salt: string): number[] {
  const groups = new Map<string, number[]>();
  for (const i of rows) {
    const key =
      by === "row" ? String(table.rowNumbers[i]) : JSON.stringify(by.group.map((c) => table.rows[i]![c]));
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  }
  const rank = (key: string) => createHash("sha256").update(`${salt} ${key}`).digest("hex");
  const ordered = Array.from(groups, ([key, group]) => ({ rank: rank(key), group })).sort((a, b) =>
    a.rank < b.rank ? -1 : 1,
  );

  const drawn: number[] = [];
  const passedOver: number[][] = [];
  for (const { group } of ordered) {
    if (drawn.length + group.length <= target) drawn.push(...group);
    else passedOver.push(group);
  }
  const missing = target - drawn.length;
  const smallest = passedOver.reduce<number[] | null>((a, b) => (a && a.length <= b.length ? a : b), null);
  if (missing > 0 && smallest && smallest.length - missing < missing) drawn.push(...smallest);
  return drawn.sort((a, b) => a - b);
}

function without(rows: number[], taken: number[]): number[] {
  const gone = new Set(taken);
  return rows.filter((i) => !gone.has(i));
}

function refuseEmpty(
  table: Table,
  sides: Record<keyof Sides, number[]>,
  wanted: Record<keyof Sides, number>,
): void {
  for (const side of ["train", "validation", "test"] as const) {
    if (sides[side].length > 0 || wanted[side] === 0) continue;
    throw new TagllmError(
      "data/split",
      `The ${side} side of ${table.files[0]?.path ?? "the table"} (${table.rows.length} rows) would have no rows.`,
      "Ask for other sizes, split by smaller groups, or give more rows.",
    );
  }
}
