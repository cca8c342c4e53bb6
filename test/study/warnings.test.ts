/** What a report says of a tag that another method does as well as: whichever that is, not one chosen beforehand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type MethodResult, methodResult } from "../../src/study/methods.ts";
import type { StageReport } from "../../src/study/report.ts";
import { collectWarnings } from "../../src/study/warnings.ts";

function stageOf(rmse: Readonly<Record<string, readonly number[]>>): StageReport {
  const methods: MethodResult[] = Object.entries(rmse).map(([method, values]) =>
    methodResult(
      method,
      values.map((value) => ({ rmse: value })),
    ),
  );
  const rows = { train: 10, validation: 5, test: 5 };
  const task = { task: "stage/rows", target: "y", rows, dropped: [], quality: [], leakage: [], trimmed: [] };
  return { stage: "stage", trained: ["Y"], seeds: [], tasks: [{ ...task, methods }] };
}

test("the strongest baseline is named, unless the tag beats it by more than the seeds' spread", () => {
  const others = { mean: [2], "linear probe": [1.5, 1.5] };
  const said = (tag: readonly number[], untrained: readonly number[]) =>
    collectWarnings([], [stageOf({ ...others, "untrained tag": untrained, "function tag": tag })]);
  assert.deepEqual(said([1, 1.1], [1.3, 1.3]), []);
  assert.match(said([1.3, 1.3], [1, 1.1])[0] ?? "", /^stage\/rows, y: .* does not reach .* untrained tag: /);
  assert.match(said([1, 1.4], [1.2, 1.3])[0] ?? "", /^stage\/rows, y: .* is level with .* untrained tag, /);
  assert.match(said([1.6, 1.6], [1.8, 1.8])[0] ?? "", /does not reach .* linear probe: /);
});

test("without a linear probe there is no head to compare", () => {
  assert.deepEqual(collectWarnings([], [stageOf({ "no tags": [1], "function tag": [2] })]), []);
});
