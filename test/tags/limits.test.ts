/** The longest prompt and the longest answer of a tag's training, as its file keeps them. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { modelCard } from "../../src/tags/card.ts";
import { loadTag, saveTag } from "../../src/tags/file.ts";
import { encodeMetadata } from "../../src/tags/metadata.ts";
import { longestPrompt, type Tag, tagDigest } from "../../src/tags/tag.ts";
import { encodeSafetensors, readHeader } from "../../src/weights/safetensors.ts";
import { domainTag, functionTag } from "./sample.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tagllm-limits-"));
});
after(() => rm(folder, { recursive: true }));

const saying = (changes: Partial<Tag> = {}): Tag =>
  functionTag({ name: "Say", head: null, scaling: null, outputs: ["answer"], ...changes });

async function saved(tag: Tag): Promise<string> {
  const file = join(folder, `${tag.name}.safetensors`);
  await saveTag(file, tag);
  return file;
}

test("they come back as they were saved, and count as what a tag does", async () => {
  for (const tag of [
    domainTag({ maxTokens: 48 }),
    functionTag({ maxTokens: 1 }),
    saying({ answerTokens: 200 }),
    saying({ maxTokens: 48, answerTokens: 6 }),
  ])
    assert.deepEqual(await loadTag(await saved(tag)), tag);
  const digests = [{}, { maxTokens: 48 }, { maxTokens: 49 }, { answerTokens: 48 }].map((limits) =>
    tagDigest(saying(limits)),
  );
  assert.equal(new Set(digests).size, digests.length);
});

test("a tag without them has the file and the digest that it had before there were any", async () => {
  const { metadata } = await readHeader(await saved(saying()));
  assert.equal(Object.hasOwn(metadata, "max_tokens") || Object.hasOwn(metadata, "answer_tokens"), false);
  assert.equal(tagDigest(domainTag()), "e5558a14d4289a72bc228bc7f7777860a8a1ed5a4e468796151e27f75d30d882");
  assert.equal(tagDigest(functionTag()), "cbb4ba30625debfe0dd196791b4d5fcb8c42bf2650ba849d9e551814ab569d93");
});

test("what is no length is refused, read or written", async () => {
  const file = join(folder, "Say.safetensors");
  const vectors = { dtype: "F32" as const, shape: [3, 4], data: saying().vectors };
  for (const entry of ["max_tokens", "answer_tokens"])
    for (const text of ["0", "-1", "1.5", '"48"', "many", "", "null"]) {
      const metadata = { ...encodeMetadata(saying()), [entry]: text };
      await writeFile(file, encodeSafetensors({ vectors }, metadata));
      await assert.rejects(loadTag(file), (error: Error & { code?: string }) => {
        assert.equal(error.code, "tag/metadata", `${entry} ${text}: ${error.message}`);
        assert.ok(error.message.includes(entry), error.message);
        return true;
      });
    }
  for (const limits of [{ maxTokens: 0 }, { maxTokens: 2.5 }, { answerTokens: -1 }])
    await assert.rejects(saved(saying(limits)), {
      code: "tag/metadata",
      message: /longest (prompt|answer) of "Say"/,
    });
  await assert.rejects(saved(domainTag({ answerTokens: 8 })), { code: "tag/kind" });
  await assert.rejects(saved(functionTag({ answerTokens: 8 })), {
    code: "tag/metadata",
    message: /has a head/,
  });
});

test("a prompt is as long as the tag says, and no longer than the base", () => {
  assert.deepEqual(
    [{}, { maxTokens: 48 }, { maxTokens: 5000 }].map((limits) => longestPrompt(saying(limits), 1024)),
    [1024, 48, 1024],
  );
});

test("the card says them", () => {
  const card = modelCard([saying({ maxTokens: 48, answerTokens: 200 })], { repo: "ORG/say" });
  assert.match(
    card,
    /Prompts are cut to 48 tokens, as they were in training\. Answers have up to 200 tokens\./,
  );
  assert.doesNotMatch(modelCard([saying()], { repo: "ORG/say" }), /are cut to|have up to/);
});
