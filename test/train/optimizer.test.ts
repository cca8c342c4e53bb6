/** AdamW against its defining formulas, clipping, and the learning rate over a run. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AdamW, adamDefaults, clipGradients, globalNorm } from "../../src/train/optimizer.ts";
import { cosineWithWarmup } from "../../src/train/schedule.ts";
import fc from "../support/properties.ts";
import { Random } from "../support/random.ts";

/** Loshchilov and Hutter's algorithm 2 on one number, in f64. */
function reference(start: number, gradients: readonly number[], rate: number, decay: number): number {
  const { beta1, beta2, epsilon } = adamDefaults;
  let [x, m, v] = [start, 0, 0];
  gradients.forEach((g, i) => {
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const [mHat, vHat] = [m / (1 - beta1 ** (i + 1)), v / (1 - beta2 ** (i + 1))];
    x = x - rate * decay * x - (rate * mHat) / (Math.sqrt(vHat) + epsilon);
  });
  return x;
}

describe("AdamW", () => {
  test("equals the algorithm on random gradients, each parameter at its own rate", () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed);
      const [first, second] = [random.floats(3), random.floats(2)];
      const starts = [...first, ...second];
      const scale = 10 ** random.float(-6, 2);
      const steps = Array.from({ length: 12 }, () => random.floats(5, -scale, scale));
      const weightDecay = random.pick([0, 0.1]);
      const optimizer = new AdamW(
        [
          { name: "first", values: first, rate: 1 },
          { name: "second", values: second, rate: 10 },
        ],
        { weightDecay },
      );
      for (const g of steps) optimizer.step([g.slice(0, 3), g.slice(3)], 1e-2);
      [...first, ...second].forEach((x, i) => {
        const gradients = steps.map((g) => g[i] as number);
        const expected = reference(starts[i] as number, gradients, i < 3 ? 1e-2 : 1e-1, weightDecay);
        assert.ok(Math.abs(x - expected) < 2e-6 * Math.max(1, Math.abs(expected)), `${x} is not ${expected}`);
      });
    }
  });

  test("its first step has the size of the learning rate, whatever the gradient's scale", () => {
    const values = Float32Array.of(0, 0, 0);
    new AdamW([{ name: "x", values, rate: 1 }]).step([Float32Array.of(1e-5, -1, 1e5)], 0.5);
    for (const [i, sign] of [-1, 1, -1].entries()) {
      assert.ok(Math.abs((values[i] as number) - sign * 0.5) < 1e-3);
    }
  });

  test("a rate of 0 moves nothing, yet its gradient is remembered", () => {
    const values = Float32Array.of(1);
    const optimizer = new AdamW([{ name: "x", values, rate: 1 }]);
    optimizer.step([Float32Array.of(3)], 0);
    assert.equal(values[0], 1);
    optimizer.step([Float32Array.of(0)], 0.1);
    assert.ok((values[0] as number) < 1);
  });
});

describe("clipping", () => {
  test("scales all gradients by one factor down to the limit, or not at all", () => {
    const arrays = fc.array(
      fc.float32Array({ minLength: 1, maxLength: 6, noNaN: true, min: -1e3, max: 1e3 }),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(arrays, fc.double({ min: 0.1, max: 100, noNaN: true }), (gradients, limit) => {
        const before = gradients.map((g) => g.slice());
        const norm = Math.sqrt(before.flatMap((g) => [...g]).reduce((n, x) => n + x * x, 0));
        assert.ok(Math.abs(clipGradients(gradients, limit) - norm) <= 1e-9 * norm);
        const factor = Math.min(1, limit / (norm + 1e-6));
        gradients.forEach((g, i) => {
          g.forEach((x, k) => {
            assert.ok(
              Math.abs(x - factor * (before[i]?.[k] as number)) <= 1e-6 * Math.max(1e-30, Math.abs(x)),
            );
          });
        });
        assert.ok(globalNorm(gradients) <= limit * (1 + 1e-6) || norm <= limit);
      }),
    );
  });
});

describe("schedule", () => {
  test("rises linearly from 0 over the warm-up, then falls along half a cosine to 0", () => {
    const rates = Array.from({ length: 101 }, (_, step) => cosineWithWarmup(step, 100, 10));
    assert.equal(rates[0], 0);
    assert.equal(rates[5], 0.5);
    assert.equal(rates[10], 1);
    assert.ok(Math.abs((rates[55] as number) - 0.5) < 1e-12);
    assert.ok(Math.abs(rates[100] as number) < 1e-12);
    for (let step = 11; step <= 100; step++) assert.ok((rates[step] as number) < (rates[step - 1] as number));
  });

  test("without warm-up it begins at its peak, and lengths of 0 and 1 give finite rates", () => {
    assert.equal(cosineWithWarmup(0, 10, 0), 1);
    assert.equal(cosineWithWarmup(0, 1, 0), 1);
    assert.equal(cosineWithWarmup(0, 1, 1), 0);
    assert.equal(cosineWithWarmup(1, 1, 1), 1);
  });
});
