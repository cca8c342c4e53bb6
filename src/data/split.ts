/**
 * A table -> its rows for training, validation and test. Rows that belong together (the same molecule, the same
 * protein) stay on one side; a published fold is taken as it is.
 * Sides depend on the seed and the groups alone, not on the order of the rows, and a new group moves few others.
 */
import { createHash } from "node:crypto";
import { TagllmError } from "../errors.ts";
import { loadMolecules, type Molecules } from "../molecules.ts";
import { didYouMean, quote } from "../suggest.ts";
import { requireColumns } from "./column.ts";
import type { Table } from "./source.ts";

export interface SplitSpec {
  /**
   * Single rows; the fields whose equal values (all of them) stay on one side; a field of molecules whose
   * scaffolds do; or a column of times (all dates or all numbers), of which the latest are test and
   * those before them validation.
   * Of the fields of a group those in `molecules` hold SMILES: one molecule counts as equal however it is written.
   */
  by: "row" | { group: string[]; molecules?: string[] | undefined } | { scaffold: string } | { time: string };
  /** k folds of about equal size, of which number `test` (from 0) is the test side; instead of `fold` and `test`. */
  folds?: { k: number; test: number } | undefined;
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
export function splitRows(
  table: Table,
  spec: SplitSpec,
  seed: number,
  groups: Groups = fieldGroups(table, spec),
): Sides {
  checkSpec(table, spec);
  const { fold, folds } = spec;
  const every = Array.from(table.rows, (_, i) => i);
  const times = typeof spec.by === "object" && "time" in spec.by ? timesOf(table, spec.by.time) : null;
  const take = (rows: number[], count: number, salt: string) =>
    times ? latest(rows, times, count) : draw(groups, rows, count, salt);
  const test = fold
    ? rowsOfFold(table, fold.column, fold.test)
    : folds
      ? foldOf(groups, every, folds, `folds ${seed}`)
      : take(every, rowCount(spec.test, every.length), `test ${seed}`);
  const rest = without(every, test);
  const given = fold !== undefined || folds !== undefined;
  const validation = fold?.validation
    ? rowsOfFold(table, fold.column, fold.validation)
    : take(rest, rowCount(spec.validation, given ? rest.length : every.length), `validation ${seed}`);
  const train = without(rest, validation);

  const wanted = {
    train: 1,
    validation: fold?.validation ? 1 : spec.validation,
    test: given ? 1 : spec.test,
  };
  refuseEmpty(table, { train, validation, test }, wanted);
  return {
    train: Int32Array.from(train),
    validation: Int32Array.from(validation),
    test: Int32Array.from(test),
  };
}

/**
 * How many held-out rows share a value with training, for each column by itself and, last, for several columns
 * together. Errors: data/column.
 */
export function leaks(table: Table, sides: Sides, columns: readonly string[]): Leak[] {
  requireColumns(table, columns);
  const sets = [...columns.map((c) => [c]), ...(columns.length > 1 ? [columns] : [])];
  return sets.map((set) => {
    const value = (i: number) => JSON.stringify(set.map((c) => table.rows[i]![c]));
    const trained = new Set(Array.from(sides.train, value));
    const share = (side: Int32Array) => ({
      shared: side.filter((i) => trained.has(value(i))).length,
      of: side.length,
    });
    return { column: set.join(" + "), test: share(sides.test), validation: share(sides.validation) };
  });
}

function checkSpec(table: Table, { by, fold, folds, test, validation }: SplitSpec): void {
  for (const [name, size] of Object.entries({ test, validation })) {
    if (size >= 0 && (size < 1 || Number.isInteger(size))) continue;
    throw new TagllmError(
      "data/split",
      `The ${name} size ${size} is neither a share nor a number of rows.`,
      "Use a share below 1 (0.1) or a whole number of rows (500).",
    );
  }
  if (by !== "row" && "group" in by) checkGroup(table, by);
  if (folds) checkFolds(folds, fold, by);
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

function checkGroup(
  table: Table,
  { group, molecules = [] }: { group: string[]; molecules?: string[] | undefined },
) {
  requireColumns(table, group);
  const other = molecules.find((field) => !group.includes(field));
  if (other === undefined) return;
  throw new TagllmError(
    "data/split",
    `The split compares the molecules of ${quote(other)}, which is no field of its group.`,
    `Name fields of the group: ${group.join(", ")}.`,
  );
}

function checkFolds(
  { k, test }: { k: number; test: number },
  fold: SplitSpec["fold"],
  by: SplitSpec["by"],
): void {
  const wrong = (problem: string, cure: string) => new TagllmError("data/split", problem, cure);
  if (fold) throw wrong("The split has both fold and folds.", "Keep one of them.");
  if (typeof by === "object" && "time" in by)
    throw wrong("Folds cannot be made by time.", "Split by time with test and validation sizes.");
  if (!(k >= 2 && Number.isInteger(test) && test >= 0 && test < k))
    throw wrong(`There is no fold ${test} of ${k}.`, "k is at least 2, and test one of 0 to k - 1.");
}

/** For every row the key of the group it belongs to. */
export type Groups = (row: number) => string;

export function fieldGroups(table: Table, { by }: Pick<SplitSpec, "by">): Groups {
  if (typeof by === "object" && "group" in by)
    return (i) => JSON.stringify(by.group.map((c) => table.rows[i]![c]));
  return (i) => String(table.rowNumbers[i]);
}

/**
 * The groups of a split that molecules must be read for; undefined for the others. A text that is no molecule is
 * its own group.
 */
export async function moleculeGroups(
  table: Table,
  { by }: Pick<SplitSpec, "by">,
): Promise<Groups | undefined> {
  if (by === "row" || "time" in by) return undefined;
  if ("scaffold" in by) return scaffoldGroups(table, by.scaffold);
  if (!by.molecules?.length) return undefined;
  requireColumns(table, by.group);
  const molecules = await loadMolecules();
  const keys = table.rows.map((row, i) =>
    JSON.stringify(
      by.group.map((field) => {
        const text = row[field]!;
        if (!by.molecules?.includes(field)) return text;
        const molecule = molecules.read(text);
        if (!molecule) refuseTooLarge(molecules, table, i, field);
        return molecule?.smiles ?? text;
      }),
    ),
  );
  return (i) => keys[i]!;
}

/** Equal scaffolds; a molecule without rings is its own, as canonical SMILES. */
async function scaffoldGroups(table: Table, field: string): Promise<Groups> {
  requireColumns(table, [field]);
  const molecules = await loadMolecules();
  const keys = table.rows.map((row, i) => {
    const smiles = row[field]!;
    const scaffold = molecules.scaffold(smiles);
    if (scaffold !== null) return scaffold || (molecules.read(smiles)?.smiles as string);
    refuseTooLarge(molecules, table, i, field);
    const problem = `Row ${table.rowNumbers[i]! + 1} of ${table.files[0]?.path} has the ${field} ${quote(smiles)}, which is no molecule.`;
    throw new TagllmError("data/split", problem, "Split by scaffold needs SMILES in every row.");
  });
  return (i) => keys[i]!;
}

function refuseTooLarge(molecules: Molecules, table: Table, i: number, field: string): void {
  const smiles = table.rows[i]![field]!;
  if (!molecules.isTooLarge(smiles)) return;
  const problem = `Row ${table.rowNumbers[i]! + 1} of ${table.files[0]?.path} has the ${field} ${quote(smiles)}, a molecule too large for RDKit.`;
  throw new TagllmError("data/split", problem, "Leave such rows out (where), or split by other fields.");
}

function timesOf(table: Table, column: string): Float64Array {
  requireColumns(table, [column]);
  const first = table.rows[0]?.[column] ?? "";
  return Float64Array.from(table.rows, (row, i) => {
    const text = row[column]!;
    const time = isDate(text) ? dateOf(text) : text === "" ? Number.NaN : Number(text);
    if (Number.isFinite(time) && isDate(text) === isDate(first)) return time;
    const found = `Row ${table.rowNumbers[i]! + 1} of ${table.files[0]?.path} has the ${column} ${quote(text)}`;
    if (!Number.isFinite(time)) {
      const cure = "Split by time needs numbers or dates such as 2024-05-31.";
      throw new TagllmError("data/split", `${found}.`, cure);
    }
    const problem = `${found}, row ${table.rowNumbers[0]! + 1} ${quote(first)}: one is a date, the other a number.`;
    throw new TagllmError("data/split", problem, "Write all of them as dates, or all as numbers.");
  });
}

const isDate = (text: string): boolean => /^\d{4}-\d\d-\d\d/.test(text);

/** Whether its month has the day; JavaScript takes 31 February for 2 March. */
function isInCalendar(day: string): boolean {
  const time = Date.parse(`${day}T00:00:00Z`);
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(day);
}

/**
 * NaN where there is no such day. A time without a zone is read as UTC, as a date is; JavaScript would take it for
 * the machine's own.
 */
function dateOf(text: string): number {
  const day = text.slice(0, "2024-05-31".length);
  if (!isInCalendar(day)) return Number.NaN;
  const time = text.slice(day.length);
  const zoned = /(z|utc?|gmt|[ecmp][sd]t|[+-]\d\d?:?\d*)$/i.test(time);
  return Date.parse(time === "" || zoned ? text : `${text.replace("T", " ")} UTC`);
}

/** The latest rows, equal times together, as many as come closest to `count`. */
function latest(rows: readonly number[], times: Float64Array, count: number): number[] {
  const ordered = rows.toSorted((a, b) => times[b]! - times[a]!);
  const tied = (end: number) =>
    end > 0 && end < ordered.length && times[ordered[end - 1]!] === times[ordered[end]!];
  let [more, fewer] = [count, count];
  while (tied(more)) more++;
  while (tied(fewer)) fewer--;
  const end = more - count <= count - fewer ? more : fewer;
  return ordered.slice(0, end).sort((a, b) => a - b);
}

/** Whole groups, in an order fixed by the salt, each to the fold with the fewest rows so far. */
function foldOf(
  groups: Groups,
  rows: readonly number[],
  { k, test }: { k: number; test: number },
  salt: string,
): number[] {
  const folds: number[][] = Array.from({ length: k }, () => []);
  for (const group of inDrawnOrder(groups, rows, salt)) {
    const smallest = folds.reduce((a, b) => (b.length < a.length ? b : a));
    for (const i of group) smallest.push(i);
  }
  return folds[test]!.sort((a, b) => a - b);
}

function rowCount(size: number, rows: number): number {
  return size < 1 ? Math.round(size * rows) : size;
}

function rowsOfFold(table: Table, column: string, values: string[]): number[] {
  return Array.from(table.rows.keys()).filter((i) => values.includes(table.rows[i]![column]!));
}

/** The groups of the rows, in an order that the salt and their keys alone decide. */
function inDrawnOrder(groupOf: Groups, rows: readonly number[], salt: string): number[][] {
  const groups = new Map<string, number[]>();
  for (const i of rows) {
    const key = groupOf(i);
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  }
  const rank = (key: string) => createHash("sha256").update(`${salt} ${key}`).digest("hex");
  return Array.from(groups, ([key, group]) => ({ rank: rank(key), group }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ group }) => group);
}

/** Whole groups in drawn order, as many as bring the number of rows closest to `target`. */
function draw(groups: Groups, rows: readonly number[], target: number, salt: string): number[] {
  const drawn: number[] = [];
  const add = (group: readonly number[]) => {
    for (const i of group) drawn.push(i);
  };
  const passedOver: number[][] = [];
  for (const group of inDrawnOrder(groups, rows, salt)) {
    if (drawn.length + group.length <= target) add(group);
    else passedOver.push(group);
  }
  const missing = target - drawn.length;
  const smallest = passedOver.reduce<number[] | null>((a, b) => (a && a.length <= b.length ? a : b), null);
  if (missing > 0 && smallest && smallest.length - missing < missing) add(smallest);
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
