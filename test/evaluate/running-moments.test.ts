/** Sums kept row by row against the sums taken at once, after many rows have come and gone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { moments } from "../../src/evaluate/ridge.ts";
import { RunningMoments } from "../../src/evaluate/running-moments.ts";
import { Random } from "../support/random.ts";

const [width, outputs, window] = [7, 2, 40];

function compare(actual: Float64Array, expected: Float64Array, tolerance: number): void {
  const largest = Math.max(...expected.map(Math.abs), 1e-12);
  actual.forEach((value, i) => {
    assert.ok(
      Math.abs(value - (expected[i] as number)) <= tolerance * largest,
      `${i}: ${value} ${expected[i]}`,
    );
  });
}

test("a window that has slid 5,000 rows has the sums of the rows it holds", () => {
  const random = new Random(3);
  const running = new RunningMoments(width, outputs);
  const rows: { x: Float32Array; y: Float64Array }[] = [];
  for (let i = 0; i < 5000; i++) {
    // Far from zero, and drifting: what hidden states of a moving tag do.
    const x = Float32Array.from({ length: width }, (_, k) => 50 * k + i / 500 + random.float(-1, 1));
    const y = Float64Array.from({ length: outputs }, () => random.float(-1, 1));
    rows.push({ x, y });
    running.add(x, y);
    if (rows.length > window) {
      const old = rows.shift();
      if (old) running.remove(old.x, old.y);
    }
  }
  const x = Float32Array.from(rows.flatMap((r) => [...r.x]));
  const y = Float64Array.from(rows.flatMap((r) => [...r.y]));
  const expected = moments(x, rows.length, width, y);
  const actual = running.moments();
  assert.equal(actual.rows, window);
  compare(actual.xMean, expected.xMean, 1e-10);
  compare(actual.yMean, expected.yMean, 1e-10);
  compare(actual.cross, expected.cross, 1e-8);
  for (let i = 0; i < width; i++) {
    for (let j = i; j < width; j++) {
      const at = i * width + j;
      assert.ok(
        Math.abs((actual.gram[at] as number) - (expected.gram[at] as number)) <
          1e-6 * (expected.gram[i * width + i] as number),
      );
    }
  }
});
