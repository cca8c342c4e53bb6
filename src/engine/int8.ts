/** Frozen weights as 8-bit integers, in the layouts that integer products read. */
import type { IntegerWeight } from "../graph/quantise.ts";

export interface IntegerMatrix {
  readonly values: Int8Array;
  /** One for each column. */
  readonly scale: Float32Array;
}

/** @param weight f32 [out, in] @returns [in, out] forward, [out, in] backward, each column scaled by itself */
export function integerMatrix(
  weight: Float32Array,
  [out, into]: readonly [number, number],
  direction: IntegerWeight["direction"],
): IntegerMatrix {
  const forward = direction === "forward";
  const scale = new Float32Array(forward ? out : into);
  for (let o = 0, at = 0; o < out; o++) {
    for (let i = 0; i < into; i++, at++) {
      const column = forward ? o : i;
      scale[column] = Math.max(scale[column] as number, Math.abs(weight[at] as number));
    }
  }
  for (let c = 0; c < scale.length; c++) scale[c] = (scale[c] as number) / LARGEST || 1;
  const values = new Int8Array(out * into);
  if (forward) turnedInto(values, weight, scale, out, into);
  else {
    for (let o = 0, at = 0; o < out; o++)
      for (let i = 0; i < into; i++, at++) values[at] = rounded(weight[at] as number, scale[i] as number);
  }
  return { values, scale };
}

const LARGEST = 127;

/** Math.round takes several times as long. */
const rounded = (x: number, scale: number): number => ((x / scale + LARGEST + 1.5) | 0) - (LARGEST + 1);

/** Of a square of the matrix both what is read and what is written stay in the cache. */
const SQUARE = 64;

function turnedInto(
  values: Int8Array,
  weight: Float32Array,
  scale: Float32Array,
  out: number,
  into: number,
): void {
  for (let top = 0; top < out; top += SQUARE) {
    const end = Math.min(out, top + SQUARE);
    for (let left = 0; left < into; left += SQUARE) {
      for (let i = left; i < Math.min(into, left + SQUARE); i++)
        for (let o = top; o < end; o++)
          values[i * out + o] = rounded(weight[o * into + i] as number, scale[o] as number);
    }
  }
}
