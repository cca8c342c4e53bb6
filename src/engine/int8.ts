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
  const columns = direction === "forward" ? out : into;
  const columnOf = (o: number, i: number) => (direction === "forward" ? o : i);
  const scale = new Float32Array(columns);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < into; i++) {
      const c = columnOf(o, i);
      scale[c] = Math.max(scale[c] as number, Math.abs(weight[o * into + i] as number));
    }
  }
  for (let c = 0; c < columns; c++) scale[c] = (scale[c] as number) / 127 || 1;
  const values = new Int8Array(out * into);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < into; i++) {
      const at = direction === "forward" ? i * out + o : o * into + i;
      values[at] = Math.round((weight[o * into + i] as number) / (scale[columnOf(o, i)] as number));
    }
  }
  return { values, scale };
}
