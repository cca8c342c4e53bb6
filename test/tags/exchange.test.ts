/** Vectors of other programs become tags and go back: against files that numpy wrote, and bit for bit. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { exportTag, type ImportOptions, importTag } from "../../src/tags/exchange.ts";
import { loadTag, saveTag, tagFile } from "../../src/tags/file.ts";
import { embeddingStats } from "../../src/tags/init.ts";
import { encodeNpy, readNpy } from "../../src/tags/npy.ts";
import { readPeft } from "../../src/tags/peft.ts";
import { tagDigest } from "../../src/tags/tag.ts";
import fc from "../support/properties.ts";
import { domainTag } from "./sample.ts";

const golden = fileURLToPath(new URL("../golden/foreign/", import.meta.url));
let base: Base;
let folder: string;
before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "tagllm-exchange-"));
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const expected = Array.from({ length: 12 }, (_, i) => (i - 5) / 8);

for (const name of ["f4-v1", "f8-v2", "f2-v3", "f4-fortran", "f4-batch", "f8-fortran-batch"]) {
  test(`${name}.npy, written by numpy`, async () => {
    const { rows, width, values } = await readNpy(join(golden, `${name}.npy`));
    assert.deepEqual([rows, width], [3, 4]);
    assert.deepEqual([...values], expected);
  });
}

test("our .npy is numpy's, byte for byte", async () => {
  const ours = encodeNpy({ rows: 3, width: 4, values: Float32Array.from(expected) });
  assert.deepEqual(Buffer.from(ours), await readFile(join(golden, "f4-v1.npy")));
});

test("any matrix comes back from .npy", async () => {
  const file = join(folder, "any.npy");
  const float = fc.float({ noNaN: true });
  const matrices = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
    .chain(([rows, width]) =>
      fc
        .array(float, { minLength: rows * width, maxLength: rows * width })
        .map((values) => ({ rows, width, values: Float32Array.from(values) })),
    );
  await fc.assert(
    fc.asyncProperty(matrices, async (matrix) => {
      await writeFile(file, encodeNpy(matrix));
      assert.deepEqual(await readNpy(file), matrix);
    }),
    { numRuns: 50 },
  );
});

test("adapters of PEFT, by folder or file", async () => {
  for (const path of ["prompt-tuning", "prompt-tuning/adapter_model.safetensors", "p-tuning"]) {
    const { rows, width, values, baseName } = await readPeft(join(golden, path));
    assert.deepEqual([rows, width, baseName], [2, 256, "models/polyglot-5m"]);
    assert.deepEqual([...values], [...new Array(256).fill(1 / 16), ...new Array(256).fill(2 / 16)]);
  }
});

const into = (options: Partial<ImportOptions> & { name: string }): ImportOptions => ({
  kind: "domain",
  into: folder,
  ...options,
});

/** A .npy of two vectors, every number of them `value`. */
async function npy(value: number, rows = 2, width = 256): Promise<string> {
  const file = join(folder, `${value}-${rows}-${width}.npy`);
  await writeFile(file, encodeNpy({ rows, width, values: new Float32Array(rows * width).fill(value) }));
  return file;
}

test("a domain tag and a function tag that asks for it, bound to the base and to each other", async () => {
  const word = await importTag(await npy(1 / 16), base, into({ name: "Word", splitCharacters: true }));
  assert.deepEqual(word.warnings, []);
  assert.deepEqual(await loadTag(word.file), word.tag);
  const { vectors: _, provenance, ...rest } = word.tag;
  assert.deepEqual(rest, {
    name: "Word",
    kind: "domain",
    length: 2,
    width: 256,
    head: null,
    scaling: null,
    splitCharacters: true,
    isolate: true,
    bos: false,
    template: null,
    outputs: [],
    usesTags: [],
    base: base.fingerprint,
  });
  assert.equal(provenance.importedFrom, "0.0625-2-256.npy");

  const template = "The word <Word> {word} is <Mood> {mood}.";
  const mood = await importTag(
    join(golden, "prompt-tuning"),
    base,
    into({ name: "Mood", kind: "function", template, bos: true }),
  );
  assert.deepEqual(mood.tag.usesTags, [{ name: "Word", sha256: tagDigest(word.tag) }]);
  assert.deepEqual([mood.tag.outputs, mood.tag.template, mood.tag.bos], [["mood"], template, true]);
  assert.equal(mood.tag.provenance.method, "PROMPT_TUNING");
});

