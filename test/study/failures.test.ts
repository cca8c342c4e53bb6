/** Failing rows are collected in time that grows as they do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Failures } from "../../src/study/evaluation.ts";

test("many failing rows, by reason and in order", () => {
  const failures = new Failures();
  const rows = 300_000;
  for (let row = rows; row-- > 0; ) failures.add(row % 2 ? "odd" : "even", row);
  const [odd, even] = failures.list();
  assert.equal(odd?.reason, "odd");
  assert.equal(odd?.rows.length, rows / 2);
  assert.deepEqual(even?.rows.slice(0, 3), [0, 2, 4]);
});
