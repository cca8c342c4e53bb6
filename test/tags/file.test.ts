/** Tag files: what is saved is what is loaded, replacement is whole, and the digest means what it says. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { baseFingerprint } from "../../src/models/fingerprint.ts";
import { requireBase } from "../../src/tags/base.ts";
import { loadTag, saveTag } from "../../src/tags/file.ts";
import { listTags, openTags, requireTag, requireUsedTags } from "../../src/tags/library.ts";
import { type Tag, tagDigest, tagSpec } from "../../src/tags/tag.ts";
import { readHeader } from "../../src/weights/safetensors.ts";
import { domainTag, functionTag, sampleBase } from "./sample.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tagllm-tags-"));
});
after(() => rm(folder, { recursive: true }));

const saved = async (tag: Tag, where = folder) => {
  const file = join(where, `${tag.name}.safetensors`);
  await saveTag(file, tag);
  return file;
};

test("every kind of tag comes back as it was saved", async () => {
  const head = functionTag().head!;
  for (const tag of [
    domainTag(),
    domainTag({ splitCharacters: false, isolate: false, provenance: {} }),
    functionTag(),
    functionTag({ head: { ...head, bias: null }, scaling: null }),
    functionTag({ head: null, scaling: null, outputs: ["target"], template: null, usesTags: [] }),
    domainTag({ name: "A.b-c_9", length: 3 }),
  ]) {
    assert.deepEqual(await loadTag(await saved(tag)), tag);
  }
});

test("vectors may be a view into a larger array", async () => {
  const large = Float32Array.from({ length: 40 }, (_, i) => i);
  const loaded = await loadTag(await saved(domainTag({ vectors: large.subarray(5, 17) })));
  assert.deepEqual([...loaded.vectors], [...large.subarray(5, 17)]);
});

test("the file is plain safetensors that names its format", async () => {
  const { tensors, metadata } = await readHeader(await saved(functionTag()));
  assert.deepEqual([...tensors.keys()].sort(), ["head.bias", "head.weight", "vectors"]);
  assert.deepEqual(tensors.get("vectors")?.shape, [3, 4]);
  assert.equal(metadata.format, "tagllm-tag");
  assert.equal(metadata.format_version, "1");
});

test("saving replaces the file, leaves nothing beside it, and makes the folder", async () => {
  const deep = join(folder, "new", "deeper");
  await saved(domainTag(), deep);
  await Promise.all([1, 2, 3, 4].map((steps) => saved(domainTag({ provenance: { steps } }), deep)));
  assert.deepEqual(await readdir(deep), ["SMILES.safetensors"]);
  assert.equal(typeof (await loadTag(join(deep, "SMILES.safetensors"))).provenance.steps, "number");
});

test("a write that fails leaves nothing beside the file", async () => {
  const blocked = join(folder, "blocked");
  await mkdir(join(blocked, "SMILES.safetensors"), { recursive: true });
  await assert.rejects(saved(domainTag(), blocked), { code: "tag/write", message: /SMILES\.safetensors/ });
  assert.deepEqual(await readdir(blocked), ["SMILES.safetensors"]);
});

test("a tag that could not be loaded is not saved, and the old file stays", async () => {
  const file = await saved(domainTag());
  const old = await readFile(file);
  await assert.rejects(
    saveTag(file, domainTag({ vectors: new Float32Array(12).fill(Number.NaN) })),
    /is NaN/,
  );
  assert.deepEqual(await readFile(file), old);
});

test("any one flipped bit of the file is noticed, except in provenance", async () => {
  const file = await saved(functionTag({ provenance: {} }));
  const whole = await readFile(file);
  const digest = tagDigest(await loadTag(file));
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at]! ^= 1 << (at % 8);
    await writeFile(file, flipped);
    const loaded = await loadTag(file).catch((error) => error);
    if (loaded instanceof Error) assert.equal(loaded.name, "TagllmError", `byte ${at}: ${loaded.stack}`);
    else assert.equal(tagDigest(loaded), digest, `byte ${at}`);
  }
  for (let length = 0; length < whole.length; length += 7) {
    await writeFile(file, whole.subarray(0, length));
    await assert.rejects(loadTag(file), { name: "TagllmError", code: "tag/damaged" });
  }
});

test("the digest follows what a tag does and nothing else", () => {
  const digest = tagDigest(functionTag());
  assert.match(digest, /^[0-9a-f]{64}$/);
  const head = functionTag().head!;
  for (const same of [
    { provenance: { created: "2031-05-05T00:00:00Z" } },
    { base: { ...sampleBase, name: "a copy of tiny" } },
    { vectors: Float32Array.from(functionTag().vectors) },
  ]) {
    assert.equal(tagDigest(functionTag(same)), digest);
  }
  const others = [
    { name: "Other" },
    { vectors: functionTag().vectors.map((value, i) => (i === 11 ? value + 1e-6 : value)) },
    { head: { ...head, bias: null } },
    { head: { ...head, weight: head.weight.map((value) => -value) } },
    { scaling: null },
    { template: "x <QED>" },
    { outputs: ["logp", "qed"] },
    { usesTags: [] },
    { base: baseFingerprint({ ...sampleBase, weights: "other" }) },
  ].map((change) => tagDigest(functionTag(change)));
  assert.equal(new Set([digest, ...others]).size, others.length + 1);
});

test("a tag's spec for prompts", () => {
  assert.deepEqual(tagSpec(domainTag()), {
    name: "SMILES",
    kind: "domain",
    length: 3,
    splitCharacters: true,
    isolate: true,
  });
});

test("a library lists damaged files beside the good ones and refuses to open them", async () => {
  const library = join(folder, "library");
  await saved(domainTag(), library);
  await saved(functionTag(), library);
  await writeFile(join(library, "README.md"), "a card");
  assert.deepEqual([...(await openTags(library)).keys()], ["QED", "SMILES"]);

  await writeFile(join(library, "Broken.safetensors"), "not at all");
  const listed = await listTags(library);
  assert.deepEqual(
    listed.map((entry) => ("tag" in entry ? entry.tag.name : entry.error.code)),
    ["tag/damaged", "QED", "SMILES"],
  );
  await assert.rejects(openTags(library), { code: "tag/damaged", message: /Broken\.safetensors/ });
  assert.deepEqual([...(await openTags([join(library, "QED.safetensors")])).keys()], ["QED"]);
});

test("asking a library for a tag", () => {
  const tags = new Map([domainTag(), functionTag()].map((tag) => [tag.name, tag]));
  assert.equal(requireTag(tags, "QED").name, "QED");
  assert.throws(() => requireTag(tags, "smile"), { code: "tag/unknown", message: /Did you mean "SMILES"\?/ });
});

test("a function tag accepts the domain tags it knew and strangers, not other versions", () => {
  const known = domainTag();
  const asker = functionTag({ usesTags: [{ name: "SMILES", sha256: tagDigest(known) }] });
  requireUsedTags(asker, new Map([["SMILES", known]]));
  requireUsedTags(asker, new Map([["Protein", domainTag({ name: "Protein" })]]));
  const retrained = domainTag({ vectors: known.vectors.map((value) => value * 1.01) });
  assert.throws(() => requireUsedTags(asker, new Map([["SMILES", retrained]])), {
    code: "tag/changed",
    message: /"QED" was trained beside "SMILES"/,
  });
});

test("a base under another name is the same base; any other difference is named", () => {
  requireBase(domainTag(), { ...sampleBase, name: "/models/tiny" });
  const other = baseFingerprint({ ...sampleBase, name: "large", hiddenSize: 8, weights: "z".repeat(64) });
  assert.notEqual(other.id, sampleBase.id);
  assert.throws(() => requireBase(domainTag(), other), {
    code: "tag/wrong-base",
    message:
      /"SMILES" was trained on the base "tiny" .* used with "large" .*hiddenSize 4, not 8; weights "b+…", not "z+…"/,
  });
});

test("a file that was cut off is named once", async () => {
  const file = await saved(domainTag({ name: "Cut" }));
  await writeFile(file, (await readFile(file)).subarray(0, -8));
  await assert.rejects(loadTag(file), (error: Error & { code: string }) => {
    assert.equal(error.code, "tag/damaged");
    assert.equal(error.message.split(file).length, 2, error.message);
    return true;
  });
});

test("a tag as wide as another base than its own is no tag", async () => {
  const tag = domainTag();
  const base = { ...tag.base, hiddenSize: tag.width + 1 };
  await assert.rejects(saveTag(join(folder, "wide.safetensors"), { ...tag, base }), {
    code: "tag/shape",
    message: /the width is/,
  });
});
