/** Rows as they come, as CSV, TSV, JSON lines or Parquet: into a text, or into a file that appears when it is whole. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { reasonOf } from "../data/duckdb.ts";
import {
  type Cell,
  openParquetWriter,
  type ParquetWriter,
  type WrittenColumn,
} from "../data/parquet-writer.ts";
import { TagllmError } from "../errors.ts";
import { temporaryName } from "../replace-file.ts";
import { quote } from "../suggest.ts";

export type TextFormat = "csv" | "tsv" | "jsonl";
export type TableFormat = TextFormat | "parquet";

const formats: Record<string, TableFormat> = {
  ".csv": "csv",
  ".tsv": "tsv",
  ".tab": "tsv",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".parquet": "parquet",
};

/** @throws predict/write */
export function tableFormat(file: string): TableFormat {
  const format = formats[extname(file).toLowerCase()];
  if (format) return format;
  const problem = `${file} ends in ${quote(extname(file))}, which is no table that can be written.`;
  throw new TagllmError("predict/write", problem, `Use one of ${Object.keys(formats).join(", ")}.`);
}

export interface TableSink {
  /** Before any row. */
  begin(columns: readonly WrittenColumn[]): Promise<void>;
  write(rows: readonly (readonly Cell[])[]): Promise<void>;
  /** The text, or null when it went to a file. */
  finish(): Promise<string | null>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

export function textSink(format: TextFormat): TableSink {
  const parts: string[] = [];
  let columns: readonly WrittenColumn[] = [];
  return {
    begin: async (wanted) => {
      columns = wanted;
      parts.push(headLine(format, columns));
    },
    write: async (rows) => {
      parts.push(lines(format, rows, columns));
    },
    finish: async () => parts.join(""),
    abandon: async () => {},
  };
}

/** @throws predict/write, data/duckdb */
export async function fileSink(file: string): Promise<TableSink> {
  const format = tableFormat(file);
  const folder = dirname(resolve(file));
  const temporary = join(folder, temporaryName(basename(file)));
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      await rm(temporary, { force: true });
      if (cause instanceof TagllmError) throw cause;
      const reason = (cause as NodeJS.ErrnoException).code ?? reasonOf(cause);
      const problem = `${file} cannot be written (${reason}).`;
      throw new TagllmError("predict/write", problem, "Check the path, your rights to it and the space.", {
        cause,
      });
    }
  };
  const handle = await guarded(() => open(temporary, "wx"));
  if (format !== "parquet") return intoText(file, temporary, format, handle, guarded);
  const scratch = join(folder, temporaryName(`${basename(file)}.rows`));
  const writer = await guarded(() => openParquetWriter(temporary, scratch)).finally(() => handle.close());
  return intoParquet(file, temporary, writer, guarded);
}

type Guard = <T>(work: () => Promise<T>) => Promise<T>;

function intoText(
  file: string,
  temporary: string,
  format: TextFormat,
  handle: FileHandle,
  guarded: Guard,
): TableSink {
  let columns: readonly WrittenColumn[] = [];
  return {
    begin: (wanted) => {
      columns = wanted;
      return guarded(async () => void (await handle.writeFile(headLine(format, columns))));
    },
    write: (rows) => guarded(async () => void (await handle.writeFile(lines(format, rows, columns)))),
    finish: () =>
      guarded(async () => {
        await handle.sync();
        await handle.close();
        await rename(temporary, file);
        return null;
      }),
    abandon: async () => {
      await handle.close();
      await rm(temporary, { force: true });
    },
  };
}

function intoParquet(file: string, temporary: string, writer: ParquetWriter, guarded: Guard): TableSink {
  return {
    begin: (columns) => guarded(() => writer.begin(columns)),
    write: (rows) => guarded(() => writer.write(rows)),
    finish: () =>
      guarded(async () => {
        await writer.finish();
        await writer.close();
        const handle = await open(temporary, "r+");
        await handle.sync().finally(() => handle.close());
        await rename(temporary, file);
        return null;
      }),
    abandon: async () => {
      await writer.close();
      await rm(temporary, { force: true });
    },
  };
}

const headLine = (format: TextFormat, columns: readonly WrittenColumn[]): string =>
  format === "jsonl"
    ? ""
    : tableLine(
        format,
        columns.map(({ name }) => name),
        columns,
      );

const lines = (
  format: TextFormat,
  rows: readonly (readonly Cell[])[],
  columns: readonly WrittenColumn[],
): string => rows.map((cells) => tableLine(format, cells, columns)).join("");

/** A row as a line of its format; all rows have the same columns. */
function tableLine(format: TextFormat, cells: readonly Cell[], columns: readonly WrittenColumn[]): string {
  if (format === "jsonl")
    return `${JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, cells[i] ?? null])))}\n`;
  const delimiter = format === "csv" ? "," : "\t";
  return `${cells.map((c) => quoted(c === null ? "" : String(c), delimiter)).join(delimiter)}\n`;
}

/** RFC 4180; src/data reads such files back as they were. */
function quoted(value: string, delimiter: string): string {
  const special = value.includes(delimiter) || /["\r\n]|^\s|\s$/.test(value);
  return special ? `"${value.replaceAll('"', '""')}"` : value;
}
