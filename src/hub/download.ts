/**
 * One file into the cache's blobs: begun where an earlier try ended, written beside its place, and put there only when
 * size and hash are those that the hub promised.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { TagllmError } from "../errors.ts";
import { flushFolder, makeFolder } from "../replace-file.ts";
import { inCache, sizeOf } from "./cache.ts";
import type { HubSettings } from "./environment.ts";
import { LostConnection } from "./failures.ts";
import { claimPartial } from "./partial.ts";
import { etagOf, type FileFacts, resolvePath } from "./repository.ts";
import { abortedError, ask } from "./request.ts";
import { type Patience, withRetries } from "./retry.ts";

export interface Download extends FileFacts {
  readonly repo: string;
  readonly commit: string;
  readonly file: string;
  /** Where it goes. */
  readonly blob: string;
}

/** The hub gives other content for the file than it promised a moment ago. */
export class ContentChanged extends Error {}

/**
 * `onBytes` hears how many bytes are there more, or fewer where some proved worthless.
 * @throws hub/corrupt, hub/cache, hub/unreachable, aborted and what asking throws; ContentChanged
 */
export async function downloadBlob(
  settings: HubSettings,
  download: Download,
  patience: Patience,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { blob, size } = download;
  await inCache(blob, () => makeFolder(dirname(blob)));
  const partial = await claimPartial(blob);
  try {
    let again = true;
    while (!(await fetchAll(settings, download, partial.file, patience, onBytes))) {
      onBytes(-size);
      // The beginning may be of an earlier try, or of a file that was replaced meanwhile: once more, from the start.
      if (!again) throw corrupt(download, `without the hash ${download.etag} that the hub promised`);
      again = false;
    }
  } catch (error) {
    if (error instanceof ContentChanged) await rm(partial.file, { force: true });
    throw error;
  } finally {
    partial.release();
  }
}

/** False when all bytes are there and are the wrong ones; they are removed. */
async function fetchAll(
  settings: HubSettings,
  download: Download,
  file: string,
  patience: Patience,
  onBytes: (bytes: number) => void,
): Promise<boolean> {
  const { blob, size } = download;
  const handle = await inCache(file, () => open(file, "a+"));
  try {
    const writer = await Writer.open(handle, file, download, onBytes, patience.signal);
    let furthest = writer.position;
    await withRetries(async (gotOn) => {
      const onChunk = () => {
        if (writer.position <= furthest) return;
        furthest = writer.position;
        gotOn();
      };
      if (writer.position < size) await fetchOnce(settings, download, writer, patience.signal, onChunk);
    }, patience);
    if (!writer.isRight()) {
      await handle.close();
      await rm(file, { force: true });
      return false;
    }
    await inCache(file, async () => {
      await handle.sync();
      await handle.close();
      await rename(file, blob);
      await flushFolder(dirname(blob));
    });
    return true;
  } finally {
    await handle.close().catch(() => {});
    if ((await sizeOf(file)) === 0) await rm(file, { force: true });
  }
}

/** One connection, to its end. */
async function fetchOnce(
  settings: HubSettings,
  download: Download,
  writer: Writer,
  signal: AbortSignal | undefined,
  onChunk: () => void,
): Promise<void> {
  const { repo, commit, file, etag, size } = download;
  const what = `${repo} ${file}`;
  const path = resolvePath(repo, commit, file);
  const timeout = settings.downloadTimeout;
  const answer = await ask(settings, { what, path, from: writer.position, timeout, signal });
  try {
    const promised = etagOf(answer.hubHeaders);
    if (promised !== null && promised !== etag) throw new ContentChanged(what);
    if (answer.status === 416) {
      await writer.restart();
      throw new LostConnection(`${what}: the server refused to go on in the middle`);
    }
    if (answer.status === 200) await writer.restart();
    else checkRange(answer.headers.get("content-range"), writer.position, size, what);
    for await (const chunk of answer.chunks()) {
      if (writer.position + chunk.length > size) {
        await writer.restart();
        throw corrupt(download, `longer than the ${size} bytes that the hub promised`);
      }
      await writer.write(chunk);
      onChunk();
    }
  } finally {
    answer.end();
  }
  if (writer.position < size)
    throw new LostConnection(`${what}: cut off after ${writer.position} of ${size} bytes`);
}

function checkRange(range: string | null, from: number, size: number, what: string): void {
  const [, first, , total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range ?? "") ?? [];
  if (Number(first) === from && (total === "*" || Number(total) === size)) return;
  throw new LostConnection(`${what}: the server answered with another part (${range})`);
}

function corrupt({ repo, file }: Download, found: string): TagllmError {
  return new TagllmError(
    "hub/corrupt",
    `${repo} ${file} arrived ${found}.`,
    "It was not kept. Try again; if it comes again, something between here and the hub changes files.",
  );
}

/** Appends to the partial file and hashes along. */
class Writer {
  position = 0;
  private hash: Hash;
  private readonly handle: FileHandle;
  private readonly path: string;
  private readonly facts: FileFacts;
  private readonly onBytes: (bytes: number) => void;

  private constructor(handle: FileHandle, path: string, facts: FileFacts, onBytes: (bytes: number) => void) {
    this.handle = handle;
    this.path = path;
    this.facts = facts;
    this.onBytes = onBytes;
    this.hash = hashFor(facts);
  }

  static async open(
    handle: FileHandle,
    path: string,
    facts: FileFacts,
    onBytes: (bytes: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<Writer> {
    const writer = new Writer(handle, path, facts, onBytes);
    const { size } = await handle.stat();
    if (size > facts.size) await writer.restart();
    else if (size > 0) {
      await hashFile(path, writer.hash, signal);
      writer.position = size;
      onBytes(size);
    }
    return writer;
  }

  async write(chunk: Uint8Array): Promise<void> {
    await inCache(this.path, () => this.handle.appendFile(chunk));
    this.hash.update(chunk);
    this.position += chunk.length;
    this.onBytes(chunk.length);
  }

  async restart(): Promise<void> {
    await inCache(this.path, () => this.handle.truncate(0));
    this.onBytes(-this.position);
    this.position = 0;
    this.hash = hashFor(this.facts);
  }

  isRight(): boolean {
    return this.hash.digest("hex") === this.facts.etag;
  }
}

/** Whether a file that is there is the one promised, by size and hash. */
export async function isRightFile(path: string, facts: FileFacts, signal?: AbortSignal): Promise<boolean> {
  if ((await sizeOf(path)) !== facts.size) return false;
  const hash = hashFor(facts);
  await hashFile(path, hash, signal);
  return hash.digest("hex") === facts.etag;
}

/** sha256 of the content, or git's sha1, which counts its header too. */
function hashFor({ etag, size }: FileFacts): Hash {
  return etag.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

async function hashFile(path: string, hash: Hash, signal: AbortSignal | undefined): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (signal?.aborted) throw abortedError();
    hash.update(chunk as Buffer);
  }
}
