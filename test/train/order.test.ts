/** The order of examples: every epoch has its own, whatever the seed, and seeds keep the orders that they had. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { batches, permutation } from "../../src/train/order.ts";

/** The first orders of a seed, an epoch each. */
function epochs(seed: number, count = 6): number[][] {
  const drawn = batches(50, 50, seed);
  return Array.from({ length: count }, () => [...(drawn.next().value as Int32Array)]);
}

test("a seed whose product is exact has the orders of that product", () => {
  for (const seed of [0, 1, 7, 4294, 2 ** 31, 2 ** 32 + 1, 9_000_000_000])
    assert.deepEqual(
      epochs(seed),
      epochs(seed).map((_, epoch) => [...permutation(50, seed * 1_000_003 + epoch)]),
      String(seed),
    );
});

test("epochs of a large seed differ", () => {
  for (const seed of [1_764_288_000_000, Number.MAX_SAFE_INTEGER]) {
    const orders = epochs(seed).map((order) => order.join());
    assert.equal(new Set(orders).size, orders.length, String(seed));
  }
});
