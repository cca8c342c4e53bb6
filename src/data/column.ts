/** The one check that a field asked of a table is there. */
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";
import type { Table } from "./source.ts";

/** Errors: data/column. */
export function requireColumns(table: Table, columns: readonly string[]): void {
  for (const column of columns) {
    if (table.columns.includes(column)) continue;
    throw new TagllmError(
      "data/column",
      `${table.files[0]?.path ?? "The table"} has no column ${quote(column)}.`,
      didYouMean(column, table.columns, "columns"),
    );
  }
}