test("vectors far from the norm of embeddings are told, those near are not", async () => {
  const rows = await base.embeddingRows();
  const { meanNorm } = embeddingStats({ rows, vocab: base.architecture.vocabSize, width: 256 });
  for (const [times, warned] of [
    [0.1, true],
    [0.3, false],
    [1, false],
    [4.9, false],
    [5.1, true],
  ] as const) {
    const file = await npy((times * meanNorm) / 16);
    const { warnings } = await importTag(file, base, into({ name: `Norm-${times}` }));
    assert.equal(warnings.length === 1, warned, `${times}: ${warnings}`);
    if (warned)
      assert.match(warnings[0] as string, /^2 of 2 vectors are unlike the base's embeddings: their norms/);
  }
});

test("what was exported is imported the same", async () => {
  const vectors = (await base.embeddingRows()).slice(1000, 1000 + 3 * 256);
  const tag = domainTag({ name: "Given", vectors, width: 256, base: base.fingerprint });
  for (const format of ["npy", "peft"] as const) {
    const out = join(folder, `given.${format}`);
    await exportTag(tag, format, out);
    const { tag: back } = await importTag(out, base, into({ name: `From-${format}`, splitCharacters: true }));
    assert.deepEqual(back.vectors, vectors);
    assert.deepEqual({ ...back, name: tag.name, provenance: tag.provenance }, tag);
    await assert.rejects(exportTag(tag, format, out), { code: "tag/write", message: /is there already/ });
  }
  assert.deepEqual((await readdir(join(folder, "given.peft"))).sort(), [
    "adapter_config.json",
    "adapter_model.safetensors",
  ]);
});

test("what cannot become a tag is refused, and nothing is written", async () => {
  const good = await npy(1 / 16);
  await saveTag(tagFile(folder, "There"), domainTag({ name: "There" }));
  const before = await readdir(folder);
  const attempts: [path: string, options: Partial<ImportOptions>, code: string, message: RegExp][] = [
    [good, { name: "There" }, "tag/duplicate", /There\.safetensors is there already/],
    [good, { name: "a b" }, "tag/name", /"a b"/],
    [join(golden, "f4-v1.npy"), {}, "import/shape", /3 vectors of 4 numbers, .* "polyglot-5m" is 256 wide/],
    [await npy(1, 256, 2), {}, "import/shape", /It may be transposed/],
    [await npy(1, 1024), {}, "import/shape", /1024 vectors, .* reads 1024 positions/],
    [await npy(Number.NaN), {}, "tag/not-finite", /NaN/],
    [await npy(1e30), { template: "<X>" }, "import/answer", /a domain tag and has a template/],
    [good, { output: "y" }, "import/answer", /a domain tag and has an answer/],
    [good, { kind: "function" }, "import/answer", /"X" has no template/],
    [good, { kind: "function", template: "{a}" }, "import/answer", /does not end in <X>/],
    [good, { kind: "function", template: "<Gone> {a} <X>" }, "tag/missing", /Gone/],
    [good, { kind: "function", template: "<X> {a} {b}" }, "prompts/function-tag", /\{b\} stands after/],
    [good, { kind: "function", template: "<There> {a} <X>" }, "tag/wrong-base", /"There"/],
  ];
  const made = [...before, "1-256-2.npy", "1-1024-256.npy", "NaN-2-256.npy", "1e+30-2-256.npy"].sort();
  for (const [path, options, code, message] of attempts)
    await assert.rejects(importTag(path, base, into({ name: "X", ...options })), { code, message });
  assert.deepEqual((await readdir(folder)).sort(), made);
});
