/** Arrays in a file with a digest at its end: what is read is what was written, or nothing. */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { TagllmError } from "../errors.ts";
import { temporaryName } from "../replace-file.ts";

/** Bytes of a file beside its numbers. */
export const DIGEST = 32;
/** Bytes of one call: the system takes no 2 GiB at once. */
const PART = 2 ** 30;

/** Parts of an array's bytes, in order. */
function* partsOf({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < byteLength; at += PART)
    yield new Uint8Array(buffer, byteOffset + at, Math.min(PART, byteLength - at));
}

/** Beside its place first, so that a crash leaves no part of it there. Not flushed: what a power cut damages is no longer whole. */
export function writeArrays(path: string, arrays: readonly (Float32Array | Uint8Array)[]): void {
  const temporary = join(dirname(path), temporaryName(basename(path)));
  try {
    mkdirSync(dirname(path), { recursive: true });
    withFile(temporary, "w", (file) => {
      const digest = createHash("sha256");
      for (const part of arrays.flatMap((array) => [...partsOf(array)])) {
        digest.update(part);
        writeAll(file, part);
      }
      writeAll(file, digest.digest());
    });
    renameSync(temporary, path);
  } catch (cause) {
    if (existsSync(temporary)) rmSync(temporary);
    throw cacheFailure(path, "written", cause);
  }
}

function withFile<T>(path: string, flags: string, work: (file: number) => T): T {
  const file = openSync(path, flags);
  try {
    return work(file);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
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
  let bytes: Uint8Array<ArrayBuffer> | null;
  try {
    bytes = withFile(path, "r", (file) => readWhole(file, end));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw cacheFailure(path, "read", cause);
  }
  if (!bytes) {
    try {
      rmSync(path, { force: true });
    } catch (cause) {
      throw cacheFailure(path, "deleted, though it is not whole", cause);
    }
    return null;
  }
  noteUse(path);
  return bytes;
}

/** null where the file has not so many bytes and their digest. */
function readWhole(file: number, end: number): Uint8Array<ArrayBuffer> | null {
  if (fstatSync(file).size !== end + DIGEST) return null;
  const bytes = new Uint8Array(end);
  const digest = createHash("sha256");
  for (const part of partsOf(bytes)) {
    if (!readAll(file, part)) return null;
    digest.update(part);
  }
  const written = new Uint8Array(DIGEST);
  return readAll(file, written) && digest.digest().equals(written) ? bytes : null;
}

function readAll(file: number, into: Uint8Array): boolean {
  for (let done = 0; done < into.length; ) {
    const read = readSync(file, into, done, into.length - done, null);
    if (read === 0) return false;
    done += read;
  }
  return true;
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
