/** Equal inputs, contradictions and far values, against comparing all with all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalInputs, farValues, faultOf } from "../../src/data/quality.ts";
import fc from "../support/properties.ts";

test("the first fault of a row is named", () => {
  const needed = { inputs: ["a", "b"], numbers: ["y"], classes: [], texts: [] };
  const of = (a: string, b: string, y: string) => faultOf({ a, b, y }, needed);
  assert.equal(of("x", "x", "1"), null);
  assert.deepEqual(of("x", "", "z"), { field: "b", fault: "empty", of: "input" });
  assert.deepEqual(of("x", "x", ""), { field: "y", fault: "empty", of: "target" });
  assert.deepEqual(of("x", "x", "NA"), { field: "y", fault: "missing", of: "target" });
  assert.deepEqual(of("x", "x", "nan"), { field: "y", fault: "NaN", of: "target" });
  assert.deepEqual(of("x", "x", "-inf"), { field: "y", fault: "infinite", of: "target" });
  assert.deepEqual(of("x", "x", ">5"), { field: "y", fault: "not a number", of: "target" });
  const label = { inputs: ["a"], numbers: [], classes: [], texts: ["c"] };
  assert.deepEqual(faultOf({ a: "x", c: "" }, label), { field: "c", fault: "empty", of: "target" });
  assert.equal(faultOf({ a: "x", c: "NA" }, label), null);
  const classes = { ...label, classes: ["c"], texts: [] };
  for (const c of ["NA", "n/a", "null", "NaN"])
    assert.deepEqual(faultOf({ a: "x", c }, classes), { field: "c", fault: "missing", of: "target" });
  for (const c of ["None", "0", "nano"]) assert.equal(faultOf({ a: "x", c }, classes), null);
});

test("property: groups of equal inputs and whether they contradict, pair by pair", () => {
  const row = fc.record({
    key: fc.constantFrom("a", "b", "c", "d"),
    numbers: fc.tuple(fc.constantFrom(1, 1 + 1e-9, 2, -3), fc.constantFrom(0, 5)),
    label: fc.constantFrom(null, "x", "y"),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 12 }), (rows) => {
      const groups = equalInputs(rows);
      const differ = (i: number, j: number) =>
        rows[i]!.label !== rows[j]!.label ||
        rows[i]!.numbers.some(
          (n, k) =>
            Math.abs(n - rows[j]!.numbers[k]!) > 1e-6 * Math.max(Math.abs(n), Math.abs(rows[j]!.numbers[k]!)),
        );
      for (const [i, { key }] of rows.entries()) {
        const same = rows.flatMap((r, j) => (r.key === key ? [j] : []));
        const group = groups.find((g) => g.rows.includes(i));
        assert.deepEqual(group?.rows, same.length > 1 ? same : undefined);
        assert.equal(
          group?.conflict ?? false,
          same.some((a) => same.some((b) => differ(a, b))),
        );
      }
    }),
  );
});

test("far values: ten robust deviations, as numpy has them", () => {
  // numpy: x = [1, 2, 3, 4, 5, 30, -40, 18]; abs(x - median(x)) > 10 * 1.4826 * median(abs(x - median(x)))
  assert.deepEqual(farValues([1, 2, 3, 4, 5, 30, -40, 18]), [6]);
  assert.deepEqual(farValues([2, 2, 2, 2, 900]), []);
  assert.deepEqual(farValues([]), []);
});
