/** Which tokens end a text, by the files of a checkpoint. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { readEndTokens } from "../../src/models/end-tokens.ts";

async function endTokens(t: TestContext, config: object, generation: unknown, eosId: number | null) {
  const folder = mkdtempSync(join(tmpdir(), "tagllm-end-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  if (generation !== undefined)
    writeFileSync(join(folder, "generation_config.json"), JSON.stringify(generation));
  return readEndTokens({ folder, config: { ...config }, tensors: new Map() }, { eosId }, 10);
}

test("generation_config.json decides, else config.json; the tokenizer's EOS is always one", async (t) => {
  for (const [config, generation, eosId, expected] of [
    [{ eos_token_id: 2 }, undefined, 2, [2]],
    [{ eos_token_id: 2 }, { eos_token_id: [3, 4] }, 4, [3, 4]],
    [{ eos_token_id: 2 }, { eos_token_id: 3 }, 5, [3, 5]],
    [{ eos_token_id: [1, 2] }, { temperature: 1 }, null, [1, 2]],
    [{ eos_token_id: 2 }, { eos_token_id: null }, null, [2]],
    [{}, undefined, 7, [7]],
    [{ eos_token_id: null }, undefined, null, []],
  ] as [object, unknown, number | null, number[]][])
    assert.deepEqual(await endTokens(t, config, generation, eosId), expected);
});

test("what is no token is refused by name", async (t) => {
  for (const [config, generation, file] of [
    [{ eos_token_id: "</s>" }, undefined, "config.json"],
    [{}, { eos_token_id: [2, 10] }, "generation_config.json"],
    [{ eos_token_id: -1 }, undefined, "config.json"],
  ] as [object, unknown, string][])
    await assert.rejects(
      endTokens(t, config, generation, 2),
      (e) =>
        e instanceof TagllmError && e.code === "model/config" && e.problem.includes(`${file}: eos_token_id`),
    );
  await assert.rejects(endTokens(t, {}, [], 2), { code: "model/config-json" });
});
