/**
 * The number formats of safetensors: their sizes, and the conversion of stored weights to 32-bit floats.
 * Not arithmetic: nothing here rounds, except F64, which has no exact 32-bit form. Numbers are read in the byte
 * order of safetensors and of every machine that onnxruntime runs on, little-endian.
 */

import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";

/** Bits of one element, in the order in which the reference implementation sorts tensors (smallest first). */
export const dtypeBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const satisfies Record<string, number>;

export type Dtype = keyof typeof dtypeBits;

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(dtypeBits, name);
}

/** Bytes of a tensor, or null when they are no whole number of bytes or too many to count exactly. */
export function byteSize(dtype: Dtype, shape: readonly number[]): number | null {
  let bits: number = dtypeBits[dtype];
  for (const dim of shape) {
    bits *= dim;
    if (!Number.isSafeInteger(bits)) return null;
  }
  return bits % 8 === 0 ? bits / 8 : null;
}

/**
 * The numbers of a stored tensor, in storage order.
 * F32 is a view of the same memory when it is aligned to 4 bytes, everything else is a copy.
 * Throws weights/dtype for anything but F32, F16, BF16 and F64; weights/size for a fraction of an element.
 */
export function toFloat32(bytes: Uint8Array, dtype: Dtype): Float32Array {
  if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16" && dtype !== "F64") {
    throw new TagllmError(
      "weights/dtype",
      `Weights stored as ${quote(dtype)} cannot be read as floating-point numbers.`,
      "Convert the checkpoint to F32, F16 or BF16.",
    );
  }
  const size = dtypeBits[dtype] / 8;
  if (bytes.byteLength % size !== 0) {
    throw new TagllmError(
      "weights/size",
      `${bytes.byteLength} bytes are no whole number of ${dtype} elements of ${size} bytes.`,
      "Pass the bytes of a complete tensor.",
    );
  }
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const length = bytes.byteLength / size;
  switch (dtype) {
    case "F32":
      return new Float32Array(aligned.buffer, aligned.byteOffset, length);
    case "F64":
      return new Float32Array(new Float64Array(aligned.buffer, aligned.byteOffset, length));
    case "BF16":
      return widenBfloat16(new Uint16Array(aligned.buffer, aligned.byteOffset, length));
    case "F16":
      return widenFloat16(new Uint16Array(aligned.buffer, aligned.byteOffset, length));
  }
}

function widenBfloat16(stored: Uint16Array): Float32Array {
  const bits = new Uint32Array(stored.length);
  for (let i = 0; i < stored.length; i++) bits[i] = stored[i]! << 16;
  return new Float32Array(bits.buffer);
}

function widenFloat16(stored: Uint16Array): Float32Array {
  float16Table ??= makeFloat16Table();
  const table = float16Table;
  const bits = new Uint32Array(stored.length);
  for (let i = 0; i < stored.length; i++) bits[i] = table[stored[i]!]!;
  return new Float32Array(bits.buffer);
}

/** The 32-bit pattern of each of the 65,536 half-precision numbers, made at first use. */
let float16Table: Uint32Array | undefined;

function makeFloat16Table(): Uint32Array {
  const table = new Uint32Array(1 << 16);
  const subnormal = new Float32Array(1);
  const subnormalBits = new Uint32Array(subnormal.buffer);
  for (let half = 0; half < table.length; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    let magnitude: number;
    if (exponent === 0) {
      subnormal[0] = mantissa * 2 ** -24;
      magnitude = subnormalBits[0]!;
    } else {
      magnitude = ((exponent === 0x1f ? 0xff : exponent + 112) << 23) | (mantissa << 13);
    }
    table[half] = sign | magnitude;
  }
  return table;
}
