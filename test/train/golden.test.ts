/** Twenty AdamW steps with warm-up, cosine schedule and clipping equal a PyTorch training written from the spec. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { adamwErrors, adamwRuns } from "../support/adamw-golden.ts";
import { checkAdamW, polyglotFolder } from "../support/goldens.ts";
import { assertWithin } from "../support/model-tests.ts";

describe("20 steps", () => {
  let base: Base;
  before(async () => {
    base = await Base.load(polyglotFolder);
  });
  after(() => base.close());

  for (const run of adamwRuns) {
    test(`${run.file}, ${run.name}`, async (t) => {
      const checked = await checkAdamW(base, run);
      assertWithin(checked);
      t.diagnostic(checked.map((c) => `${c.name.split(": ")[1]} ${c.error.toExponential(1)}`).join(", "));
    });
  }

  test("on stored prefixes the same training comes out", async (t) => {
    const errors = await adamwErrors(base, { file: "adamw", name: "plain" }, "prefix");
    assert.ok(
      Object.values(errors).every((error) => error < 1e-4),
      JSON.stringify(errors),
    );
    t.diagnostic(
      `losses ${errors.losses?.toExponential(1)}, final vectors ${errors["final vectors"]?.toExponential(1)}`,
    );
  });
});
