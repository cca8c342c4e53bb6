/** What is said of methods whose metric has no value: that it has none, in memory and as report.json has it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { classificationMetrics } from "../../src/evaluate/classification.ts";
import {
  beats,
  gain,
  type MethodResult,
  methodResult,
  strongestBaseline,
  verdict,
} from "../../src/study/methods.ts";

const asInJson = (methods: readonly MethodResult[]) => JSON.parse(JSON.stringify(methods)) as MethodResult[];

const rmse = (method: string, ...values: number[]) =>
  methodResult(
    method,
    values.map((value) => ({ rmse: value })),
  );

test("test rows of one class: no method is level with another", () => {
  const { rows: _, ...metrics } = classificationMetrics(
    Int32Array.of(1, 1, 1),
    Float64Array.of(0.2, 0.8, 0.4, 0.6, 0.7, 0.3),
  );
  for (const seeds of [1, 2]) {
    const perSeed = Array.from({ length: seeds }, () => metrics);
    const methods = ["class shares", "linear probe", "function tag"].map((m) => methodResult(m, perSeed));
    for (const own of [methods, asInJson(methods)]) {
      assert.equal(
        verdict(own),
        "The function tag cannot be compared in ROC-AUC, which is not defined on these test rows: they are all of one class.",
      );
      assert.ok(!beats(own[0]!, own[2]!) && !beats(own[2]!, own[0]!));
      assert.ok(Number.isNaN(gain(own[0]!, own[2]!)));
    }
  }
});

test("a metric without a value for a reason that is not known", () => {
  const methods = [rmse("mean", 2), rmse("function tag", Number.NaN)];
  for (const own of [methods, asInJson(methods)])
    assert.equal(
      verdict(own),
      "The function tag cannot be compared in RMSE, which is not defined on these test rows.",
    );
});

test("a baseline without a value is not the strongest", () => {
  const methods = [
    rmse("mean", Number.NaN),
    rmse("linear probe", 2, 2.1),
    rmse("character counts", 1.5),
    rmse("function tag", 1, 1.1),
  ];
  for (const own of [methods, asInJson(methods)]) {
    assert.equal(strongestBaseline(own)?.method, "character counts");
    assert.match(
      verdict(own),
      /beats the strongest baseline, character counts, .*: RMSE 1\.050 against 1\.500/,
    );
  }
});

test("nothing beside the tag, or no tag", () => {
  assert.equal(verdict([rmse("function tag", 1)]), "There is nothing to compare with.");
  assert.equal(verdict([rmse("mean", 1)]), "There is nothing to compare with.");
});
