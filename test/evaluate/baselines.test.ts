/** Additive means equal the one-hot ridge solution; character counts count characters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { additiveMeans, predictAdditive, predictMean } from "../../src/evaluate/baselines.ts";
import { alphabetsOf, characterCounts, featureCount } from "../../src/evaluate/features.ts";
import { assertClose, goldens } from "./golden.ts";

test("the mean", () => {
  assert.deepEqual([...predictMean(Float64Array.of(1, 2, 6), 2)], [3, 3]);
});

test("additive means equal numpy's ridge on one-hot keys", () => {
  const { a, b, y, cases } = goldens.additive;
  const keys = { a: a.map(String), b: b.map(String) };
  for (const { shrink, mean, a: aEffect, b: bEffect } of cases) {
    const fit = additiveMeans(keys, Float64Array.from(y), shrink);
    assertClose([fit.mean], [mean], 1e-9);
    for (const [key, effect] of fit.a) assertClose([effect], [aEffect[Number(key)]!], 1e-7, `a ${key}`);
    for (const [key, effect] of fit.b) assertClose([effect], [bEffect[Number(key)]!], 1e-7, `b ${key}`);
    const unseen = predictAdditive(fit, { a: ["new", a[0]!.toString()], b: ["new", "new"] });
    assertClose(unseen, [mean, mean + aEffect[a[0]!]!], 1e-9);
  }
});

test("additive means recover an additive table", () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({ a: i % 10, b: Math.floor(i / 10) % 6 }));
  const y = Float64Array.from(rows, ({ a, b }) => 5 + a - 3 * b);
  const keys = { a: rows.map(({ a }) => `d${a}`), b: rows.map(({ b }) => `p${b}`) };
  const fit = additiveMeans(keys, y, 1e-6);
  assertClose(predictAdditive(fit, keys), y, 1e-6);
});

test("character counts: characters of training, each field apart, then the length", () => {
  const train = [
    { smiles: "CCO", protein: "MK" },
    { smiles: "C😀", protein: "" },
  ];
  const alphabets = alphabetsOf(train);
  assert.deepEqual(
    [...alphabets],
    [
      ["smiles", ["C", "O", "😀"]],
      ["protein", ["K", "M"]],
    ],
  );
  assert.equal(featureCount(alphabets), 7);
  assert.deepEqual([...characterCounts(train, alphabets)], [2, 1, 0, 3, 1, 1, 2, 1, 0, 1, 2, 0, 0, 0]);
  const other = { protein: "MMX", smiles: "NCN" };
  assert.deepEqual([...characterCounts([other], alphabets)], [1, 0, 0, 3, 0, 2, 3]);
});

test("character counts of rows with other fields: by field, and what a row lacks is empty", () => {
  const rows = [{ smiles: "CO" }, { assay: "a", smiles: "C" }, { assay: "b" }];
  const alphabets = alphabetsOf(rows);
  assert.deepEqual([...alphabets.keys()], ["smiles", "assay"]);
  assert.deepEqual(
    [...characterCounts(rows, alphabets)],
    [
      [1, 1, 2, 0, 0, 0],
      [1, 0, 1, 1, 0, 1],
      [0, 0, 0, 0, 1, 1],
    ].flat(),
  );
});
