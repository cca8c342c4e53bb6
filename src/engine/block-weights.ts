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
  let best: Rounding | null = null;
  let bestError = Number.POSITIVE_INFINITY;
  for (const low of CUTS[bits]) {
    for (const high of CUTS[bits]) {
      const scale = Math.fround((largest * high - least * low) / most) || 1;
      const tried = { scale, zero: Math.round((-least * low) / scale), most };
      let error = 0;
      for (const x of block) error += ((rounded(x, tried) - tried.zero) * scale - x) ** 2;
      if (error < bestError) [best, bestError] = [tried, error];
    }
  }
  return best as Rounding;
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
