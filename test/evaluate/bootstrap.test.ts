/** Intervals cover what they should, depend on the seed alone, and see pairs as pairs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { bootstrapInterval, bootstrapIntervals, ratioDifference } from "../../src/evaluate/bootstrap.ts";
import { mean } from "../../src/evaluate/metrics.ts";

/** Draws close to a normal distribution with mean 0 and variance 1. */
function noise(seed: number, length: number): Float64Array {
  const random = xoroshiro128plus(seed);
  return Float64Array.from({ length }, () => {
    let total = -6;
    for (let i = 0; i < 12; i++) total += uniformFloat64(random);
    return total;
  });
}

const meanOf = (values: Float64Array) => (rows: Int32Array) =>
  mean(Float64Array.from(rows, (i) => values[i]!));

test("the interval of a mean is the one of the central limit theorem", () => {
  const values = noise(1, 400);
  const { value, low, high, resamples } = bootstrapInterval(400, meanOf(values), {
    seed: 7,
    resamples: 4000,
  });
  const average = mean(values);
  const error = Math.sqrt(mean(values.map((v) => (v - average) ** 2)) / 400);
  assert.equal(value, average);
  assert.equal(resamples, 4000);
  assert.ok(Math.abs(low - (average - 1.96 * error)) < 0.15 * error, String(low));
  assert.ok(Math.abs(high - (average + 1.96 * error)) < 0.15 * error, String(high));
});

test("about 95 of 100 intervals hold the truth", () => {
  let held = 0;
  for (let sample = 0; sample < 200; sample++) {
    const { low, high } = bootstrapInterval(60, meanOf(noise(1000 + sample, 60)), {
      seed: sample,
      resamples: 300,
    });
    if (low <= 0 && 0 <= high) held++;
  }
  assert.ok(held >= 180 && held <= 198, String(held));
});

test("one seed, one interval", () => {
  const values = noise(3, 50);
  const run = (seed: number) => bootstrapInterval(50, meanOf(values), { seed, resamples: 200 });
  assert.deepEqual(run(5), run(5));
  assert.notDeepEqual(run(5), run(6));
});

test("a small difference on the same rows is seen under large differences between rows", () => {
  const rows = 300;
  const size = noise(11, rows).map((v) => 50 + 10 * v);
  const b = noise(12, rows).map((v, i) => size[i]! * (2 + 0.5 * v));
  const jitter = noise(13, rows);
  const a = b.map((bits, i) => bits - size[i]! * 0.02 + 0.1 * jitter[i]!);
  const { value, low, high } = ratioDifference(a, b, size, { seed: 1 });
  assert.ok(Math.abs(value + 0.02) < 0.001, String(value));
  assert.ok(low < value && value < high && high < -0.019 && low > -0.021, `${low} ${high}`);
  assert.deepEqual(ratioDifference(b, b, size, { seed: 1 }), { value: 0, low: 0, high: 0, resamples: 2000 });
});

test("several statistics of the same resamples are each as they are alone", () => {
  const values = noise(21, 40);
  const largest = (rows: Int32Array) => Math.max(...Array.from(rows, (i) => values[i]!));
  const options = { seed: 3, resamples: 150 };
  const both = bootstrapIntervals(
    40,
    (rows) => ({ mean: meanOf(values)(rows), largest: largest(rows) }),
    options,
  );
  assert.deepEqual(both.mean, bootstrapInterval(40, meanOf(values), options));
  assert.deepEqual(both.largest, bootstrapInterval(40, largest, options));
});

test("groups are drawn whole: intervals hold what rows that vary together allow", () => {
  const values = noise(22, 40);
  const options = { seed: 3, resamples: 150 };
  const alone = { ...options, groups: Int32Array.from(values, (_, i) => i) };
  assert.deepEqual(
    bootstrapInterval(40, meanOf(values), alone),
    bootstrapInterval(40, meanOf(values), options),
  );
  const [effects, rows] = [30, 20];
  let [held, heldByRow] = [0, 0];
  for (let trial = 0; trial < 100; trial++) {
    const effect = noise(1000 + trial, effects);
    const jitter = noise(2000 + trial, effects * rows);
    const groups = Int32Array.from(jitter, (_, i) => Math.floor(i / rows));
    const together = Float64Array.from(jitter, (v, i) => v + 2 * (effect[groups[i] as number] as number));
    const holds = (own: { groups?: Int32Array }) => {
      const statistic = meanOf(together);
      const { low, high } = bootstrapInterval(together.length, statistic, {
        seed: trial,
        resamples: 200,
        ...own,
      });
      return low <= 0 && high >= 0 ? 1 : 0;
    };
    held += holds({ groups });
    heldByRow += holds({});
  }
  assert.ok(held >= 85 && heldByRow <= 60, `${held} of 100 by groups, ${heldByRow} by rows`);
});

test("what is not defined is NaN", () => {
  const none = bootstrapInterval(0, meanOf(new Float64Array()), { seed: 1 });
  assert.deepEqual(none, { value: Number.NaN, low: Number.NaN, high: Number.NaN, resamples: 0 });
  const rarely = bootstrapInterval(2, (rows) => (rows[0] === rows[1] ? Number.NaN : 1), {
    seed: 1,
    resamples: 100,
  });
  assert.ok(rarely.resamples > 25 && rarely.resamples < 75);
  assert.deepEqual([rarely.low, rarely.high], [1, 1]);
});

test("below two rows or groups there is nothing to resample, and no interval", () => {
  const values = noise(22, 40);
  const none = { low: Number.NaN, high: Number.NaN, resamples: 0 };
  const options = { seed: 3, groups: new Int32Array(40).fill(7) };
  assert.deepEqual(bootstrapInterval(40, meanOf(values), options), { value: mean(values), ...none });
  assert.deepEqual(bootstrapInterval(1, meanOf(values), { seed: 3 }), { value: values[0], ...none });
  const one = Float64Array.of(3);
  assert.deepEqual(ratioDifference(one, one, one, { seed: 3 }), { value: 0, ...none });
  const two = { ...options, groups: Int32Array.from(values, (_, i) => i % 2) };
  assert.equal(bootstrapInterval(40, meanOf(values), two).resamples, 2000);
});
