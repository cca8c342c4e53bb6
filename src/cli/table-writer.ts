/** Rows as they come, as CSV, TSV or JSON lines: into a text, or into a file that appears when it is whole. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import { temporaryName } from "../replace-file.ts";
import { quote } from "../suggest.ts";

export type Cell = string | number | boolean | null;
export type TableFormat = "csv" | "tsv" | "jsonl";

const formats: Record<string, TableFormat> = {
  ".csv": "csv",
  ".tsv": "tsv",
  ".tab": "tsv",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
};

/** @throws predict/write */
export function tableFormat(file: string): TableFormat {
  const format = formats[extname(file).toLowerCase()];
  if (format) return format;
  const problem = `${file} ends in ${quote(extname(file))}, which is no table that can be written.`;
  throw new TagllmError("predict/write", problem, `Use one of ${Object.keys(formats).join(", ")}.`);
}

/** A row as a line of its format; all rows have the same columns. */
export function tableLine(format: TableFormat, cells: readonly Cell[], columns: readonly string[]): string {
  if (format === "jsonl")
    return `${JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, cells[i] ?? null])))}\n`;
  const delimiter = format === "csv" ? "," : "\t";
  return `${cells.map((c) => quoted(c === null ? "" : String(c), delimiter)).join(delimiter)}\n`;
}

/** RFC 4180; src/data reads such files back as they were. */
function quoted(value: string, delimiter: string): string {
  const special = value.includes(delimiter) || /["\r\n]|^\s|\s$/.test(value);
  return special ? `"${value.replaceAll('"', '""')}"` : value;
}

export interface TableSink {
  write(text: string): Promise<void>;
  /** The text, or null when it went to a file. */
  finish(): Promise<string | null>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

export function textSink(): TableSink {
  const parts: string[] = [];
  return {
    write: async (text) => {
      parts.push(text);
    },
    finish: async () => parts.join(""),
    abandon: async () => {},
  };
}

/** @throws predict/write */
export async function fileSink(file: string): Promise<TableSink> {
  const temporary = join(dirname(resolve(file)), temporaryName(basename(file)));
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      await rm(temporary, { force: true });
      const { code, message } = cause as NodeJS.ErrnoException;
      const problem = `${file} cannot be written (${code ?? message}).`;
      throw new TagllmError("predict/write", problem, "Check the path, your rights to it and the space.", {
        cause,
      });
    }
  };
  const handle: FileHandle = await guarded(() => open(temporary, "wx"));
  return {
    write: (text) => guarded(async () => void (await handle.writeFile(text))),
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
