/**
 * CSV and TSV through DuckDB: every value as text, in the order of the file.
 * DuckDB runs locked: one thread, no extensions, no file but the one that is read. Nothing is guessed from the
 * content (no type, delimiter or header detection).
 */
import { TagllmError } from "../errors.ts";
import { checkCsv } from "./csv-check.ts";
import type { DataFile } from "./file.ts";

/** Records of a file as text, the header apart. Records with nothing in them are left out. */
export interface Records {
  header: string[];
  rows: string[][];
}

/**
 * Reads a whole file whose first record names the columns.
 * Errors: data/ragged, data/quote, data/line-ends, data/unreadable.
 */
export async function readCsv(file: DataFile, delimiter: "," | "\t"): Promise<Records> {
  const shape = checkCsv(file.path, file.content, delimiter.charCodeAt(0));
  if (shape.records === 0) return { header: [], rows: [] };
  const options = [
    "auto_detect = false",
    "header = false",
    `delim = ${literal(delimiter)}`,
    "quote = '\"'",
    "escape = '\"'",
    `new_line = ${literal(JSON.stringify(shape.newline).slice(1, -1))}`,
    `max_line_size = ${Math.max(shape.longest + 2, 2_000_000)}`,
    "compression = 'none'",
    "parallel = false",
    `columns = {${Array.from({ length: shape.columns }, (_, i) => `'c${i}': 'VARCHAR'`).join(", ")}}`,
  ];
  const records = await query(file.path, (path) => `SELECT * FROM read_csv(${path}, ${options.join(", ")})`);
  const expected = shape.records + (shape.columns === 1 ? shape.blankLines : 0);
  if (records.length !== expected) {
    throw unreadable(file.path, `DuckDB found ${records.length} records, a plain count ${expected}`);
  }
  const filled = shape.columns === 1 ? records.filter(([value]) => value !== "") : records;
  const [header = [], ...rows] = filled;
  return { header, rows };
}

async function query(path: string, sql: (pathLiteral: string) => string): Promise<string[][]> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
  const connection = await instance.connect();
  try {
    const pattern = withoutWildcards(path);
    await connection.run(`SET allowed_paths = [${literal(path)}, ${literal(pattern)}]`);
    await connection.run("SET enable_external_access = false");
    await connection.run("SET lock_configuration = true");
    const result = await connection.run(sql(literal(pattern)));
    const rows = await result.getRows();
    return rows.map((row) => row.map((value) => (value === null ? "" : String(value))));
  } catch (cause) {
    const [reason] = String((cause as Error).message).split("\nPossible");
    throw unreadable(path, reason!.slice(0, 300), cause);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** DuckDB takes `*`, `?` and `[` in a path for wildcards unless they stand in brackets. */
function withoutWildcards(path: string): string {
  return path.replace(/[*?[]/g, "[$&]");
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function unreadable(path: string, reason: string, cause?: unknown): TagllmError {
  return new TagllmError(
    "data/unreadable",
    `${path} cannot be read as a table: ${reason}.`,
    "Save it again as plain CSV (RFC 4180) or as JSON lines.",
    { cause },
  );
}
