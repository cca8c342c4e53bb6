/** Ridge equals numpy's solution; awkward columns change nothing; alpha is chosen by validation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitRidge, moments, predictRidge, solveRidge } from "../../src/evaluate/ridge.ts";
import { assertClose, goldens } from "./golden.ts";

for (const [name, { rows, features, x, y, fits }] of Object.entries(goldens.ridge)) {
  test(`${name}: weights and biases equal numpy's`, () => {
    const sums = moments(Float32Array.from(x), rows, features, Float64Array.from(y));
    for (const { alpha, standardise, weight, bias } of fits) {
      const found = solveRidge(sums, alpha, { standardise });
      assertClose(found.weight, weight, 1e-9, `weight, alpha ${alpha}, standardise ${standardise}`);
      assertClose(found.bias, bias, 1e-9, `bias, alpha ${alpha}, standardise ${standardise}`);
    }
  });
}

const { rows, features, x: xGolden, y: yGolden } = goldens.ridge["tall, two outputs"]!;
const tall = Float32Array.from(xGolden);
const target = Float64Array.from(yGolden).filter((_, i) => i % 2 === 0);

/** Every row of `tall` with further columns behind its own. */
function widened(more: (row: Float32Array, r: number) => number[]): { x: Float32Array; features: number } {
  const wide = Array.from({ length: rows }, (_, r) => {
    const row = tall.subarray(r * features, (r + 1) * features);
    return [...row, ...more(row, r)];
  });
  return { x: Float32Array.from(wide.flat()), features: wide[0]!.length };
}

test("any number of columns: tiles of the sums leave nothing out", () => {
  for (let d = 1; d <= 13; d++) {
    const n = 130;
    const x = Float32Array.from({ length: n * d }, (_, i) => Math.sin(i * i + 1));
    const { gram, xMean } = moments(x, n, d, new Float64Array(n));
    for (let i = 0; i < d; i++) {
      for (let j = i; j < d; j++) {
        let expected = 0;
        for (let r = 0; r < n; r++) expected += (x[r * d + i]! - xMean[i]!) * (x[r * d + j]! - xMean[j]!);
        assert.ok(Math.abs(gram[i * d + j]! - expected) < 1e-10, `${d}: ${i}, ${j}`);
      }
    }
  }
});

test("constant and repeated columns change no prediction and break nothing, even without penalty", () => {
  const plain = predictRidge(solveRidge(moments(tall, rows, features, target), 0), tall, rows);
  const { x, features: d } = widened((row) => [3e7, 0, row[0]!, row[1]! * 2]);
  for (const standardise of [false, true]) {
    const fit = solveRidge(moments(x, rows, d, target), 0, { standardise });
    assertClose(predictRidge(fit, x, rows), plain, 1e-6, `standardise ${standardise}`);
    assert.equal(fit.weight[features], 0);
    assert.equal(fit.weight[features + 1], 0);
  }
});

test("more columns than rows without penalty: the training rows are met", () => {
  const { x, features: d } = widened((_, r) =>
    Array.from({ length: 80 }, (_, c) => Math.sin((r + 1) * (c + 1) ** 2)),
  );
  const fit = solveRidge(moments(x, rows, d, target), 0, { standardise: true });
  assertClose(predictRidge(fit, x, rows), target, 1e-6);
});

test("a large offset costs no precision", () => {
  const x = Float32Array.from({ length: 1000 }, (_, i) => 1e4 + (i % 7));
  const y = Float64Array.from({ length: 1000 }, (_, i) => 1e6 + 2 * (i % 7));
  const { weight, bias } = solveRidge(moments(x, 1000, 1, y), 0);
  assertClose([weight[0]!, bias[0]!], [2, 1e6 - 2e4], 1e-12);
});

test("standardised, the units of a feature do not matter", () => {
  const scaled = tall.map((value, i) => (i % features === 2 ? value / 1024 : value));
  const fit = (x: Float32Array) =>
    predictRidge(solveRidge(moments(x, rows, features, target), 5, { standardise: true }), x, rows);
  assertClose(fit(scaled), fit(tall), 1e-12);
});

test("alpha: the lowest validation RMSE wins, and the table says what each gave", () => {
  const n = 40;
  const d = 30;
  const noisy = (seed: number, count: number) =>
    Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 12.9898 * (i + 1) ** 2));
  const make = (seed: number) => {
    const x = noisy(seed, n * d);
    const error = noisy(seed + 0.5, n);
    return { x, y: Float64Array.from({ length: n }, (_, r) => x[r * d]! + error[r]!) };
  };
  const [train, validation] = [make(1), make(2)];
  const alphas = [0, 1e-3, 10, 1e6];
  const fit = fitRidge(train.x, n, d, train.y, { alphas, validation });
  assert.deepEqual(
    fit.table.map(({ alpha }) => alpha),
    alphas,
  );
  assert.equal(fit.alpha, 10);
  const squares = predictRidge(fit, validation.x, n).map((p, r) => (p - validation.y[r]!) ** 2);
  assertClose([fit.table[2]!.rmse], [Math.sqrt(squares.reduce((a, b) => a + b) / n)], 1e-12);
  assert.ok(fit.table.every(({ rmse }) => rmse >= fit.table[2]!.rmse));
});

test("what does not fit together is refused", () => {
  const code = { code: "evaluate/input" };
  assert.throws(() => moments(new Float32Array(5), 2, 3, new Float64Array(2)), code);
  assert.throws(() => moments(new Float32Array(0), 0, 3, new Float64Array(0)), code);
  assert.throws(() => moments(Float32Array.of(1, Number.NaN), 2, 1, new Float64Array(2)), code);
  assert.throws(() => moments(Float32Array.of(1, 2), 2, 1, Float64Array.of(1, Infinity)), code);
  const validation = { x: tall, y: target };
  assert.throws(() => fitRidge(tall, rows, features, target, { alphas: [], validation }), code);
});
