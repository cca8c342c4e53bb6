/** Conformal thresholds keep their promise on new rows; the detector knows rows like its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { conformalThreshold } from "../../src/evaluate/conformal.ts";
import { fitOutlierDetector, outlierDistances } from "../../src/evaluate/outliers.ts";
import { Random } from "../support/random.ts";

test("the threshold is the (n + 1)-corrected order statistic", () => {
  const scores = Array.from({ length: 19 }, (_, i) => 19 - i);
  assert.equal(conformalThreshold(scores), 18);
  assert.equal(conformalThreshold(scores, 0.5), 10);
  assert.equal(conformalThreshold([1, 2, 3]), Number.POSITIVE_INFINITY, "nine rows at least");
  assert.equal(conformalThreshold([]), Number.POSITIVE_INFINITY);
});

test("new rows are covered with the promised probability, whatever the distribution", () => {
  const random = new Random(5);
  const draw = () => Math.abs(random.normal()) ** 3;
  let [covered, of] = [0, 0];
  for (let trial = 0; trial < 400; trial++) {
    const threshold = conformalThreshold(Array.from({ length: 100 }, draw));
    for (let i = 0; i < 50; i++, of++) if (draw() <= threshold) covered++;
  }
  assert.ok(Math.abs(covered / of - 0.9) < 0.01, String(covered / of));
});

const width = 48;
/** Rows of correlated features around a centre. */
function rows(random: Random, count: number, shift: number): Float32Array {
  const out = new Float32Array(count * width);
  for (let r = 0; r < count; r++) {
    const common = random.normal();
    for (let i = 0; i < width; i++)
      out[r * width + i] = common * Math.sin(i) + 0.3 * random.normal() + shift * Math.cos(i);
  }
  return out;
}

test("the detector lets rows like its own in and others not", () => {
  const random = new Random(9);
  const detector = fitOutlierDetector(rows(random, 400, 0), rows(random, 200, 0), width)!;
  const share = (x: Float32Array) => {
    const distances = outlierDistances(detector, x, width);
    return distances.filter((d) => d > detector.threshold).length / distances.length;
  };
  assert.ok(share(rows(random, 500, 0)) < 0.05);
  assert.ok(share(rows(random, 500, 2)) > 0.95);
  assert.equal(fitOutlierDetector(rows(random, 6, 0), rows(random, 200, 0), width), null);
});
