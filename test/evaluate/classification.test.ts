/** Metrics of classes (their goldens are in metrics.test.ts); the logistic regression equals scikit-learn's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import {
  averagePrecision,
  classificationMetrics,
  mostProbable,
  rocAuc,
} from "../../src/evaluate/classification.ts";
import { fitLogistic, logisticProbabilities } from "../../src/evaluate/logistic.ts";
import fc from "../support/properties.ts";
import { goldens } from "./golden.ts";

for (const [name, { classes, alpha, x, labels, probabilities }] of Object.entries(goldens.logistic)) {
  test(`${name}: the regression finds scikit-learn's minimum`, () => {
    const rows = { x: Float32Array.from(x), labels: Int32Array.from(labels) };
    const fit = fitLogistic(rows, classes, { alphas: [alpha], validation: rows });
    const found = logisticProbabilities(fit, rows.x);
    const worst = Math.max(...found.map((p, i) => Math.abs(p - probabilities[i]!)));
    assert.ok(worst < 2e-4, String(worst));
  });
}

test("validation chooses among the penalties", () => {
  const { classes, x, labels } = goldens.logistic["four classes"]!;
  const rows = { x: Float32Array.from(x), labels: Int32Array.from(labels) };
  const half = { x: rows.x.subarray(0, 120), labels: rows.labels.subarray(0, 40) };
  const rest = { x: rows.x.subarray(120), labels: rows.labels.subarray(40) };
  const { alpha, table } = fitLogistic(half, classes, { alphas: [0.01, 1, 1e6], validation: rest });
  assert.deepEqual(
    table.map((t) => t.alpha),
    [0.01, 1, 1e6],
  );
  assert.equal(alpha, table.reduce((a, b) => (b.logLoss < a.logLoss ? b : a)).alpha);
  const shares = [0, 1, 2, 3].map((c) => half.labels.filter((l) => l === c).length / 40);
  const ofShares = rest.labels.reduce((sum, l) => sum - Math.log(shares[l]!), 0) / rest.labels.length;
  assert.ok(Math.abs(table[2]!.logLoss - ofShares) < 1e-3, "a huge penalty leaves the shares of the classes");
});

test("constant features and separable classes give finite weights", () => {
  const x = Float32Array.from({ length: 40 }, (_, i) => (i % 2 ? 7 : i));
  const labels = Int32Array.from({ length: 20 }, (_, i) => (i < 10 ? 0 : 1));
  const fit = fitLogistic({ x, labels }, 2, { alphas: [0.01], validation: { x, labels } });
  assert.ok([...fit.weight, ...fit.bias].every(Number.isFinite));
  assert.deepEqual(mostProbable(logisticProbabilities(fit, x), 2), labels);
});

test("rows that do not fit are refused", () => {
  const rows = { x: new Float32Array(5), labels: new Int32Array(2) };
  assert.throws(
    () => fitLogistic(rows, 2, { alphas: [1], validation: rows }),
    (e) => e instanceof TagllmError && e.code === "evaluate/input",
  );
});

test("what is not defined is NaN or left out of the mean", () => {
  const one = classificationMetrics(Int32Array.of(0, 0), Float64Array.of(0.9, 0.1, 0.8, 0.2));
  assert.ok(Number.isNaN(one.rocAuc) && Number.isNaN(one.prAuc));
  assert.equal(one.accuracy, 1);
  assert.equal(one.f1, 1);
  const absent = classificationMetrics(Int32Array.of(0, 1), Float64Array.of(0.9, 0.1, 0, 0.2, 0.8, 0));
  assert.equal(absent.rocAuc, 1, "a class without rows has no curve");
});

test("property: the AUC of reversed scores is its complement, and no increasing map changes either area", () => {
  const rows = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -5, max: 5 })), {
    minLength: 2,
    maxLength: 40,
  });
  fc.assert(
    fc.property(rows, (pairs) => {
      const positive = Uint8Array.from(pairs, ([p]) => (p ? 1 : 0));
      const scores = Float64Array.from(pairs, ([, s]) => s);
      const auc = rocAuc(positive, scores);
      if (Number.isNaN(auc)) return;
      assert.ok(
        Math.abs(
          auc +
            rocAuc(
              positive,
              scores.map((s) => -s),
            ) -
            1,
        ) < 1e-12,
      );
      assert.equal(rocAuc(positive, scores.map(Math.exp)), auc);
      assert.equal(averagePrecision(positive, scores.map(Math.exp)), averagePrecision(positive, scores));
    }),
  );
});
