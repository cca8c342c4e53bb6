/** Metrics equal numpy's numbers, and are NaN where they are not defined. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { classificationMetrics } from "../../src/evaluate/classification.ts";
import { metricInfo } from "../../src/evaluate/metric-names.ts";
import { concordanceIndex, pearson, r2, regressionMetrics, spearman } from "../../src/evaluate/metrics.ts";
import { classesOfRows, meanOfRows, numbersOfRows } from "../../src/evaluate/of-rows.ts";
import fc from "../support/properties.ts";
import { difference, goldens, metricCases } from "./golden.ts";

const f64 = (values: readonly number[]) => Float64Array.from(values);

test("every metric of every case equals numpy's, scipy's and scikit-learn's", () => {
  const cases = metricCases();
  for (const one of cases) {
    assert.ok(difference(one) < 1e-13, `${one.metric} of ${one.name}: ${one.found}, not ${one.expected}`);
  }
  // BLEU and chrF are compared with sacreBLEU in translation.test.ts.
  const shown = Object.keys(metricInfo).filter((metric) => !["bleu", "chrf"].includes(metric));
  assert.deepEqual([...new Set(cases.map((c) => c.metric))].sort(), ["rows", ...shown].sort());
  for (const metric of shown) assert.ok(cases.some((c) => c.metric === metric && c.expected > 0));
  assert.equal(difference({ metric: "r2", name: "", found: 0.5, expected: Number.NaN }), Infinity);
  assert.equal(difference({ metric: "r2", name: "", found: 3, expected: 2 }), 0.5);
});

test("property: of drawn rows they are what they are of a table of those rows", () => {
  const { targets, predictions } = goldens.metrics.ties!;
  const { truth, probabilities } = goldens.classification["five classes"]!;
  const numbers = numbersOfRows(f64(targets), f64(predictions));
  const classes = classesOfRows(Int32Array.from(truth), f64(probabilities));
  const drawn = fc.array(fc.integer({ min: 0, max: 29 }), { minLength: 2, maxLength: 40 });
  fc.assert(
    fc.property(drawn, (rows) => {
      const { rows: _n, ...table } = regressionMetrics(
        f64(rows.map((i) => targets[i]!)),
        f64(rows.map((i) => predictions[i]!)),
      );
      assert.deepEqual(numbers(Int32Array.from(rows)), table);
      const { rows: _c, ...classTable } = classificationMetrics(
        Int32Array.from(rows, (i) => truth[i]!),
        f64(rows.flatMap((i) => probabilities.slice(5 * i, 5 * i + 5))),
      );
      assert.deepEqual(classes(Int32Array.from(rows)), classTable);
      const mean = meanOfRows([numbers, numbers])(Int32Array.from(rows));
      assert.deepEqual(mean, numbers(Int32Array.from(rows)));
    }),
    { numRuns: 50 },
  );
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
  assert.deepEqual(metrics([], []), ["rmse", "mse", "mae", "r2", "pearson", "spearman", "ci"]);
  assert.deepEqual(metrics([1], [2]), ["r2", "pearson", "spearman", "ci"]);
  assert.deepEqual(metrics([0.1, 0.1, 0.1], [1, 2, 3]), ["r2", "pearson", "spearman", "ci"]);
  assert.deepEqual(metrics([1, 2, 3], [0.7, 0.7, 0.7]), ["pearson", "spearman"]);
  assert.deepEqual(metrics([1, 2, Number.NaN], [1, 2, 3]), [
    "rmse",
    "mse",
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
      const moved = pearson(
        a.map((x) => 3 * x - 7),
        b,
      );
      assert.ok(Math.abs(moved - r) < 1e-12, `${moved}, not ${r}`);
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
