/**
 * DuckDB, loaded when a file or an expression needs it (never for CSV alone), always locked down: no files but
 * the ones named here, no network, no extensions, no change of settings, one thread so that rows keep their order.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { TagllmError } from "../errors.ts";

export type DuckDbModule = typeof import("@duckdb/node-api");

export interface Database {
  readonly duckdb: DuckDbModule;
  readonly connection: DuckDBConnection;
  close(): void;
}

/** Errors: data/duckdb. */
export async function loadDuckDb(): Promise<DuckDbModule> {
  try {
    return await import("@duckdb/node-api");
  } catch (cause) {
    const reason = ((cause as Error).message ?? String(cause)).split("\n")[0];
    throw new TagllmError(
      "data/duckdb",
      `DuckDB's library for ${process.platform}/${process.arch} cannot be loaded: ${reason}`,
      "Install tagllm again on this machine; `tagllm doctor duckdb` checks it. Data in text form needs no DuckDB unless select or where is used.",
      { cause },
    );
  }
}

export interface DatabaseOptions {
  /** Files that may be read. */
  readonly files?: readonly string[];
  /** A database file to work in, instead of memory; it may also write `files`. */
  readonly path?: string;
}

const settings = {
  threads: "1",
  memory_limit: "1GB",
  temp_directory: "",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
  TimeZone: "UTC",
};

export async function openDatabase({
  files = [],
  path = ":memory:",
}: DatabaseOptions = {}): Promise<Database> {
  const duckdb = await loadDuckDb();
  const { TimeZone, ...atStart } = settings;
  const instance = await duckdb.DuckDBInstance.create(path, atStart);
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = ${literal(TimeZone)}`);
  if (files.length > 0) await connection.run(`SET allowed_paths = [${files.map(literal).join(", ")}]`);
  await connection.run("SET enable_external_access = false");
  await connection.run("SET lock_configuration = true");
  return {
    duckdb,
    connection,
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** The version of DuckDB, when it runs here. Errors: data/duckdb. */
export async function duckDbVersion(): Promise<string> {
  const { connection, close } = await openDatabase();
  try {
    return String((await connection.runAndReadAll("SELECT version()")).getRows()[0]?.[0]);
  } finally {
    close();
  }
}

/** A text as SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A name as SQL. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** DuckDB's own words, on one line and without the statement that we made around the user's. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [first = ""] = text.split(/\n\s*\n|\nLINE /);
  const plain = first.replace(/\s+/g, " ").trim();
  return plain.replace(/^(\w+ )+Error: /, "").replace(/\.$/, "");
}
