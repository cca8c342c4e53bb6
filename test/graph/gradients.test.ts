/** Every row of the gradient table, on random shapes, against finite differences. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Engine } from "../../src/engine/engine.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { Random } from "../support/random.ts";
import { gradientErrors, TOLERANCE } from "./finite-differences.ts";
import { gradientCases } from "./gradient-cases.ts";

const USES = 16;

describe("gradients equal finite differences", () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.start({ threads: 1 });
  });
  after(() => engine.close());

  test("every operator with a gradient is tried here", () => {
    assert.deepEqual(Object.keys(gradientCases).sort(), Object.keys(gradients).sort());
  });

  for (const [op, makeCase] of Object.entries(gradientCases)) {
    test(op, async (t) => {
      let worst = 0;
      for (let use = 0; use < USES; use++) {
        const one = makeCase(new Random(1000 + use), use);
        const errors = await gradientErrors(engine, one, use);
        for (const [i, error] of errors.entries()) {
          assert.ok(error < TOLERANCE, `${one.label}: gradient ${i} is off by ${error}`);
        }
        worst = Math.max(worst, ...errors);
      }
      t.diagnostic(`${USES} uses, largest error ${worst.toExponential(1)}`);
    });
  }
});
