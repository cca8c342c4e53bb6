/**
 * Blocks of keys and values in files that outlive the process. A file's name says all that a block depends on
 * within a base (blocks.ts); its folder says the rest: base, numbers, processor, versions. So a file is right or
 * is never looked at, and deleting any of them is safe.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { arch, cpus, homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DIGEST } from "../engine/array-files.ts";
import { runtimeVersion } from "../engine/runtime-version.ts";
import type { Base } from "../models/base.ts";
import { isTemporary, makeFolder, replaceFile } from "../replace-file.ts";
import { version } from "../version.ts";

const ENDING = ".kv";
const aboutName = "about.json";

/** What a folder of blocks is of. */
export interface BlocksAbout {
  readonly tagllm: string;
  /** Of the code that computes blocks, and of the runtime. */
  readonly code: string;
  readonly base: string;
  /** Of its config.json, and of size and time of its weight files. */
  readonly files: string;
  readonly device: string;
  readonly precision: string;
  readonly threads: number;
  readonly processor: string;
}

export interface DiskOptions {
  /** Bytes that all blocks of the base may take. */
  readonly limit: number;
  /** Default: `blocksHome()`. */
  readonly home?: string;
}

/** TAGLLM_CACHE, else tagllm in the user's cache folder (XDG_CACHE_HOME). */
export function blocksHome(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment.TAGLLM_CACHE;
  if (own) return join(own, "blocks");
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "tagllm", "blocks");
}

async function aboutBlocks({ name, files, engine }: Base): Promise<BlocksAbout> {
  return {
    tagllm: version,
    code: codeDigest(),
    base: name,
    files: await filesDigest(files),
    device: engine.device,
    precision: engine.precision,
    threads: engine.threads,
    processor: processor(),
  };
}

/** Weight files are too large to be read for this; one that is written again has another time. */
async function filesDigest(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    if (file.endsWith(".json")) hash.update(await readFile(file));
    else {
      const { size, mtimeMs } = await stat(file);
      hash.update(`${size} ${mtimeMs} `);
    }
  }
  return hash.digest("hex").slice(0, 16);
}

const processor = (): string => `${arch()} ${cpus()[0]?.model.trim() ?? ""}`;

/** A version's number does not change while it is worked on; what the files say does. */
function codeDigest(): string {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const hash = createHash("sha256").update(runtimeVersion);
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  for (const name of names.filter((n) => /\.[jt]s$/.test(n)))
    hash.update(name).update(readFileSync(join(root, name)));
  return hash.digest("hex").slice(0, 16);
}

/** A base has its own name on another machine, so its name is no part of it. */
function folderName({ base: _, ...rest }: BlocksAbout): string {
  return createHash("sha256").update(JSON.stringify(rest)).digest("hex").slice(0, 16);
}

const OWN = /^[0-9a-f]{16}$/;
/** Unfinished files that are older were left behind by a crash. */
const HOUR = 3600 * 1000;

interface BlockFile {
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly used: number;
}

export class BlockFiles {
  readonly folder: string;
  private readonly limit: number;
  /** Bytes of each block. */
  private readonly sizes: Map<string, number>;
  /** Files of earlier processes, the longest unused first. */
  private readonly old: BlockFile[];
  private bytes: number;

  private constructor(folder: string, limit: number, files: readonly BlockFile[]) {
    this.folder = folder;
    this.limit = limit;
    this.sizes = new Map(files.map(({ path, bytes }) => [keyOf(path), bytes]));
    this.old = files.toSorted((a, b) => a.used - b.used);
    this.bytes = files.reduce((sum, f) => sum + f.bytes, 0);
  }

  static async open(base: Base, { limit, home = blocksHome() }: DiskOptions): Promise<BlockFiles> {
    const about = await aboutBlocks(base);
    const folder = join(home, folderName(about));
    await makeFolder(folder);
    await replaceFile(join(folder, aboutName), `${JSON.stringify(about, null, 2)}\n`);
    return new BlockFiles(folder, limit, await filesIn(folder));
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
      if (keys.has(keyOf((this.old[i] as BlockFile).path))) this.old.splice(i, 1);
    }
  }
}

/** A folder of blocks, as `tagllm cache` shows it. */
export interface StoredBlocks {
  readonly folder: string;
  /** null where the folder does not say it. */
  readonly about: BlocksAbout | null;
  readonly blocks: number;
  readonly bytes: number;
  /** When one was last written or read, milliseconds since 1970; 0 without blocks. */
  readonly used: number;
  /** Whether this version of tagllm would use them, on this processor. */
  readonly current: boolean;
}

export async function listBlocks(home = blocksHome()): Promise<StoredBlocks[]> {
  const names = await readdir(home).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const own = { code: codeDigest(), processor: processor() };
  return Promise.all(
    names
      .filter((name) => OWN.test(name))
      .sort()
      .map(async (name) => {
        const folder = join(home, name);
        const about = await readAbout(folder);
        const files = await filesIn(folder);
        return {
          folder,
          about,
          blocks: files.length,
          bytes: files.reduce((sum, f) => sum + f.bytes, 0),
          used: Math.max(0, ...files.map((f) => f.used)),
          current: about?.code === own.code && about.processor === own.processor,
        };
      }),
  );
}

async function readAbout(folder: string): Promise<BlocksAbout | null> {
  try {
    return JSON.parse(await readFile(join(folder, aboutName), "utf8")) as BlocksAbout;
  } catch {
    return null;
  }
}

const keyOf = (path: string): string => path.slice(path.length - ENDING.length - 24, -ENDING.length);

/** Blocks of a folder; what a crash left unfinished is deleted. */
async function filesIn(folder: string): Promise<BlockFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<BlockFile | null> => {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      const facts = entry.isFile() ? await stat(path).catch(() => null) : null;
      if (!facts) return null;
      if (isTemporary(entry.name) && Date.now() - facts.mtimeMs > HOUR) await rm(path, { force: true });
      return entry.name.endsWith(ENDING) ? { path, bytes: facts.size, used: facts.mtimeMs } : null;
    }),
  );
  return found.filter((file) => file !== null);
}
