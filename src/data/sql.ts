/**
 * `where` and `select` of a source: SQL expressions over one row, run by DuckDB batch by batch, so that a table of
 * any size streams and its order stays. An expression may use columns, constants and functions that give the same
 * for the same row; it cannot hold a statement, a query, a file or a setting, and DuckDB is locked down besides.
 */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { type Database, identifier, openDatabase, reasonOf } from "./duckdb.ts";
import { type Expression, requireExpression, sqlError } from "./expression.ts";
import { type Batch, placeIn, type Step } from "./step.ts";

export interface QuerySpec {
  /** Rows to keep: a SQL expression that is true for them. All columns are text. */
  where?: string | undefined;
  /** The fields of a row: { field: SQL expression }; columns that are not named are left out. */
  select?: Record<string, string> | undefined;
}

/** Rows that DuckDB is given at once. */
const chunkRows = 2048;

/** `columns` are those of the rows in `path`. Errors: data/sql, data/duplicate-column, data/duckdb. */
export async function openQuery(spec: QuerySpec, path: string, columns: readonly string[]): Promise<Step> {
  refuseSameInSql(path, columns);
  const database = await openDatabase();
  try {
    const index = freeName(columns);
    const types = columns.map((name) => `${identifier(name)} VARCHAR`);
    await database.connection.run(`CREATE TABLE batch (${identifier(index)} INTEGER, ${types.join(", ")})`);
    const fields: Expression[] = Object.entries(spec.select ?? {}).map(([field, sql]) => ({
      what: `select.${field}`,
      sql,
    }));
    const where = spec.where === undefined ? null : { what: "where", sql: spec.where };
    for (const expression of fields) await requireExpression(database, expression, columns);
    if (where) await requireExpression(database, where, columns, "BOOLEAN");
    const values = spec.select === undefined ? columns.map(identifier) : fields.map(({ sql }) => asText(sql));
    const row = identifier(index);
    // Planned anew for every batch: a prepared plan keeps what it knew of the values of the first.
    const query = `SELECT ${[row, ...values].join(", ")} FROM batch ${where ? `WHERE (\n${where.sql}\n)` : ""} ORDER BY ${row}`;
    return {
      columns: spec.select === undefined ? columns : fields.map(({ what }) => what.slice("select.".length)),
      dropped: [],
      async apply(batch) {
        const kept: Pick<Batch, "values" | "rowNumbers"> = { values: [], rowNumbers: [] };
        for (let at = 0; at < batch.values.length; at += chunkRows) {
          const part: Batch = {
            ...batch,
            values: batch.values.slice(at, at + chunkRows),
            rowNumbers: batch.rowNumbers.slice(at, at + chunkRows),
          };
          await fill(database, part.values, columns.length);
          try {
            const result = await database.connection.runAndReadAll(query);
            for (const [i, ...found] of result.getRows() as [number, ...(string | null)[]][]) {
              kept.values.push(found.map((v) => (v ?? "").trim()));
              kept.rowNumbers.push(part.rowNumbers[i] as number);
            }
          } catch (cause) {
            throw await failureIn(database, part, [...(where ? [where] : []), ...fields], row, cause);
          }
        }
        return { ...batch, ...kept };
      },
      close: () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** New lines: a comment at the end of an expression must not swallow what follows. */
const asText = (sql: string): string => `CAST((\n${sql}\n) AS VARCHAR)`;

async function fill(
  { duckdb, connection }: Database,
  rows: readonly string[][],
  width: number,
): Promise<void> {
  await connection.run("TRUNCATE batch");
  const { DuckDBDataChunk, INTEGER, VARCHAR } = duckdb;
  const chunk = DuckDBDataChunk.create([INTEGER, ...new Array(width).fill(VARCHAR)], rows.length);
  chunk.setColumnValues(
    0,
    rows.map((_, i) => i),
  );
  for (let c = 0; c < width; c++) {
    chunk.setColumnValues(
      c + 1,
      rows.map((values) => values[c] as string),
    );
  }
  const appender = await connection.createAppender("batch");
  appender.appendDataChunk(chunk);
  appender.closeSync();
}

/** The expression and the first row at which DuckDB stops: the smallest number of rows that fails ends with it. */
async function failureIn(
  { connection }: Database,
  batch: Batch,
  expressions: readonly Expression[],
  row: string,
  cause: unknown,
): Promise<TagllmError> {
  const failure = async (sql: string, rows: number): Promise<unknown> =>
    connection.runAndReadAll(`SELECT ${asText(sql)} FROM batch WHERE ${row} < ${rows}`).then(
      () => null,
      (error: unknown) => error,
    );
  for (const { what, sql } of expressions) {
    if ((await failure(sql, batch.values.length)) === null) continue;
    let [good, bad] = [0, batch.values.length];
    while (bad - good > 1) {
      const middle = (good + bad) >> 1;
      if ((await failure(sql, middle)) === null) good = middle;
      else bad = middle;
    }
    const reason = reasonOf(await failure(sql, bad));
    return sqlError(`${placeIn(batch, bad - 1)}: ${what}: ${quote(sql)} fails: ${reason}.`, reason, cause);
  }
  const reason = reasonOf(cause);
  return sqlError(
    `${placeIn(batch, 0)} and those after it: where and select fail: ${reason}.`,
    reason,
    cause,
  );
}

function refuseSameInSql(path: string, columns: readonly string[]): void {
  const lower = columns.map((name) => name.toLowerCase());
  const at = lower.findIndex((name, i) => lower.indexOf(name) < i);
  if (at < 0) return;
  const before = columns[lower.indexOf(lower[at] as string)] as string;
  throw new TagllmError(
    "data/duplicate-column",
    `The columns ${quote(before)} and ${quote(columns[at] as string)} of ${path} are one name in SQL.`,
    "Give one of them another name with columns.",
  );
}

function freeName(columns: readonly string[]): string {
  let name = "row number";
  while (columns.some((c) => c.toLowerCase() === name)) name += "_";
  return name;
}
