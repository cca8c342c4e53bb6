/** Parquet -> records of text, in the order of the file, a few thousand rows in memory at a time. */
import type { DuckDBDataChunk } from "@duckdb/node-api";
import { TagllmError } from "../errors.ts";
import { type Database, identifier, literal, openDatabase, reasonOf } from "./duckdb.ts";
import { requireFile } from "./file.ts";

/** As SQL. DuckDB would take columns from the names of folders such as x=1, and put them over the file's own. */
const rowsOf = (file: string): string => `read_parquet(${file}, hive_partitioning = false)`;

/** Names of the columns. Errors: data/missing, ..., data/parquet, data/duckdb. */
export function parquetHeader(path: string): Promise<string[]> {
  return withFile(path, async ({ connection }, file) => {
    const found = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${rowsOf(file)}`);
    return found.getRows().map(([name]) => String(name));
  });
}

/**
 * Values as DuckDB writes them: null is empty text, lists and records are JSON, times are UTC.
 * Errors: as `parquetHeader`.
 */
export async function* parquetRecords(path: string, header: readonly string[]): AsyncGenerator<string[][]> {
  const { database, file } = await openFile(path);
  try {
    const sizes = await attempt(path, () =>
      database.connection.runAndReadAll(`SELECT sum(num_rows)::DOUBLE FROM parquet_file_metadata(${file})`),
    );
    const total = sizes.getRows()[0]?.[0] as number;
    const values = (await columnTypes(database, file, header)).map(asText);
    const stream = await attempt(path, () =>
      database.connection.stream(`SELECT ${values.join(", ")} FROM ${rowsOf(file)}`),
    );
    let rows = 0;
    for (;;) {
      const chunk = await attempt(path, () => stream.fetchChunk());
      if (!chunk || chunk.rowCount === 0) break;
      rows += chunk.rowCount;
      yield recordsOf(chunk);
    }
    // A stream that breaks off looks like one that ends.
    if (rows !== total) throw damaged(path, `it ends after ${rows} of ${total} rows`);
  } finally {
    database.close();
  }
}

function recordsOf(chunk: DuckDBDataChunk): string[][] {
  const columns = chunk.getColumns() as (string | null)[][];
  return Array.from({ length: chunk.rowCount }, (_, row) => columns.map((values) => values[row] ?? ""));
}

async function columnTypes(
  { connection }: Database,
  file: string,
  header: readonly string[],
): Promise<{ name: string; nested: boolean }[]> {
  const found = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${rowsOf(file)}`);
  const types = new Map(found.getRows().map(([name, type]) => [String(name), String(type)]));
  return header.map((name) => ({ name, nested: /^(STRUCT|MAP)|\]$/.test(types.get(name) ?? "") }));
}

const asText = ({ name, nested }: { name: string; nested: boolean }): string =>
  nested ? `to_json(${identifier(name)})::VARCHAR` : `${identifier(name)}::VARCHAR`;

async function withFile<T>(path: string, work: (database: Database, file: string) => Promise<T>): Promise<T> {
  const { database, file } = await openFile(path);
  try {
    return await attempt(path, () => work(database, file));
  } finally {
    database.close();
  }
}

/** `file` is the path as DuckDB must be told it: there *, ? and [ are patterns. */
async function openFile(path: string): Promise<{ database: Database; file: string }> {
  await requireFile(path);
  const pattern = path.replace(/[*?[]/g, "[$&]");
  return { database: await openDatabase({ files: [...new Set([path, pattern])] }), file: literal(pattern) };
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof TagllmError
      ? cause
      : damaged(path, reasonOf(cause).replace(` '${path}'`, ""), cause);
  }
}

function damaged(path: string, reason: string, cause?: unknown): TagllmError {
  return new TagllmError(
    "data/parquet",
    `${path} cannot be read as Parquet: ${reason}.`,
    "Write the file again, or set the format if it is another.",
    { cause },
  );
}
