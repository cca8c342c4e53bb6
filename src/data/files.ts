/** The files of a source as one sequence of rows: the same columns in the same order, blanks around values cut off. */
import { resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";
import type { FileRecord } from "./file.ts";
import { type DataFormat, formatOf } from "./formats.ts";
import { headerOf, recordsOf } from "./records.ts";
import type { Batch } from "./step.ts";

export interface RowRange {
  from?: number | undefined;
  to?: number | undefined;
}

export interface FilesSpec {
  /** Path, or paths of files with the same columns; relative to the working folder or absolute. */
  file: string | readonly string[];
  /** By default what the extension says. */
  format?: DataFormat | undefined;
  /** Data rows [from, to), 0-based, of all files one after the other; headers and blank lines are no data rows. */
  rows?: RowRange | undefined;
  /** Fields by another name: { field: column of the file }. Columns not named here keep their own name. */
  columns?: Record<string, string> | undefined;
}

/** Known when all rows have been read. */
export interface FilesRead {
  /** In order. */
  files: FileRecord[];
  /** How many values had blanks around them, which were cut off. */
  trimmed: number;
  /** Lines with a value that starts with a closed quote and goes on (`"a" b`); it is kept as written. */
  looseQuotes: { path: string; line: number }[];
}

interface OpenFile {
  readonly path: string;
  readonly format: DataFormat;
  readonly header: readonly string[];
  /** As `header`, every column with a name. */
  readonly names: readonly string[];
}

/**
 * `path` is how messages call all of it.
 * Errors: data/missing and its kind, data/format, data/files, data/column, data/duplicate-column.
 */
export async function openFiles(spec: FilesSpec): Promise<{
  path: string;
  columns: readonly string[];
  /** Errors: those of the rows, and data/rows, data/empty at the end. */
  batches(): AsyncGenerator<Batch, FilesRead>;
}> {
  const paths = (typeof spec.file === "string" ? [spec.file] : spec.file).map((p) => resolve(p));
  const files: OpenFile[] = [];
  for (const path of paths) {
    const format = spec.format ?? formatOf(path);
    const header = await headerOf(path, format);
    files.push({ path, format, header, names: columnNames(path, header) });
  }
  const [first, ...others] = files;
  if (first === undefined)
    throw new TagllmError("data/files", "A source lists no file.", "Name one or more.");
  const path = others.length === 0 ? first.path : `${first.path} and ${others.length} more`;
  for (const other of others) requireSameColumns(first, other);
  const fields = fieldsOf(path, first.names, spec.columns ?? {});
  return {
    path,
    columns: fields.map(({ name }) => name),
    batches: () => batchesOf(path, files, fields, spec.rows),
  };
}

interface Field {
  readonly name: string;
  readonly column: string;
}

/** Every file is read to its end, for its errors and its digest. */
async function* batchesOf(
  all: string,
  files: readonly OpenFile[],
  fields: readonly Field[],
  range: RowRange = {},
): AsyncGenerator<Batch, FilesRead> {
  const { from = 0, to = Number.POSITIVE_INFINITY } = range;
  const result: FilesRead = { files: [], trimmed: 0, looseQuotes: [] };
  let total = 0;
  for (const { path, format, header, names } of files) {
    const places = fields.map(({ column }) => names.indexOf(column));
    const firstRow = total;
    const reading = recordsOf(path, format, header);
    try {
      let read = await reading.next();
      for (; !read.done; read = await reading.next()) {
        const records = read.value;
        const begin = Math.max(0, from - total);
        const values = records.slice(begin, Math.max(0, to - total)).map((record) =>
          places.map((place) => {
            const value = record[place] as string;
            const bare = value.trim();
            if (bare.length < value.length) result.trimmed++;
            return bare;
          }),
        );
        const start = total + begin;
        total += records.length;
        if (values.length > 0) yield { path, firstRow, values, rowNumbers: values.map((_, i) => start + i) };
      }
      const { looseQuotes, ...record } = read.value;
      result.files.push(record);
      for (const line of looseQuotes) result.looseQuotes.push({ path, line });
    } finally {
      await reading.return({ path, sha256: "", bytes: 0, rows: 0, looseQuotes: [] });
    }
    if (total === firstRow)
      throw new TagllmError(
        "data/empty",
        `${path} has a header and no rows.`,
        "Name a file that holds rows.",
      );
  }
  requireRange(all, total, range);
  return result;
}

/** The names in the header; a column without a name is called column1, column2, ... by its place. */
function columnNames(path: string, header: readonly string[]): string[] {
  const names = header.map((name, i) => name.trim() || `column${i + 1}`);
  refuseDuplicates(names, `The header of ${path} names`, "Rename one of them in the file.");
  return names;
}

function requireSameColumns(first: OpenFile, other: OpenFile): void {
  const lacking = first.names.find((name) => !other.names.includes(name));
  const surplus = other.names.find((name) => !first.names.includes(name));
  if (lacking === undefined && surplus === undefined) return;
  const what =
    lacking === undefined ? `has a column ${quote(surplus ?? "")}` : `has no column ${quote(lacking)}`;
  throw new TagllmError(
    "data/files",
    `${other.path} ${what}, unlike ${first.path}.`,
    "Files of one source have the same columns; make it a source of its own, or join it.",
  );
}

function fieldsOf(path: string, names: readonly string[], renamed: Record<string, string>): Field[] {
  const sources = Object.entries(renamed);
  for (const [field, column] of sources) {
    if (names.includes(column)) continue;
    throw new TagllmError(
      "data/column",
      `${path} has no column ${quote(column)} (wanted for the field ${quote(field)}).`,
      didYouMean(column, names, "columns"),
    );
  }
  const taken = new Set(sources.map(([, column]) => column));
  const fields = [
    ...sources.map(([name, column]) => ({ name, column })),
    ...names.filter((name) => !taken.has(name)).map((name) => ({ name, column: name })),
  ];
  const start = `With these columns, the rows of ${path} have`;
  refuseDuplicates(
    fields.map(({ name }) => name),
    start,
    "Give the other column a new name too.",
  );
  return fields;
}

/** Errors: data/duplicate-column. */
export function refuseDuplicates(names: readonly string[], start: string, cure: string): void {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new TagllmError("data/duplicate-column", `${start} ${quote(twice)} twice.`, cure);
}

function requireRange(path: string, total: number, { from = 0, to = total }: RowRange): void {
  if (Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= total) return;
  throw new TagllmError(
    "data/rows",
    `Rows [${from}, ${to}) cannot be taken from the ${total} data rows of ${path}.`,
    `Use whole numbers with 0 <= from < to <= ${total}.`,
  );
}
