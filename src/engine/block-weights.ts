/** Frozen weights in 4 or 8 bits, in the layout that MatMulNBits reads. */
import { type Bits, BLOCK, type BlockWeight, blockSizes } from "../graph/weight-only.ts";

/** A number is (value - zero) * scale; values and zeros of 4 bits stand two in a byte, the first in the low half. */
export interface BlockMatrix {
  readonly values: Uint8Array;
  readonly scale: Float32Array;
  readonly zero: Uint8Array;
}

/** Parts of a block's range that are tried for either end: what is outside is cut, the rest has finer steps. */
const CUTS: Readonly<Record<Bits, readonly number[]>> = { 4: [1, 0.92, 0.84], 8: [1] };

/** @param shape of the f32 weight as it is stored */
export function blockMatrix(
  weight: Float32Array,
  shape: readonly [number, number],
  { bits, stored }: Pick<BlockWeight, "bits" | "stored">,
): BlockMatrix {
  const [out, into] = stored === "rows" ? shape : [shape[1], shape[0]];
  const [rowStep, step] = stored === "rows" ? [into, 1] : [1, out];
  const made = emptyMatrix(out, into, bits);
  const blocks = Math.ceil(into / BLOCK);
  const zeroRow = made.zero.length / out;
  const put = bits === 8 ? putByte : putHalf;
  const own = new Float32Array(BLOCK);
  for (let o = 0; o < out; o++) {
    for (let b = 0; b < blocks; b++) {
      const count = Math.min(BLOCK, into - b * BLOCK);
      for (let i = 0; i < count; i++) own[i] = weight[o * rowStep + (b * BLOCK + i) * step] as number;
      const rounding = bestRounding(own.subarray(0, count), bits);
      const at = o * blocks + b;
      made.scale[at] = rounding.scale;
      put(made.zero, o * zeroRow, b, rounding.zero);
      for (let i = 0; i < count; i++)
        put(made.values, 0, at * BLOCK + i, rounded(own[i] as number, rounding));
    }
  }
  return made;
}

interface Rounding {
  readonly scale: number;
  readonly zero: number;
  readonly most: number;
}

const rounded = (x: number, { scale, zero, most }: Rounding): number =>
  Math.min(most, Math.max(0, Math.round(x / scale) + zero));

/** The one with the least squared error; 0 stays 0. */
function bestRounding(block: Float32Array, bits: Bits): Rounding {
  const most = 2 ** bits - 1;
  let [least, largest] = [0, 0];
  for (const x of block) {
    if (x < least) least = x;
    else if (x > largest) largest = x;
  }
  const whole = roundingOf(least, largest, most);
  let [best, bestError] = [whole, Number.POSITIVE_INFINITY];
  const cuts = CUTS[bits];
  if (cuts.length === 1) return whole;
  for (const low of cuts) {
    for (const high of cuts) {
      const tried = roundingOf(least * low, largest * high, most);
      const error = squaredError(block, tried, bestError);
      if (error < bestError) [best, bestError] = [tried, error];
    }
  }
  return best;
}

function roundingOf(least: number, largest: number, most: number): Rounding {
  const scale = Math.fround((largest - least) / most) || 1;
  return { scale, zero: Math.round(-least / scale), most };
}

/** In the inner loop of all weights: no calls, and no further than to what is already too much. */
function squaredError(block: Float32Array, { scale, zero, most }: Rounding, enough: number): number {
  const [low, high, inverse] = [-zero, most - zero, 1 / scale];
  let error = 0;
  for (let i = 0; i < block.length; i++) {
    const x = block[i] as number;
    let value = Math.floor(x * inverse + 0.5);
    if (value < low) value = low;
    else if (value > high) value = high;
    const off = value * scale - x;
    error += off * off;
    if (error > enough) break;
  }
  return error;
}

export function emptyMatrix(out: number, into: number, bits: Bits): BlockMatrix {
  const { values, scale, zero } = blockSizes(out, into, bits);
  return {
    values: new Uint8Array(values.reduce((n, d) => n * d)),
    scale: new Float32Array(scale[0]),
    zero: new Uint8Array(zero[0]),
  };
}

function putByte(to: Uint8Array, begin: number, at: number, value: number): void {
  to[begin + at] = value;
}

function putHalf(to: Uint8Array, begin: number, at: number, value: number): void {
  const byte = begin + (at >> 1);
  to[byte] = (to[byte] as number) | (value << (4 * (at & 1)));
}
