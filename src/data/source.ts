/**
 * A data file -> a table of text: the rows that the stages of a study draw from.
 * Values stay text ("007", "NaN" and "1e5" survive); numbers.ts turns a column into numbers where one is
 * needed. It does not filter, join or shuffle.
 */
import { extname, resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";
import { type Records, readCsv } from "./csv.ts";
import { type DataFile, type FileRecord, readDataFile } from "./file.ts";
import { readJsonLines, readTextLines } from "./lines.ts";

export const dataFormats = ["csv", "tsv", "jsonl", "text"] as const;
export type DataFormat = (typeof dataFormats)[number];

export interface RowRange {
  from?: number | undefined;
  to?: number | undefined;
}

export interface SourceSpec {
  /** Path of the file, relative to the working folder or absolute. */
  file: string;
  /** By default what the extension says: .csv, .tsv and .tab, .jsonl and .ndjson, .txt. */
  format?: DataFormat | undefined;
  /** Data rows [from, to), 0-based; the header and blank lines are not data rows. */
  rows?: RowRange | undefined;
  /** Fields by another name: { field: column of the file }. Columns not named here keep their own name. */
  columns?: Record<string, string> | undefined;
}

export interface Table {
  columns: string[];
  rows: Record<string, string>[];
  /** For every row its 0-based data row in the file. */
  rowNumbers: Int32Array;
  /** How many values had blanks around them, which were cut off. */
  trimmed: number;
  /** Lines with a value that starts with a closed quote and goes on (`"a" b`); it is kept as written. */
  looseQuotes: number[];
  files: FileRecord[];
}

/**
 * Reads a file into memory, in the order of the file.
 * Errors: data/missing, data/not-a-file, data/unreadable, data/too-large, data/empty, data/binary, data/format,
 * data/ragged, data/quote, data/json, data/column, data/duplicate-column, data/rows.
 */
export async function readRows(source: SourceSpec): Promise<Table> {
  const path = resolve(source.file);
  const format = source.format ?? formatOf(path);
  const file = await readDataFile(path);
  const records = readRecords(file, format);
  const header = columnNames(path, records.header);
  const fields = fieldsOf(path, header, source.columns ?? {});
  if (records.rows.length === 0) {
    throw new TagllmError("data/empty", `${path} has a header and no rows.`, "Name a file that holds rows.");
  }
  const { from, to } = rowRange(path, records.rows.length, source.rows ?? {});

  let trimmed = 0;
  const rows = records.rows.slice(from, to).map((values) =>
    Object.fromEntries(
      fields.map(({ name, index }) => {
        const value = values[index]!;
        const bare = value.trim();
        if (bare.length < value.length) trimmed++;
        return [name, bare];
      }),
    ),
  );
  const { sha256, bytes } = file;
  return {
    columns: fields.map(({ name }) => name),
    rows,
    rowNumbers: Int32Array.from(rows, (_, i) => from + i),
    trimmed,
    looseQuotes: records.looseQuotes,
    files: [{ path, sha256, bytes }],
  };
}

const extensions: Record<string, DataFormat> = {
  ".csv": "csv",
  ".tsv": "tsv",
  ".tab": "tsv",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".txt": "text",
};

function formatOf(path: string): DataFormat {
  const extension = extname(path).toLowerCase();
  const format = Object.hasOwn(extensions, extension) ? extensions[extension] : undefined;
  if (format !== undefined) return format;
  throw new TagllmError(
    "data/format",
    `The format of ${path} cannot be told from its extension ${quote(extension)}.`,
    `Set format to one of ${dataFormats.join(", ")}, or use one of ${Object.keys(extensions).join(", ")}.`,
  );
}

function readRecords(file: DataFile, format: DataFormat): Records {
  switch (format) {
    case "csv":
      return readCsv(file, ",");
    case "tsv":
      return readCsv(file, "\t");
    case "jsonl":
      return readJsonLines(file);
    case "text":
      return readTextLines(file);
  }
}

/** The names in the header; a column without a name is called column1, column2, ... by its place. */
function columnNames(path: string, header: string[]): string[] {
  const names = header.map((name, i) => name.trim() || `column${i + 1}`);
  refuseDuplicates(names, `The header of ${path} names`, "Rename one of them in the file.");
  return names;
}

function fieldsOf(
  path: string,
  header: string[],
  renamed: Record<string, string>,
): { name: string; index: number }[] {
  const sources = Object.entries(renamed);
  for (const [field, column] of sources) {
    if (header.includes(column)) continue;
    throw new TagllmError(
      "data/column",
      `${path} has no column ${quote(column)} (wanted for the field ${quote(field)}).`,
      didYouMean(column, header, "columns"),
    );
  }
  const taken = new Set(sources.map(([, column]) => column));
  const kept = header.filter((name) => !taken.has(name)).map((name) => [name, name] as const);
  const fields = [...sources, ...kept];
  refuseDuplicates(
    fields.map(([name]) => name),
    `With these columns, the rows of ${path} have`,
    "Give the other column a new name too.",
  );
  return fields.map(([name, column]) => ({ name, index: header.indexOf(column) }));
}

function refuseDuplicates(names: string[], start: string, cure: string): void {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    throw new TagllmError("data/duplicate-column", `${start} ${quote(twice)} twice.`, cure);
  }
}

function rowRange(path: string, total: number, wanted: RowRange): { from: number; to: number } {
  const { from = 0, to = total } = wanted;
  if (Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= total)
    return { from, to };
  throw new TagllmError(
    "data/rows",
    `Rows [${from}, ${to}) cannot be taken from the ${total} data rows of ${path}.`,
    `Use whole numbers with 0 <= from < to <= ${total}.`,
  );
}
