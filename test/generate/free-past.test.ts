/**
 * Texts without stored blocks are continued by one program for any number of positions, its weights laid out for few
 * rows. Its logits are those of the plain path, a program for each number, whatever goes on beside.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Runner } from "../../src/batch/runner.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Lanes, type Token } from "../../src/generate/lanes.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { bareBase } from "../support/bare-base.ts";
import { Random } from "../support/random.ts";
import { textQuery } from "../support/random-prompts.ts";
import { relativeError } from "../support/tensors.ts";
import { tinyFamilies } from "../support/tiny-families.ts";
import { uploadRandomWeights } from "../support/tiny-llama.ts";

/** Prompts of unequal length; in each step some lanes wait, and one begins anew while the others are within theirs. */
async function writeUnevenly(lanes: Lanes, runner: Runner, seed: number): Promise<Float32Array[]> {
  const random = new Random(seed);
  const text = (length: number) => Int32Array.from({ length }, () => random.int(0, 15));
  const enter = async (entries: readonly { lane: number; length: number }[]) => {
    const layouts = runner.layouts(entries.map(({ length }) => textQuery(text(length))));
    return lanes.enter(entries.map(({ lane }, i) => ({ lane, layout: layouts[i]! })));
  };
  const before: (Token | null)[] = [null, null, null, null];
  const found = await enter([
    { lane: 0, length: 9 },
    { lane: 1, length: 2 },
    { lane: 3, length: 5 },
  ]);
  for (let step = 0; step < 12; step++) {
    const going = [0, 1, 3].filter((lane) => lane === step % 2 || random.chance(0.7));
    const entries = going.map((lane) => ({
      lane,
      next: [{ id: random.int(0, 15), before: before[lane] ?? null }],
    }));
    for (const [i, { tokens, logits }] of (await lanes.step(entries)).entries()) {
      before[going[i]!] = tokens[0]!;
      found.push(...logits);
    }
    if (step !== 5) continue;
    lanes.leave(1);
    before[1] = null;
    found.push(...(await enter([{ lane: 1, length: 7 }])));
  }
  await lanes.close();
  return found.map((logits) => logits.slice());
}

describe("one program for texts of any length, every family", () => {
  for (const [type, config] of Object.entries(tinyFamilies)) {
    test(type, async (t) => {
      const architecture = readArchitecture({ model_type: type, ...config });
      const engine = await Engine.start({ threads: 1 });
      t.after(() => engine.close());
      await uploadRandomWeights(engine, architecture, 6);
      const base = bareBase(architecture, engine);
      const written = async (plain: boolean) => {
        const runner = new Runner(base, () => new Float32Array(0), { reuse: "spans", tokens: 64, plain });
        const lanes = new Lanes(runner, { count: 4, tips: 1, blocks: 0 });
        return writeUnevenly(lanes, runner, 8);
      };
      const [plain, fast] = [await written(true), await written(false)];
      const worst = Math.max(...plain.map((logits, i) => relativeError(fast[i]!, logits)));
      t.diagnostic(`${plain.length} logits, largest difference ${worst.toExponential(1)}`);
      assert.ok(worst > 0 && worst < 1e-5, String(worst));
    });
  }
});
