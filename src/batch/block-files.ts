/**
 * Blocks of keys and values in files that outlive the process. A file's name says all that a block depends on
 * within a base (blocks.ts); its folder says the rest: base, numbers, processor, versions. So a file is right or
 * is never looked at, and deleting any of them is safe.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheFailure, DIGEST } from "../engine/array-files.ts";
import {
  aboutCache,
  type CacheAbout,
  type CacheFile,
  cacheHome,
  filesIn,
  openCacheFolder,
  processor,
} from "../engine/cache-folder.ts";
import type { Base } from "../models/base.ts";

const ENDING = ".kv";

/** What a folder of blocks is of. */
interface BlocksAbout extends CacheAbout {
  readonly device: string;
  readonly threads: number;
  readonly processor: string;
}

export interface DiskOptions {
  /** Bytes that all blocks of the base may take. */
  readonly limit: number;
  /** Default: the cache's folder of blocks. */
  readonly home?: string;
}

async function aboutBlocks(base: Base): Promise<BlocksAbout> {
  const { device, threads, precision } = base.engine;
  return { ...(await aboutCache(base, precision)), device, threads, processor: processor() };
}

export class BlockFiles {
  readonly folder: string;
  private readonly limit: number;
  /** Bytes of each block. */
  private readonly sizes: Map<string, number>;
  /** Files by key that nothing in this process has read or written since they were last of use, the longest unused first. */
  private readonly old: Map<string, string>;
  private bytes: number;

  private constructor(folder: string, limit: number, files: readonly CacheFile[]) {
    this.folder = folder;
    this.limit = limit;
    this.sizes = new Map(files.map(({ path, bytes }) => [keyOf(path), bytes]));
    this.old = new Map(files.toSorted((a, b) => a.used - b.used).map(({ path }) => [keyOf(path), path]));
    this.bytes = files.reduce((sum, f) => sum + f.bytes, 0);
  }

  static async open(base: Base, { limit, home = cacheHome("blocks") }: DiskOptions): Promise<BlockFiles> {
    const folder = await openCacheFolder(home, await aboutBlocks(base));
    const files = await filesIn(folder);
    return new BlockFiles(
      folder,
      limit,
      files.filter(({ path }) => path.endsWith(ENDING)),
    );
  }

  has(key: string): boolean {
    return this.sizes.has(key);
  }

  path(key: string): string {
    return join(this.folder, key.slice(0, 2), key + ENDING);
  }

  /** Whether a block of so many bytes may be written; files that are not in use go for it. */
  async admit(key: string, numbers: number): Promise<boolean> {
    const bytes = numbers + DIGEST;
    if (bytes > this.limit || this.has(key)) return false;
    while (this.bytes + bytes > this.limit) {
      const [oldest] = this.old;
      if (!oldest) return false;
      const [gone, path] = oldest;
      await rm(path, { force: true }).catch((cause) => {
        throw cacheFailure(path, "deleted", cause);
      });
      this.old.delete(gone);
      this.forget(gone);
    }
    this.sizes.set(key, bytes);
    this.bytes += bytes;
    return true;
  }

  /** A file that was not there, or not whole, and is gone. */
  forget(key: string): void {
    this.bytes -= this.sizes.get(key) ?? 0;
    this.sizes.delete(key);
  }

  /** Read in this process, so not to be deleted by it. */
  used(keys: Iterable<string>): void {
    for (const key of keys) this.old.delete(key);
  }

  /** What is there is no longer in use: it may go for other blocks. */
  unused(): void {
    for (const key of this.sizes.keys()) if (!this.old.has(key)) this.old.set(key, this.path(key));
  }
}

const keyOf = (path: string): string => path.slice(path.length - ENDING.length - 24, -ENDING.length);
