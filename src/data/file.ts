/**
 * A data file as bytes with its fingerprint, refused early when it cannot be text.
 * It does not know rows or columns; csv.ts and lines.ts do.
 */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { TagllmError } from "../errors.ts";
import { closest, quote } from "../suggest.ts";

/** Which file the rows came from, so that a run can be repeated on exactly the same bytes. */
export interface FileRecord {
  path: string;
  /** Hexadecimal SHA-256 of the whole file. */
  sha256: string;
  bytes: number;
}

export interface DataFile extends FileRecord {
  content: Buffer;
}

/** Node refuses to read more than this at once. */
const largestFile = 2 ** 31 - 1;

/**
 * Reads a file of UTF-8 text (a byte order mark is allowed).
 * Errors: data/missing, data/not-a-file, data/unreadable, data/too-large, data/empty, data/binary.
 */
export async function readDataFile(path: string): Promise<DataFile> {
  const stats = await look(path);
  if (!stats.isFile()) {
    const what = stats.isDirectory() ? "a folder" : "not a regular file";
    throw new TagllmError("data/not-a-file", `${path} is ${what}.`, "Name one data file.");
  }
  if (stats.size > largestFile) {
    throw new TagllmError(
      "data/too-large",
      `${path} holds ${stats.size} bytes; at most ${largestFile} can be read.`,
      "Split it into several files.",
    );
  }
  const content = await readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  if (content.length === 0) {
    throw new TagllmError("data/empty", `${path} is empty.`, "Name a file that holds rows.");
  }
  refuseBinary(path, content);
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { path, sha256, bytes: content.length, content };
}

async function look(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw unreadable(path, cause);
    const near = closest(basename(path), await readdir(dirname(path)).catch(() => []));
    const cure = near === null ? "Check the path." : `Did you mean ${quote(near)}? Check the path.`;
    throw new TagllmError("data/missing", `There is no file ${path}.`, cure, { cause });
  }
}

function unreadable(path: string, cause: unknown): TagllmError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new TagllmError(
    "data/unreadable",
    `${quote(path)} cannot be read (${reason}).`,
    "Check the path and your rights to it.",
    {
      cause,
    },
  );
}

function refuseBinary(path: string, content: Buffer): void {
  const zero = content.indexOf(0);
  const problem =
    zero >= 0
      ? `${path} has a zero byte at offset ${zero}`
      : isUtf8(content)
        ? null
        : `${path} is not UTF-8 text`;
  if (problem === null) return;
  throw new TagllmError(
    "data/binary",
    `${problem}, so it is not a table in text form.`,
    "Give CSV, TSV, JSON lines or plain text saved as UTF-8 (not a spreadsheet, an archive or UTF-16).",
  );
}
