/** Arrays in a file with a digest at its end: what is read is what was written, or nothing. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { TagllmError } from "../errors.ts";
import { temporaryName } from "../replace-file.ts";

/** Bytes of a file beside its numbers. */
export const DIGEST = 32;
const digestOf = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/** Beside its place first, so that a crash leaves no part of it there. Not flushed: what a power cut damages is no longer whole. */
export function writeArrays(path: string, arrays: readonly (Float32Array | Uint8Array)[]): void {
  const body = Buffer.concat(arrays.map((a) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)));
  const temporary = join(dirname(path), temporaryName(basename(path)));
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, Buffer.concat([body, digestOf(body)]));
    renameSync(temporary, path);
  } catch (cause) {
    if (existsSync(temporary)) rmSync(temporary);
    throw cacheFailure(path, "written", cause);
  }
}

/** null where there is no such file, or not one of so many arrays; that one is deleted. */
export function readArrays(path: string, arrays: number, length: number): Float32Array[] | null {
  const bytes = readBytes(path, arrays * length * Float32Array.BYTES_PER_ELEMENT);
  if (!bytes) return null;
  const numbers = new Float32Array(bytes.buffer);
  return Array.from({ length: arrays }, (_, i) => numbers.subarray(i * length, (i + 1) * length));
}

/** So many bytes, in a buffer of their own; null where there is no such file, or not one of them; that one is deleted. */
export function readBytes(path: string, end: number): Uint8Array<ArrayBuffer> | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw cacheFailure(path, "read", cause);
  }
  const whole = bytes.length === end + DIGEST && digestOf(bytes.subarray(0, end)).equals(bytes.subarray(end));
  if (!whole) {
    try {
      rmSync(path, { force: true });
    } catch (cause) {
      throw cacheFailure(path, "deleted, though it is not whole", cause);
    }
    return null;
  }
  noteUse(path);
  return new Uint8Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + end) as ArrayBuffer);
}

/** By their last use the longest unused are known. Of files of another user, or on a disk that is only read, it cannot be noted. */
function noteUse(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch (cause) {
    if (!["EPERM", "EACCES", "EROFS", "ENOENT"].includes((cause as NodeJS.ErrnoException).code ?? ""))
      throw cause;
  }
}

export function cacheFailure(path: string, what: string, cause: unknown): TagllmError {
  const { code } = cause as NodeJS.ErrnoException;
  return new TagllmError(
    "cache/file",
    `The stored file ${path} could not be ${what} (${code ?? (cause as Error).message}).`,
    "Free space, set TAGLLM_CACHE to another folder, or store less on disk (disk: 0 in a study stores no keys and values); a run goes on from its checkpoint.",
    { cause },
  );
}
