/** Which texts are numbers, and why the others are not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNumber, targets } from "../../src/data/numbers.ts";
import { readRows } from "../../src/data/source.ts";
import fc from "../support/properties.ts";
import { file } from "./folder.ts";

test("decimal numbers in all spellings", () => {
  const good = { "1.5": 1.5, "-2e-3": -0.002, "+.5": 0.5, "007": 7, "3.": 3, " 4 ": 4, "1E5": 1e5, "-0": -0 };
  for (const [text, value] of Object.entries(good))
    assert.deepEqual(parseNumber(text), { value, fault: null }, text);
});

test("zeros are numbers, and so is what is barely larger", () => {
  for (const text of ["0", "-0.00", ".0e-400", "0e5"])
    assert.equal(parseNumber(text).value, Number(text), text);
  assert.equal(parseNumber("5e-324").value, Number.MIN_VALUE);
});

test("everything else has a fault", () => {
  const bad = {
    empty: ["", "  ", "\t"],
    infinite: ["inf", "-Infinity", "1e999", "-1e400"],
    "too small": ["1e-400", "-.5E-324", `0.${"0".repeat(330)}1`, "10.0e-0400"],
    NaN: ["NaN", "nan", "-nan"],
    missing: ["NA", "n/a", "null", "None"],
    "not a number": ["-", ".", "1,5", "1 000", "0x10", "1e", "5 mg", "--1", "1_0", "１", "nana", ">5"],
  };
  for (const [fault, texts] of Object.entries(bad)) {
    for (const text of texts) assert.deepEqual(parseNumber(text), { value: null, fault }, text);
  }
});

test("property: what JavaScript prints for a finite number is read back exactly", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.equal(parseNumber(JSON.stringify(value)).value, value + 0);
    }),
  );
});

test("targets: values and faults by row", async () => {
  const table = await readRows({
    file: file("targets.csv", "x,y\na,1\nb,\nc,n/a\nd,-2\ne,inf\nf,NaN\ng,1e-400\n"),
  });
  const { values, indices, faults } = targets(table, "y");
  assert.deepEqual([...values], [1, -2]);
  assert.deepEqual([...indices], [0, 3]);
  assert.deepEqual(faults, {
    empty: [1],
    missing: [2],
    NaN: [5],
    "not a number": [],
    infinite: [4],
    "too small": [6],
  });
  assert.throws(() => targets(table, "Y"), { code: "data/column" });
});
