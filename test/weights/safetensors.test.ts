/** The safetensors reader and writer: against files made byte by byte, against each other, and on the shipped base. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { symlink, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import {
  encodeSafetensors,
  readHeader,
  readTensor,
  readTensorSync,
  toFloat32,
} from "../../src/weights/safetensors.ts";
import fc from "../support/properties.ts";
import { floatBytes, inNewFolder, put, safetensorsBytes } from "./files.ts";

const POLYGLOT = new URL("../../models/polyglot-5m/model.safetensors", import.meta.url).pathname;

test("the shipped base reads as Python's struct module reads it", async () => {
  const { tensors, metadata } = await readHeader(POLYGLOT);
  assert.equal(tensors.size, 56);
  assert.deepEqual(metadata, { format: "pt" });
  const norm = tensors.get("model.norm.weight")!;
  const bytes = await readTensor(norm);
  assert.deepEqual([norm.dtype, norm.shape], ["BF16", [256]]);
  assert.equal(
    createHash("sha256").update(bytes).digest("hex"),
    "909d6f704e051233f748e52fa96b400e0c7db0b951427beaad1ad1a24d1eef98",
  );
  const embedding = tensors.get("model.embed_tokens.weight")!;
  const values = toFloat32(await readTensor(embedding), "BF16");
  assert.deepEqual([...values.slice(0, 4)], [0.056640625, -0.08447265625, -0.10546875, -0.11669921875]);
  assert.equal(
    values.reduce((sum, value) => sum + value, 0),
    1209.2509876443073,
  );
});

test("a file made byte by byte: order in the header is free, offsets count from its end", async () => {
  await inNewFolder(async (dir) => {
    const header =
      '{"b":{"data_offsets":[8,12],"shape":[],"dtype":"F32"} , "empty":{"dtype":"I64","shape":[0,7],"data_offsets":[8,8]},\n' +
      '"\\u00e9\\"":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__metadata__":{"k":"v","__proto__":"p"}}   ';
    const file = await put(dir, "x.safetensors", safetensorsBytes(header, floatBytes([1.5, -2, 3])));
    const { tensors, metadata } = await readHeader(file);
    const start = 8 + header.length;
    assert.deepEqual([...tensors.keys()], ["b", "empty", 'é"']);
    assert.deepEqual([tensors.get("b")!.begin, tensors.get("b")!.end], [start + 8, start + 12]);
    assert.deepEqual(Object.entries(metadata), [
      ["k", "v"],
      ["__proto__", "p"],
    ]);
    assert.deepEqual([...toFloat32(await readTensor(tensors.get('é"')!), "F32")], [1.5, -2]);
    assert.deepEqual([...toFloat32(await readTensor(tensors.get("b")!), "F32")], [3]);
    assert.equal((await readTensor(tensors.get("empty")!)).length, 0);
  });
});

test("writing gives the reference implementation's bytes", () => {
  const file = encodeSafetensors({ "attn.0": { dtype: "F32", shape: [1, 2, 3], data: new Float32Array(6) } });
  const header = '{"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}';
  assert.equal(header.length, 64);
  assert.deepEqual(Buffer.from(file), safetensorsBytes(header, new Uint8Array(24)));
});

test("wider dtypes come first, so that every tensor is aligned to its elements", () => {
  const tensor = (dtype: "U8" | "F32" | "F64", data: ArrayBufferView) => ({ dtype, shape: [1], data });
  const file = encodeSafetensors(
    {
      a: tensor("U8", new Uint8Array(1)),
      z: tensor("F64", new Float64Array(1)),
      m: tensor("F32", new Float32Array(1)),
    },
    { b: "2", a: "1" },
  );
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  assert.equal(length % 8, 0);
  assert.deepEqual(
    JSON.stringify(JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString())),
    JSON.stringify({
      __metadata__: { a: "1", b: "2" },
      z: { dtype: "F64", shape: [1], data_offsets: [0, 8] },
      m: { dtype: "F32", shape: [1], data_offsets: [8, 12] },
      a: { dtype: "U8", shape: [1], data_offsets: [12, 13] },
    }),
  );
});

test("what is written reads back, bit for bit, through both readers", async () => {
  const name = fc
    .string({ unit: "binary", minLength: 1 })
    .filter((text) => text !== "__metadata__" && !/\p{Surrogate}/u.test(text));
  const data = fc.oneof(
    fc.float32Array().map((array) => ({ dtype: "F32" as const, shape: [array.length], data: array })),
    fc.uint16Array().map((array) => ({ dtype: "BF16" as const, shape: [1, array.length], data: array })),
    fc.uint8Array().map((array) => ({ dtype: "U8" as const, shape: [array.length, 1], data: array })),
  );
  const texts = fc.dictionary(name, fc.string({ unit: "grapheme" }));
  await inNewFolder((dir) =>
    fc.assert(
      fc.asyncProperty(fc.dictionary(name, data), texts, async (tensors, metadata) => {
        const file = await put(dir, "t.safetensors", encodeSafetensors(tensors, metadata));
        const header = await readHeader(file);
        assert.deepEqual(new Set(header.tensors.keys()), new Set(Object.keys(tensors)));
        assert.deepEqual(new Map(Object.entries(header.metadata)), new Map(Object.entries(metadata)));
        for (const [key, { dtype, shape, data }] of Object.entries(tensors)) {
          const info = header.tensors.get(key)!;
          assert.deepEqual([info.dtype, info.shape], [dtype, shape]);
          const written = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
          assert.ok(written.equals(await readTensor(info)));
          assert.ok(written.equals(readTensorSync(info)));
        }
      }),
      { numRuns: 60 },
    ),
  );
});

test("a descriptor that the caller opened is used and left open", async () => {
  const { tensors } = await readHeader(POLYGLOT);
  const fd = openSync(POLYGLOT, "r");
  try {
    for (const info of tensors.values()) {
      assert.ok(Buffer.from(await readTensor(info)).equals(readTensorSync(info, fd)));
    }
  } finally {
    closeSync(fd);
  }
});

test("symlinks are resolved, so that replacing the link later changes nothing", async () => {
  await inNewFolder(async (dir) => {
    const tensors = { a: { dtype: "F32" as const, shape: [1], data: new Float32Array([7]) } };
    const blob = await put(dir, "blob", encodeSafetensors(tensors));
    await symlink(blob, join(dir, "model.safetensors"));
    const header = await readHeader(join(dir, "model.safetensors"));
    assert.equal(header.file, blob);
    assert.equal(header.tensors.get("a")!.file, blob);
  });
});

test("a file that shrinks after its header was read is truncated, not zeros", async () => {
  await inNewFolder(async (dir) => {
    const tensors = { a: { dtype: "F32" as const, shape: [4], data: new Float32Array(4) } };
    const file = await put(dir, "a.safetensors", encodeSafetensors(tensors));
    const info = (await readHeader(file)).tensors.get("a")!;
    await truncate(file, info.end - 1);
    const truncated = (error: unknown) =>
      error instanceof TagllmError && error.code === "weights/truncated" && error.message.includes(file);
    await assert.rejects(readTensor(info), truncated);
    assert.throws(() => readTensorSync(info), truncated);
  });
});

test("tensors that are not what they say are not written", () => {
  const data = new Float32Array(3);
  const refused = (code: string, text: string) => (error: unknown) =>
    error instanceof TagllmError && error.code === code && error.message.includes(text);
  assert.throws(
    () => encodeSafetensors({ v: { dtype: "F32", shape: [4], data } }),
    refused("weights/size", "[4]"),
  );
  assert.throws(
    () => encodeSafetensors({ v: { dtype: "F9" as "F32", shape: [3], data } }),
    refused("weights/dtype", "F9"),
  );
  assert.throws(
    () => encodeSafetensors({ __metadata__: { dtype: "F32", shape: [3], data } }),
    refused("weights/header-json", "__metadata__"),
  );
});
