/**
 * Reads a JSON object from a file of a checkpoint, which may be anything at all. JSON.parse alone would turn 100 MB
 * of brackets into gigabytes and half a minute, so size and brackets are counted first.
 */

import { readFile, stat } from "node:fs/promises";
import { type ErrorCode, TagllmError } from "./errors.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** Several times what the largest known tokenizer.json and shard index have. */
const LARGEST_FILE = 100_000_000;
const MOST_BRACKETS = 4_000_000;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object in `path`, or null when there is no such file. Throws `code` with `cure` for anything else. */
export async function readJsonObject(
  path: string,
  code: ErrorCode,
  cure: string,
): Promise<JsonObject | null> {
  const fail = (problem: string, cause?: unknown) =>
    new TagllmError(code, `${path} ${problem}.`, cure, { cause });
  const found = await stat(path).catch(() => null);
  if (found === null) return null;
  if (!found.isFile()) throw fail("is not a file");
  if (found.size > LARGEST_FILE) throw fail(`has ${found.size} bytes; no such file has over ${LARGEST_FILE}`);
  let value: unknown;
  try {
    const bytes = await readFile(path);
    if (countBrackets(bytes) > MOST_BRACKETS) throw new Error(`over ${MOST_BRACKETS} lists and objects`);
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail(`cannot be read as JSON: ${(cause as Error).message}`, cause);
  }
  if (!isObject(value)) throw fail("does not hold a JSON object");
  return value;
}

function countBrackets(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === 0x5b || byte === 0x7b) count++;
  return count;
}
