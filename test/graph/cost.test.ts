/** What a graph takes, against counts by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { peakBytes, productFlops } from "../../src/graph/cost.ts";
import { Graph } from "../../src/graph/graph.ts";

test("products are counted, and the results that are needed at one time", () => {
  const g = new Graph();
  const x = g.input("x", "f32", [4, 8]);
  const h = g.one("Gemm", [x, g.weight("w", [16, 8])], { transB: 1 });
  const flat = g.one("Reshape", [h], { shape: [64] });
  const gate = g.one("Sigmoid", [flat]);
  const gated = g.one("Mul", [flat, gate]);
  g.one("Exp", [gated]); // nobody needs it
  const back = g.one("Reshape", [gated], { shape: [4, 16] });
  g.output("y", g.one("Gemm", [back, g.weight("v", [2, 16])], { transB: 1 }));
  assert.equal(productFlops(g), 2 * 4 * 8 * 16 + 2 * 4 * 16 * 2);
  // At Mul: h, which the reshaped one is, the gate and their product.
  assert.equal(peakBytes(g), 3 * 64 * 4);
});

test("what is an output stays to the end", () => {
  const g = new Graph();
  const x = g.input("x", "f32", [10]);
  const a = g.one("Exp", [x]);
  g.output("a", a);
  g.output("c", g.one("Exp", [g.one("Neg", [g.one("Neg", [a])])]));
  assert.equal(peakBytes(g), 3 * 10 * 4);
});
