/**
 * Blocks of keys and values in files that outlive the process. A file's name says all that a block depends on
 * within a base (blocks.ts); its folder says the rest: base, numbers, processor, versions. So a file is right or
 * is never looked at, and deleting any of them is safe.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DIGEST } from "../engine/array-files.ts";
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

async function aboutBlocks({ name, files, engine }: Base): Promise<BlocksAbout> {
  const { device, threads, precision } = engine;
  return { ...(await aboutCache(name, files, precision)), device, threads, processor: processor() };
}

export class BlockFiles {
  readonly folder: string;
  private readonly limit: number;
  /** Bytes of each block. */
  private readonly sizes: Map<string, number>;
  /** Files of earlier processes, the longest unused first. */
  private readonly old: CacheFile[];
  private bytes: number;

  private constructor(folder: string, limit: number, files: readonly CacheFile[]) {
    this.folder = folder;
    this.limit = limit;
    this.sizes = new Map(files.map(({ path, bytes }) => [keyOf(path), bytes]));
    this.old = files.toSorted((a, b) => a.used - b.used);
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

  /** Whether a block of so many bytes may be written; files that no process of late has used go for it. */
  async admit(key: string, numbers: number): Promise<boolean> {
    const bytes = numbers + DIGEST;
    if (bytes > this.limit) return false;
    while (this.bytes + bytes > this.limit) {
      const oldest = this.old.shift();
      if (!oldest) return false;
      await rm(oldest.path, { force: true });
      this.forget(keyOf(oldest.path));
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
  used(keys: ReadonlySet<string>): void {
    for (let i = this.old.length - 1; i >= 0; i--) {
      if (keys.has(keyOf((this.old[i] as CacheFile).path))) this.old.splice(i, 1);
    }
  }
}

const keyOf = (path: string): string => path.slice(path.length - ENDING.length - 24, -ENDING.length);
