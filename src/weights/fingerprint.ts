/**
 * A fingerprint of a checkpoint's weights, cheap enough to compute at every load: names, dtypes, shapes and a sample
 * of the bytes of every tensor. It tells a base from its fine-tuned or differently seeded sisters, whose numbers
 * differ everywhere. It is no checksum: a change confined to bytes that are not sampled goes unseen, and the same
 * numbers in another dtype give another fingerprint. How tensors are spread over files does not matter.
 */

import { createHash } from "node:crypto";
import { openWeights, readBytes, type TensorInfo } from "./safetensors.ts";

const WINDOW = 64;
const INNER_WINDOWS = 16;

/** SHA-256 (hex) over the tensors in the order of their names. Throws what reading the files throws. */
export async function fingerprintTensors(tensors: ReadonlyMap<string, TensorInfo>): Promise<string> {
  const hash = createHash("sha256");
  for (const name of [...tensors.keys()].sort()) {
    const info = tensors.get(name)!;
    hash.update(`${JSON.stringify([name, info.dtype, info.shape, info.end - info.begin])}\n`);
    hash.update(await sampleBytes(info));
  }
  return hash.digest("hex");
}

/** The first and last 64 bytes of a tensor and 16 evenly spaced windows of 64 between; a small tensor whole. */
export async function sampleBytes(info: TensorInfo): Promise<Uint8Array> {
  const handle = await openWeights(info.file);
  try {
    const windows: Uint8Array[] = [];
    for (const [begin, end] of sampledRanges(info)) {
      windows.push(await readBytes(handle, begin, end, info.file));
    }
    return Buffer.concat(windows);
  } finally {
    await handle.close();
  }
}

function sampledRanges({ begin, end }: TensorInfo): [number, number][] {
  const lastStart = end - begin - WINDOW;
  const steps = INNER_WINDOWS + 1;
  if (end - begin <= WINDOW * (steps + 1)) return [[begin, end]];
  return Array.from({ length: steps + 1 }, (_, step): [number, number] => {
    const start = begin + Math.floor((lastStart * step) / steps);
    return [start, start + WINDOW];
  });
}
