/** Reads golden safetensors files and compares arrays as the goldens' README says. */
import { readHeader, readTensor, toFloat32 } from "../../src/weights/safetensors.ts";

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export async function readGolden(file: string): Promise<Map<string, GoldenTensor>> {
  const { tensors } = await readHeader(file);
  const golden = new Map<string, GoldenTensor>();
  for (const [name, info] of tensors) {
    const bytes = await readTensor(info);
    const data = info.dtype === "I32" ? new Int32Array(bytes.slice().buffer) : toFloat32(bytes, info.dtype);
    golden.set(name, { shape: info.shape, data });
  }
  return golden;
}

/** max|x - golden| / max|golden| */
export function relativeError(x: ArrayLike<number>, golden: ArrayLike<number>): number {
  if (x.length !== golden.length) throw new Error(`${x.length} numbers compared with ${golden.length}`);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    worst = Math.max(worst, Math.abs((x[i] as number) - (golden[i] as number)));
    largest = Math.max(largest, Math.abs(golden[i] as number));
  }
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst / largest;
}
