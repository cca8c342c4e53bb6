/** Metrics equal numpy's numbers, and are NaN where they are not defined. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concordanceIndex, pearson, r2, regressionMetrics, spearman } from "../../src/evaluate/metrics.ts";
import { assertClose, goldens } from "./golden.ts";

const f64 = (values: readonly number[]) => Float64Array.from(values);

test("all metrics equal numpy's, scipy's and scikit-learn's, ties included", () => {
  const { targets, predictions, expected, libraries } = goldens.metrics;
  const found = regressionMetrics(f64(targets), f64(predictions));
  assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort());
  for (const [name, value] of Object.entries(found)) {
    assertClose([value], [expected[name]!], 1e-13, name);
    if (name in libraries) assertClose([value], [libraries[name]!], 1e-13, name);
  }
});

test("known values", () => {
  const y = f64([1, 2, 3, 4]);
  assert.deepEqual(regressionMetrics(y, y), {
    rows: 4,
    mse: 0,
    rmse: 0,
    mae: 0,
    r2: 1,
    pearson: 1,
    spearman: 1,
    ci: 1,
  });
  assert.equal(concordanceIndex(y, f64([4, 3, 2, 1])), 0);
  assert.equal(concordanceIndex(y, f64([7, 7, 7, 7])), 0.5);
  assert.equal(concordanceIndex(f64([1, 1, 2]), f64([5, 6, 5])), 0.25);
  assert.equal(r2(y, f64([2.5, 2.5, 2.5, 2.5])), 0);
  assert.equal(r2(y, f64([4, 3, 2, 1])), -3);
  assert.equal(pearson(y, f64([-1, -2, -3, -4])), -1);
  assert.equal(spearman(y, f64([1, 10, 100, 1000])), 1);
});

test("what is not defined is NaN", () => {
  const metrics = (y: number[], p: number[]) => {
    const { rows: _, ...rest } = regressionMetrics(f64(y), f64(p));
    return Object.entries(rest).flatMap(([name, value]) => (Number.isNaN(value) ? [name] : []));
  };
  assert.deepEqual(metrics([], []), ["mse", "rmse", "mae", "r2", "pearson", "spearman", "ci"]);
  assert.deepEqual(metrics([1], [2]), ["r2", "pearson", "spearman", "ci"]);
  assert.deepEqual(metrics([0.1, 0.1, 0.1], [1, 2, 3]), ["r2", "pearson", "spearman", "ci"]);
  assert.deepEqual(metrics([1, 2, 3], [0.7, 0.7, 0.7]), ["pearson", "spearman"]);
  assert.deepEqual(metrics([1, 2, Number.NaN], [1, 2, 3]), [
    "mse",
    "rmse",
    "mae",
    "r2",
    "pearson",
    "spearman",
    "ci",
  ]);
});

test("property: correlations do not change with scale and offset, ranks not with any increasing map", () => {
  const values = fc.array(fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -50, max: 50 })), {
    minLength: 2,
    maxLength: 40,
  });
  fc.assert(
    fc.property(values, (pairs) => {
      const [a, b] = [f64(pairs.map(([x]) => x)), f64(pairs.map(([, y]) => y))];
      const r = pearson(a, b);
      const rho = spearman(a, b);
      fc.pre(!Number.isNaN(r));
      assertClose(
        [
          pearson(
            a.map((x) => 3 * x - 7),
            b,
          ),
        ],
        [r],
        1e-9 / Math.max(Math.abs(r), 1e-6),
      );
      assert.equal(
        spearman(
          a.map((x) => x ** 3),
          b,
        ),
        rho,
      );
      assert.equal(pearson(b, a), r);
    }),
  );
});
