/**
 * A data file as a stream of UTF-8 text with its fingerprint; a name that ends in .gz is unpacked on the way.
 * Whatever cannot be text is refused where it is met. It does not know rows or columns; the parsers do.
 */
import { isAscii, isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { TagllmError } from "../errors.ts";
import { closest, quote } from "../suggest.ts";

/** What identifies the bytes of a file. */
export interface Digest {
  /** Hexadecimal SHA-256 of the whole file, as it lies on the disk. */
  sha256: string;
  bytes: number;
}

/** Which file the rows came from, so that a run can be repeated on exactly the same bytes. */
export interface FileRecord extends Digest {
  path: string;
  /** Data rows in it. */
  rows: number;
}

export const isGzip = (path: string): boolean => /\.gz$/i.test(path);

/** A record beyond this many characters is a mistake (a quote never closed), and no string can hold much more. */
export const longestRecord = 2 ** 28;

const chunkBytes = 1 << 20;

/** Beyond this size, a .gz that unpacks to more than `mostUnpacked` times itself is a trap and no table. */
const freelyUnpacked = 2 ** 24;
const mostUnpacked = 200;

/**
 * The text of a file in pieces (a byte order mark is left out), then its digest.
 * Errors: data/missing, data/not-a-file, data/unreadable, data/empty, data/binary, data/gzip.
 */
export async function* readText(path: string): AsyncGenerator<string, Digest> {
  await requireFile(path);
  const hash = createHash("sha256");
  let bytes = 0;
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  }
  let unpacked = 0;
  try {
    const text = new Utf8Text(path);
    for await (const chunk of isGzip(path) ? gunzip(hashed()) : hashed()) {
      unpacked += chunk.length;
      if (unpacked > freelyUnpacked && unpacked > mostUnpacked * bytes) throw trap(path, bytes, unpacked);
      const piece = text.decode(chunk);
      if (piece !== "") yield piece;
    }
    text.end();
  } catch (error) {
    throw readError(path, error);
  }
  if (unpacked === 0)
    throw new TagllmError("data/empty", `${path} is empty.`, "Name a file that holds rows.");
  return { sha256: hash.digest("hex"), bytes };
}

/** The digest of a file that another reader reads. Errors: as `readText`, but for what is in it. */
export async function digestOf(path: string): Promise<Digest> {
  await requireFile(path);
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    throw readError(path, error);
  }
  if (bytes === 0) throw new TagllmError("data/empty", `${path} is empty.`, "Name a file that holds rows.");
  return { sha256: hash.digest("hex"), bytes };
}

async function* gunzip(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(packed, { objectMode: false });
  const unpacker = createGunzip({ chunkSize: chunkBytes });
  source.on("error", (error) => unpacker.destroy(error));
  try {
    for await (const chunk of source.pipe(unpacker)) yield chunk as Buffer;
  } finally {
    source.destroy();
    unpacker.destroy();
  }
}

/** Bytes -> text, piece by piece: a character that two pieces share waits for its end. */
export class Utf8Text {
  readonly #path: string;
  #carried = Buffer.alloc(0);
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  decode(chunk: Buffer): string {
    const zero = chunk.indexOf(0);
    if (zero >= 0) throw binary(this.#path, `has a zero byte at offset ${this.#offset + zero}`);
    const first = this.#offset === 0;
    this.#offset += chunk.length;
    const all = this.#carried.length > 0 ? Buffer.concat([this.#carried, chunk]) : chunk;
    const end = wholeCharacters(all);
    const whole = all.subarray(0, end);
    this.#carried = Buffer.from(all.subarray(end));
    if (isAscii(whole)) return whole.toString("latin1");
    if (!isUtf8(whole)) throw binary(this.#path, "is not UTF-8 text");
    const text = whole.toString("utf8");
    return first && text.startsWith("\ufeff") ? text.slice(1) : text;
  }

  end(): void {
    if (this.#carried.length > 0) throw binary(this.#path, "is not UTF-8 text (it ends within a character)");
  }
}

/** Where the last character begins that more bytes may complete; the length when there is none. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    const needed = byte >= 0b1111_0000 ? 4 : byte >= 0b1110_0000 ? 3 : byte >= 0b1100_0000 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** Errors: data/missing, data/not-a-file, data/unreadable. */
export async function requireFile(path: string): Promise<Stats> {
  const stats = await look(path);
  if (stats.isFile()) return stats;
  const what = stats.isDirectory() ? "a folder" : "not a regular file";
  throw new TagllmError("data/not-a-file", `${path} is ${what}.`, "Name one data file.");
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

function readError(path: string, cause: unknown): unknown {
  const code = String((cause as NodeJS.ErrnoException).code ?? "");
  if (cause instanceof TagllmError || code === "") return cause;
  if (!code.startsWith("Z_")) return unreadable(path, cause);
  const what = code === "Z_BUF_ERROR" ? "it is cut off" : (cause as Error).message;
  const problem = `${path} cannot be unpacked as gzip: ${what}.`;
  const cure = "Get the file again; if it is not compressed, take .gz off its name.";
  return new TagllmError("data/gzip", problem, cure, { cause });
}

function trap(path: string, packed: number, unpacked: number): TagllmError {
  return new TagllmError(
    "data/gzip",
    `${path} unpacks to more than ${mostUnpacked} times its size (${packed} bytes read, ${unpacked} unpacked).`,
    "Unpack it yourself if it is what you think it is.",
  );
}

function unreadable(path: string, cause: unknown): TagllmError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const problem = `${quote(path)} cannot be read (${reason}).`;
  return new TagllmError("data/unreadable", problem, "Check the path and your rights to it.", { cause });
}

function binary(path: string, what: string): TagllmError {
  return new TagllmError(
    "data/binary",
    `${path} ${what}, so it is not a table in text form.`,
    "Give CSV, TSV, JSON lines, FASTA, SMILES or plain text saved as UTF-8 (not a spreadsheet, an archive or UTF-16), or Parquet.",
  );
}
