/**
 * Every family against Hugging Face's own numbers (../shared/golden): one forward pass, gradients, greedy tokens;
 * the same model from either form of its config; then what Tag-LLM adds, on each family.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Base } from "../../src/models/base.ts";
import { openBareBase } from "../support/bare-base.ts";
import { cachedErrors, greedyIds } from "../support/cached-decoding.ts";
import { configMeaning } from "../support/config-meaning.ts";
import { placementDifference, storedSpanError, tagGradientErrors } from "../support/family-checks.ts";
import { checkOpenModel, goldenFolders, sharedFolder, toleranceOf } from "../support/goldens.ts";
import { assertWithin } from "../support/model-tests.ts";
import { type GoldenTensor, readGolden } from "../support/tensors.ts";

/** f32 sums in another order. */
const SAME = 1e-5;

for (const name of goldenFolders) {
  const folder = `${sharedFolder}golden/${name}`;
  describe(name, { skip: existsSync(folder) ? false : `needs ${folder}` }, () => {
    let base: Base;
    let golden: Map<string, GoldenTensor>;
    before(async () => {
      base = await openBareBase(folder, { threads: 1 });
      golden = await readGolden(`${folder}/golden.safetensors`);
    });
    after(() => base.close());
    const readConfig = async (file: string) => JSON.parse(await readFile(`${folder}/${file}`, "utf8"));

    test("layers, logits, losses, gradients and greedy tokens", async (t) => {
      const checked = await checkOpenModel(name, base, `${folder}/golden.safetensors`);
      assertWithin(checked);
      assert.ok(checked.length >= 10);
      const worst = checked.reduce((a, b) => (b.error > a.error ? b : a));
      t.diagnostic(`${checked.length} tensors, worst ${worst.name} ${worst.error.toExponential(1)}`);
    });

    test("release 5's form of the config is the same model", async () => {
      const [older, newer] = await Promise.all(["config.json", "config.v5.json"].map(readConfig));
      assert.deepEqual(configMeaning(newer), configMeaning(older));
    });

    for (const reuse of ["none", "prefix"] as const) {
      test(`a tag's gradients through the runner, ${reuse === "none" ? "whole" : "behind a stored prefix"}`, async () => {
        const errors = await tagGradientErrors(base, golden, reuse);
        const checked = Object.entries(errors).map(([n, error]) => ({
          name: n,
          error,
          tolerance: toleranceOf(n),
        }));
        assertWithin(checked);
      });
    }

    test("decoding one token at a time from stored keys and values", async (t) => {
      const { logits, greedyLogits, remade } = await cachedErrors(base, golden);
      assert.ok(Math.max(logits, greedyLogits) < toleranceOf("logits"), `${logits} ${greedyLogits}`);
      assert.equal(remade, name === "phi3-longrope-switch" ? 1 : 0);
      t.diagnostic(`logits ${logits.toExponential(1)}, greedy ${greedyLogits.toExponential(1)}`);
    });

    test("the greedy tokens of what generates text", async () => {
      const { data } = golden.get("greedy_ids") as GoldenTensor;
      const [first] = await greedyIds(base, golden, data.length);
      assert.deepEqual(first, [...data]);
    });

    test("stored spans and prefixes give the numbers of whole prompts", async (t) => {
      const error = await storedSpanError(base);
      assert.ok(error < SAME, String(error));
      t.diagnostic(`largest difference ${error.toExponential(1)}`);
    });

    test("whether a span's keys and values depend on where it stands is as the architecture says", async () => {
      const short = { start: 0, length: 12 };
      const moved = await placementDifference(base, short, { start: 5, length: 12 });
      if (base.architecture.placement === "any") assert.equal(moved, 0);
      else assert.ok(moved > 1e-2, String(moved));
      const long = { start: 0, length: 40 };
      const longer = await placementDifference(base, short, long);
      const regimes = [short, long].map(({ length }) => base.architecture.ropes.map((r) => r.regime(length)));
      if (String(regimes[0]) === String(regimes[1])) assert.equal(longer, 0);
      else assert.ok(longer > 1e-2, String(longer));
    });
  });
}
