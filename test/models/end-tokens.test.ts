/** Which tokens end a text, by the files of a checkpoint. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { readBase } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { readEndTokens } from "../../src/models/end-tokens.ts";

async function endTokens(t: TestContext, config: object, generation: unknown) {
  const folder = mkdtempSync(join(tmpdir(), "tagllm-end-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  if (generation !== undefined)
    writeFileSync(join(folder, "generation_config.json"), JSON.stringify(generation));
  return readEndTokens({ folder, config: { ...config }, tensors: new Map() }, 10);
}

test("generation_config.json decides, else config.json", async (t) => {
  for (const [config, generation, expected] of [
    [{ eos_token_id: 2 }, undefined, [2]],
    [{ eos_token_id: 2 }, { eos_token_id: [3, 4] }, [3, 4]],
    [{ eos_token_id: [1, 2] }, { temperature: 1 }, [1, 2]],
    [{ eos_token_id: 2 }, { eos_token_id: null }, [2]],
    [{ eos_token_id: null }, undefined, []],
  ] as [object, unknown, number[]][])
    assert.deepEqual(await endTokens(t, config, generation), expected);
});

test("a tokenizer that names no EOS has the checkpoint's, if it is a control token; its fingerprint stays", async (t) => {
  const base = async (eos: string | undefined, ends: number | number[] | undefined) => {
    const folder = await mkdtemp(join(tmpdir(), "tagllm-eos-"));
    t.after(() => rm(folder, { recursive: true }));
    for (const name of ["tokenizer.json", "model.safetensors"])
      await symlink(join(defaultBase, name), join(folder, name));
    const read = async (name: string) => JSON.parse(await readFile(join(defaultBase, name), "utf8"));
    const { eos_token: _, ...tokenizer } = await read("tokenizer_config.json");
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify({ ...tokenizer, eos_token: eos }));
    const { eos_token_id: __, ...config } = await read("config.json");
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, eos_token_id: ends }));
    return readBase(folder, {});
  };
  const named = await base("</s>", 2);
  assert.deepEqual([named.tokenizer.eosId, named.endTokens], [2, [2]]);
  assert.deepEqual((await base("</s>", 100)).endTokens, [100, 2], "the tokenizer's EOS is always one");
  const unnamed = await base(undefined, undefined);
  assert.deepEqual([unnamed.tokenizer.eosId, unnamed.endTokens], [null, []]);
  const found = await base(undefined, [100, 2]);
  assert.deepEqual([found.tokenizer.eosId, found.endTokens], [2, [100, 2]]);
  assert.equal(found.tokenizer.fingerprint, unnamed.tokenizer.fingerprint);
  assert.equal((await base(undefined, 100)).tokenizer.eosId, null, "text");
});

test("what is no token is refused by name", async (t) => {
  for (const [config, generation, file] of [
    [{ eos_token_id: "</s>" }, undefined, "config.json"],
    [{}, { eos_token_id: [2, 10] }, "generation_config.json"],
    [{ eos_token_id: -1 }, undefined, "config.json"],
  ] as [object, unknown, string][])
    await assert.rejects(
      endTokens(t, config, generation),
      (e) =>
        e instanceof TagllmError && e.code === "model/config" && e.problem.includes(`${file}: eos_token_id`),
    );
  await assert.rejects(endTokens(t, {}, []), { code: "model/config-json" });
});
