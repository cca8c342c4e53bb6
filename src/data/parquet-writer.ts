/**
 * Rows as they come -> a Parquet file, in their order. DuckDB keeps them in a database file beside it meanwhile,
 * since it writes Parquet from a whole table; memory stays flat.
 */
import { rm } from "node:fs/promises";
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { type Database, identifier, literal, openDatabase } from "./duckdb.ts";

export interface WrittenColumn {
  readonly name: string;
  readonly type: "text" | "number" | "boolean";
}

export type Cell = string | number | boolean | null;

const types = { text: "VARCHAR", number: "DOUBLE", boolean: "BOOLEAN" } as const;

/** Rows that DuckDB takes at once. */
const chunkRows = 2048;

export interface ParquetWriter {
  begin(columns: readonly WrittenColumn[]): Promise<void>;
  write(rows: readonly (readonly Cell[])[]): Promise<void>;
  /** The file is whole after it. */
  finish(): Promise<void>;
  /** Leaves nothing but the file, if that was finished. */
  close(): Promise<void>;
}

/** `scratch` is a path for the database. Throws what DuckDB throws. */
export async function openParquetWriter(file: string, scratch: string): Promise<ParquetWriter> {
  const database = await openDatabase({ path: scratch, files: [file] });
  const { connection } = database;
  let columns: readonly WrittenColumn[] = [];
  let open = true;
  return {
    async begin(wanted) {
      requireDistinct(wanted);
      columns = wanted;
      const fields = columns.map(({ name, type }) => `${identifier(name)} ${types[type]}`);
      await connection.run(`CREATE TABLE rows (${fields.join(", ")})`);
    },
    async write(rows) {
      for (let at = 0; at < rows.length; at += chunkRows)
        await append(database, columns, rows.slice(at, at + chunkRows));
    },
    async finish() {
      await connection.run(
        `COPY rows TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
      );
    },
    async close() {
      if (open) database.close();
      open = false;
      for (const path of [scratch, `${scratch}.wal`]) await rm(path, { force: true });
    },
  };
}

/** DuckDB takes no notice of capitals in names. */
function requireDistinct(columns: readonly WrittenColumn[]): void {
  const first = new Map<string, string>();
  for (const { name } of columns) {
    const other = first.get(name.toLowerCase());
    if (other !== undefined) {
      const problem = `A Parquet file cannot be written with both columns ${quote(other)} and ${quote(name)}.`;
      const cure = "Rename one of them, or write CSV or JSON Lines.";
      throw new TagllmError("data/duplicate-column", problem, cure);
    }
    first.set(name.toLowerCase(), name);
  }
}

async function append(
  { duckdb, connection }: Database,
  columns: readonly WrittenColumn[],
  rows: readonly (readonly Cell[])[],
): Promise<void> {
  const chunk = duckdb.DuckDBDataChunk.create(
    columns.map(({ type }) => duckdb[types[type]]),
    rows.length,
  );
  columns.forEach((_, c) => {
    chunk.setColumnValues(
      c,
      rows.map((row) => row[c] ?? null),
    );
  });
  const appender = await connection.createAppender("rows");
  appender.appendDataChunk(chunk);
  appender.closeSync();
}
