/** Numbers of metrics as people read them, in whatever unit the target has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { meanText, metricText } from "../../src/evaluate/metric-names.ts";

test("three decimals, or three digits where decimals say nothing", () => {
  for (const [value, text] of [
    [0, "0.000"],
    [0.6374, "0.637"],
    [-0.006, "-0.006"],
    [0.00012, "0.000120"],
    [-3.2e-9, "-3.20e-9"],
    [123456.7891, "123456.789"],
    [2.5e9, "2.50e+9"],
  ] as const)
    assert.equal(metricText(value), text);
  assert.equal(meanText(1.2451, 0.0204), "1.245 ± 0.020");
  assert.equal(meanText(1.2451, 0), "1.245 ± 0.000");
  assert.equal(meanText(3.21e-8, 4.4e-10), "3.21e-8 ± 4.4e-10");
});
