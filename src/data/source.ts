/**
 * Data files -> rows of text: the rows that the stages of a study draw from, or that are predicted.
 * Values stay text ("007", "NaN" and "1e5" survive); numbers.ts turns a column into numbers where one is needed.
 * Rows come in the order of the files, in batches; a table is all batches in memory.
 */
import { getHeapStatistics } from "node:v8";
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import type { FileRecord } from "./file.ts";
import { type FilesRead, type FilesSpec, openFiles } from "./files.ts";
import { type JoinSpec, openJoin } from "./join.ts";
import { openQuery, type QuerySpec } from "./sql.ts";
import type { Batch, Dropped, Step } from "./step.ts";

/** Files, then joins, then `where`, then `select`. */
export interface SourceSpec extends FilesSpec, QuerySpec {
  /** Columns of other files, found by the values of fields. */
  join?: readonly JoinSpec[] | undefined;
}

/** Known when all rows have been read. */
export interface SourceRead extends FilesRead {
  /** The files that were joined. */
  joined: FileRecord[];
  /** Rows that a join left out because the source says so, by reason. */
  dropped: Dropped[];
}

export interface RowBatch {
  columns: readonly string[];
  rows: Record<string, string>[];
  /** For every row its 0-based data row, counted through all files. */
  rowNumbers: number[];
}

export interface Table extends SourceRead {
  columns: string[];
  rows: Record<string, string>[];
  /** For every row its 0-based data row, counted through all files. */
  rowNumbers: Int32Array;
}

/**
 * Reads rows in batches; only one of them, and the files that are joined, are in memory.
 * Errors: data/*; those of a later row come when it is reached.
 */
export async function* streamRows(
  source: SourceSpec,
  { batch: size = 1000 }: { batch?: number } = {},
): AsyncGenerator<RowBatch, SourceRead> {
  const steps: Step[] = [];
  try {
    const files = await openFiles(source);
    let { columns } = files;
    const joined: FileRecord[] = [];
    for (const spec of source.join ?? []) {
      const join = await openJoin(spec, files.path, columns);
      steps.push(join);
      joined.push(...join.files);
      columns = join.columns;
    }
    if (source.where !== undefined || source.select !== undefined) {
      const query = await openQuery(source, files.path, columns);
      steps.push(query);
      columns = query.columns;
    }
    const reading = files.batches();
    try {
      let waiting: RowBatch = { columns, rows: [], rowNumbers: [] };
      let read = await reading.next();
      for (; !read.done; read = await reading.next()) {
        let batch: Batch = read.value;
        for (const step of steps) batch = await step.apply(batch);
        for (const [i, values] of batch.values.entries()) {
          waiting.rows.push(Object.fromEntries(columns.map((name, c) => [name, values[c] as string])));
          waiting.rowNumbers.push(batch.rowNumbers[i] as number);
          if (waiting.rows.length < size) continue;
          yield waiting;
          waiting = { columns, rows: [], rowNumbers: [] };
        }
      }
      if (waiting.rows.length > 0) yield waiting;
      return { ...read.value, joined, dropped: steps.flatMap((step) => step.dropped) };
    } finally {
      await reading.return({ files: [], trimmed: 0, looseQuotes: [] });
    }
  } finally {
    for (const step of steps) step.close();
  }
}

/** Bytes of a value beside its characters, and the share of Node's memory that a table may take. */
const valueBytes = 40;
const mostOfHeap = 0.5;

/** Reads all rows into memory. Errors: data/*. */
export async function readRows(source: SourceSpec): Promise<Table> {
  const limit = getHeapStatistics().heap_size_limit * mostOfHeap;
  const rows: Record<string, string>[] = [];
  const rowNumbers: number[] = [];
  let columns: readonly string[] = [];
  let held = 0;
  const reading = streamRows(source);
  try {
    let read = await reading.next();
    for (; !read.done; read = await reading.next()) {
      columns = read.value.columns;
      for (const row of read.value.rows) {
        for (const name of columns) held += valueBytes + (row[name] as string).length;
        rows.push(row);
      }
      rowNumbers.push(...read.value.rowNumbers);
      if (held > limit) throw tooLarge(source, rows.length, limit);
    }
    if (rows.length === 0) throw nothingLeft(source, read.value);
    return { ...read.value, columns: [...columns], rows, rowNumbers: Int32Array.from(rowNumbers) };
  } finally {
    await reading.return({ files: [], trimmed: 0, looseQuotes: [], joined: [], dropped: [] });
  }
}

/** Every file that the table depends on. */
export const allFiles = ({ files, joined }: Pick<Table, "files" | "joined">): FileRecord[] => [
  ...files,
  ...joined,
];

/** Where a row stands: its file and its 0-based data row there. */
export function placeOf(files: readonly FileRecord[], rowNumber: number): { path: string; row: number } {
  let row = rowNumber;
  for (const { path, rows } of files) {
    if (row < rows) return { path, row };
    row -= rows;
  }
  throw new RangeError(`There is no row ${rowNumber}.`);
}

const nameOf = ({ file }: SourceSpec): string =>
  typeof file === "string" ? file : (file[0] ?? "The source");

function tooLarge(source: SourceSpec, rows: number, limit: number): TagllmError {
  return new TagllmError(
    "data/too-large",
    `The first ${rows} rows of ${nameOf(source)} take more than ${Math.round(limit / 1e6)} MB of memory, and all rows of a table are held.`,
    "Keep fewer rows with rows or where, fewer fields with select, or give Node more memory: NODE_OPTIONS=--max-old-space-size=16000.",
  );
}

function nothingLeft(source: SourceSpec, { dropped }: SourceRead): TagllmError {
  const lost = dropped.map((d) => `${d.rows.length} dropped: ${d.reason}`).join("; ");
  const why = source.where === undefined ? lost : `where: ${quote(source.where)}${lost ? `; ${lost}` : ""}`;
  const problem = `No row of ${nameOf(source)} is left (${why}).`;
  return new TagllmError("data/empty", problem, "Check the expression and the keys; all values are text.");
}
