/** What a table's columns are taken for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Table } from "../../src/data/source.ts";
import { viewColumns } from "../../src/learn/columns.ts";

test("values that are missing say nothing of what a column holds", () => {
  const column = (...values: string[]) => {
    const [view] = viewColumns({ columns: ["x"], rows: values.map((x) => ({ x })) } as unknown as Table);
    return [view?.kind, view?.empty, view?.distinct];
  };
  assert.deepEqual(column("0", "1", "NA", "1", "", "n/a"), ["number", 3, 2]);
  assert.deepEqual(column("1.5", "None", "2"), ["number", 0, 3]);
  assert.deepEqual(column("None", "low", "high", "NA"), ["text", 1, 3]);
  assert.deepEqual(column("NA", ""), ["empty", 2, 0]);
  assert.deepEqual(column("None", "None"), ["text", 0, 1]);
});
