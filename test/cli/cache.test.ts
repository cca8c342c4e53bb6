/** `disk: GB` in a study: what is stored, that a later run uses it and gets the same tags, `tagllm cache`. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generate } from "../../src/generate/generate.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { tagHashes } from "../support/kills.ts";
import { run, temporaryFolder, writeStudy } from "./command.ts";

test("keys and values on disk serve a later run; they are listed and deleted", async (t) => {
  const folder = temporaryFolder(t);
  process.env.TAGLLM_CACHE = join(folder, "cache");
  t.after(() => delete process.env.TAGLLM_CACHE);
  const ask = async (...words: string[]) => {
    const { code, stdout, stderr } = await run(words, folder);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.match(await ask("cache", "ls"), /^Nothing is stored in .*cache\.\n$/);
  const file = writeStudy(folder, 3);
  writeFileSync(file, `disk: 1\n${readFileSync(file, "utf8")}`);
  assert.match(
    await ask("train", file, "--dry-run"),
    /domain stores nothing.*\nsize stores everything before the trained tags: [\d.]+ [kM]B of keys and values, also in files \(up to 1 GB in .*blocks\)\.\n/,
  );
  await ask("train", file, "--out", "one");
  const listed = async () =>
    (JSON.parse(await ask("cache", "ls", "--json")) as { stored: { files: number; bytes: number }[] }).stored;
  const [first] = await listed();
  assert.ok(first && first.files > 40 && first.bytes > 1e5, JSON.stringify(first));
  assert.match(await ask("cache", "ls"), /polyglot-5m {2}keys and values {2}f32, cpu .* yes\n/);

  await ask("train", file, "--out", "two");
  assert.deepEqual(await tagHashes(join(folder, "two")), await tagHashes(join(folder, "one")));
  assert.equal((await listed())[0]?.files, first.files);
  await ask("train", file, "--out", "plain", "--no-reuse");

  assert.match(await ask("cache", "prune"), /^Nothing to delete in /);
  assert.match(await ask("cache", "prune", "--older", "1"), /^Nothing to delete in /);
  assert.match(
    await ask("cache", "prune", "--all"),
    /^[\d.]+ [kM]B freed: [0-9a-f]{16} \(polyglot-5m\)\.\n$/,
  );
  assert.match(await ask("cache", "ls"), /^Nothing is stored/);
});

test("weights in few bits are made by generate, listed, and nothing is trained on them", async (t) => {
  const folder = temporaryFolder(t);
  process.env.TAGLLM_CACHE = join(folder, "cache");
  t.after(() => delete process.env.TAGLLM_CACHE);
  const say = (precision: string) =>
    run(["generate", "--prompt", "Et Dieu dit", "--max-tokens", "4", "--precision", precision], folder);
  const base = await Base.load(defaultBase, { precision: "4bit" });
  const [expected] = await generate(base, ["Et Dieu dit"], { maxTokens: 4 });
  await base.close();
  assert.equal((await say("4bit")).stdout, `${expected?.text}\n`);
  await say("8bit");
  const { stdout } = await run(["cache", "ls"], folder);
  for (const precision of ["4bit", "8bit"])
    assert.match(stdout, new RegExp(`polyglot-5m {2}weights +${precision} +43 .* yes\n`));
  const refused = await run(["train", writeStudy(folder, 3), "--precision", "8bit"], folder);
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /error\[engine\/precision\]: With weights in 8 bits nothing can be trained/);
});
