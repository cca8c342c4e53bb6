/** Checkpoint folders: one file, shards, and the fingerprint of the weights. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fingerprintTensors, openCheckpoint } from "../../src/weights/checkpoint.ts";
import { sampleBytes } from "../../src/weights/fingerprint.ts";
import { encodeSafetensors, readHeader, readTensor, toFloat32 } from "../../src/weights/safetensors.ts";
import { inNewFolder, put } from "./files.ts";

const f32 = (...values: number[]) => ({
  dtype: "F32" as const,
  shape: [values.length],
  data: new Float32Array(values),
});
const ramp = (length: number) => f32(...Array.from({ length }, (_, i) => i));

test("a folder with model.safetensors", async () => {
  const folder = new URL("../../models/polyglot-5m", import.meta.url).pathname;
  const checkpoint = await openCheckpoint(folder);
  assert.equal(checkpoint.folder, folder);
  assert.equal(checkpoint.config.model_type, "llama");
  assert.deepEqual(checkpoint.tensors.get("model.embed_tokens.weight")?.shape, [4096, 256]);
});

test("a sharded folder: tensors come from the shards that the index names, subfolders too", async () => {
  await inNewFolder(async (dir) => {
    await put(dir, "config.json", { model_type: "llama" });
    await mkdir(join(dir, "part"));
    await put(dir, "one.safetensors", encodeSafetensors({ a: f32(1), both: f32(10), unlisted: f32(0) }));
    await put(dir, "part/two.safetensors", encodeSafetensors({ b: f32(2), both: f32(20) }));
    const weight_map = { a: "one.safetensors", b: "part/two.safetensors", both: "part/two.safetensors" };
    await put(dir, "model.safetensors.index.json", { metadata: { total_size: 12 }, weight_map });
    const { tensors } = await openCheckpoint(dir);
    assert.deepEqual([...tensors.keys()].sort(), ["a", "b", "both"]);
    const values = new Map<string, number>();
    for (const [name, info] of tensors) values.set(name, toFloat32(await readTensor(info), "F32")[0]!);
    assert.deepEqual([values.get("a"), values.get("b"), values.get("both")], [1, 2, 20]);
  });
});

test("model.safetensors wins over an index beside it", async () => {
  await inNewFolder(async (dir) => {
    await put(dir, "config.json", "{}");
    await put(dir, "model.safetensors", encodeSafetensors({ a: f32(1) }));
    await put(dir, "model.safetensors.index.json", "damaged");
    assert.deepEqual([...(await openCheckpoint(dir)).tensors.keys()], ["a"]);
  });
});

async function fingerprintOf(dir: string, tensors: Parameters<typeof encodeSafetensors>[0]): Promise<string> {
  const file = await put(dir, "f.safetensors", encodeSafetensors(tensors));
  return fingerprintTensors((await readHeader(file)).tensors);
}

test("the fingerprint is the SHA-256 of names, dtypes, shapes and bytes", async () => {
  await inNewFolder(async (dir) => {
    const hash = createHash("sha256");
    hash.update('["a","F32",[1],4]\n').update(new Uint8Array([0, 0, 0xc0, 0x3f]));
    hash.update('["b","U8",[2],2]\n').update(new Uint8Array([7, 8]));
    const b = { dtype: "U8" as const, shape: [2], data: new Uint8Array([7, 8]) };
    assert.equal(await fingerprintOf(dir, { b, a: f32(1.5) }), hash.digest("hex"));
  });
});

test("a large tensor is sampled in 18 windows, first and last bytes included, without gaps over 1/17", async () => {
  await inNewFolder(async (dir) => {
    const length = 100_000;
    const file = await put(dir, "f.safetensors", encodeSafetensors({ a: ramp(length) }));
    const info = (await readHeader(file)).tensors.get("a")!;
    const sample = await sampleBytes(info);
    assert.equal(sample.length, 18 * 64);
    const whole = Buffer.from(await readTensor(info));
    const starts = Array.from({ length: 18 }, (_, i) => whole.indexOf(sample.subarray(i * 64, i * 64 + 64)));
    assert.equal(starts[0], 0);
    assert.equal(starts[17], length * 4 - 64);
    for (let i = 1; i < 18; i++)
      assert.ok(Math.abs(starts[i]! - starts[i - 1]! - (length * 4 - 64) / 17) < 2);
  });
});

test("the fingerprint sees values, names, shapes and dtypes, and not how files are split", async () => {
  await inNewFolder(async (dir) => {
    const base = await fingerprintOf(dir, { a: ramp(5000), b: f32(1, 2) });
    const noise = { ...ramp(5000), data: new Float32Array(5000).map((_, i) => i + 1e-3) };
    assert.notEqual(await fingerprintOf(dir, { a: noise, b: f32(1, 2) }), base);
    assert.notEqual(await fingerprintOf(dir, { a: ramp(5000), c: f32(1, 2) }), base);
    assert.notEqual(await fingerprintOf(dir, { a: ramp(5000), b: { ...f32(1, 2), shape: [2, 1] } }), base);
    assert.notEqual(await fingerprintOf(dir, { a: ramp(5000), b: { ...f32(1, 2), dtype: "I32" } }), base);
    await put(dir, "config.json", "{}");
    await put(dir, "1.safetensors", encodeSafetensors({ b: f32(1, 2) }));
    await put(dir, "2.safetensors", encodeSafetensors({ a: ramp(5000) }));
    const weight_map = { b: "1.safetensors", a: "2.safetensors" };
    await put(dir, "model.safetensors.index.json", { weight_map });
    assert.equal(await fingerprintTensors((await openCheckpoint(dir)).tensors), base);
  });
});
