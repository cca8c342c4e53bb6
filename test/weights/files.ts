/** Makes safetensors files byte by byte, right and wrong, for the tests of weights/; it shares no code with them. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file of header length, header and data. `headerLength` lies about the length when given. */
export function safetensorsBytes(
  header: string | Uint8Array | object,
  data: Uint8Array = new Uint8Array(0),
  headerLength?: bigint,
): Buffer {
  const text =
    typeof header === "string" || header instanceof Uint8Array
      ? Buffer.from(header)
      : Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

export function floatBytes(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes;
}

/** Writes `contents` into `dir` and gives the path. */
export async function put(
  dir: string,
  name: string,
  contents: string | Uint8Array | object,
): Promise<string> {
  const path = join(dir, name);
  const raw =
    typeof contents === "string" || contents instanceof Uint8Array ? contents : JSON.stringify(contents);
  await writeFile(path, raw);
  return path;
}

/** Runs `body` with a new folder that is gone afterwards. */
export async function inNewFolder<T>(body: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "tagllm-test-"));
  try {
    return await body(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
