/** Conversions of stored weights, each against numbers computed another way. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { byteSize } from "../../src/weights/dtypes.ts";
import { toFloat32 } from "../../src/weights/safetensors.ts";
import fc from "../support/properties.ts";

const view = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** IEEE 754 half precision by its definition, in floating-point arithmetic. */
function halfByDefinition(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = Math.floor(bits / 1024) % 32;
  const fraction = (bits % 1024) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

test("F16: all 65,536 numbers equal the definition", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const floats = toFloat32(view(all), "F16");
  for (let bits = 0; bits < 65536; bits++) {
    assert.ok(Object.is(floats[bits], halfByDefinition(bits)), `${bits}: ${floats[bits]}`);
  }
});

test("BF16: all 65,536 patterns are the upper half of the 32-bit pattern", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const floats = toFloat32(view(all), "BF16");
  const dataView = new DataView(new ArrayBuffer(4));
  for (let bits = 0; bits < 65536; bits++) {
    dataView.setUint16(2, bits, true);
    assert.ok(Object.is(floats[bits], dataView.getFloat32(0, true)), `${bits}`);
  }
  assert.equal(floats[0x3f80], 1);
  assert.equal(floats[0x0001], 2 ** -133);
});

test("F32 is a view of the same memory when aligned, a copy otherwise", () => {
  const source = new Float32Array([1, -0, 2 ** -149, Number.POSITIVE_INFINITY, Number.NaN]);
  assert.equal(toFloat32(view(source), "F32").buffer, source.buffer);
  const shifted = new Uint8Array(source.byteLength + 1);
  shifted.set(view(source), 1);
  assert.deepEqual(toFloat32(shifted.subarray(1), "F32"), source);
});

test("F64 rounds to the nearest float", () => {
  fc.assert(
    fc.property(fc.array(fc.double()), (values) => {
      const floats = toFloat32(view(Float64Array.from(values)), "F64");
      assert.ok(values.every((value, i) => Object.is(floats[i], Math.fround(value))));
    }),
  );
});

test("misaligned 16-bit bytes read as aligned ones do", () => {
  const bytes = new Uint8Array([0, 0x00, 0x3c, 0x01, 0x80]);
  assert.deepEqual([...toFloat32(bytes.subarray(1), "F16")], [1, -(2 ** -24)]);
});

test("integers and fractions of an element are refused by name", () => {
  assert.throws(
    () => toFloat32(new Uint8Array(8), "I64"),
    (error) =>
      error instanceof TagllmError && error.code === "weights/dtype" && error.message.includes("I64"),
  );
  assert.throws(
    () => toFloat32(new Uint8Array(6), "F32"),
    (error) =>
      error instanceof TagllmError && error.code === "weights/size" && error.message.includes("6 bytes"),
  );
});

test("sizes count exactly or not at all", () => {
  assert.equal(byteSize("F32", []), 4);
  assert.equal(byteSize("BF16", [3, 0, 5]), 0);
  assert.equal(byteSize("F4", [3]), null);
  assert.equal(byteSize("F4", [4]), 2);
  assert.equal(byteSize("U8", [2 ** 50, 2]), null);
  assert.equal(byteSize("U8", [2 ** 26, 2 ** 23]), 2 ** 49);
});
