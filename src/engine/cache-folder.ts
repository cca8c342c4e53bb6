/**
 * Folders of files that outlive the process and can be computed again. A folder's name is made of all that its files
 * depend on, which `about.json` in it says; so a file is right or is never looked at, and deleting any is safe.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { arch, cpus, homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isTemporary, makeFolder, replaceFile } from "../replace-file.ts";
import { version } from "../version.ts";
import { cacheFailure } from "./array-files.ts";
import { runtimeVersion } from "./runtime-version.ts";

export type CacheKind = "blocks" | "weights";

const aboutName = "about.json";

/** What the files of a folder are of, as far as all kinds have it. */
export interface CacheAbout {
  readonly tagllm: string;
  /** Of the code that computes them, and of the runtime. */
  readonly code: string;
  readonly base: string;
  /** Of its fingerprint, its config.json, and size and time of its weight files. */
  readonly files: string;
  readonly precision: string;
}

/** TAGLLM_CACHE, else tagllm in the user's cache folder (XDG_CACHE_HOME). */
export function cacheHome(kind: CacheKind, environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment.TAGLLM_CACHE;
  if (own) return join(own, kind);
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "tagllm", kind);
}

/** What the files of a cache are computed from. */
export interface CachedBase {
  readonly name: string;
  readonly fingerprint: { readonly id: string };
  /** config.json and weight files. */
  readonly files: readonly string[];
}

export async function aboutCache(base: CachedBase, precision: string): Promise<CacheAbout> {
  return { tagllm: version, code: codeDigest(), base: base.name, files: await filesDigest(base), precision };
}

/** A folder of `home`, made where there is none. @throws cache/file */
export async function openCacheFolder(home: string, about: CacheAbout): Promise<string> {
  const folder = join(home, folderName(about));
  if (await readAbout(folder)) return folder; // perhaps of another user, or on a disk that is only read
  const file = join(folder, aboutName);
  try {
    await makeFolder(folder);
    await replaceFile(file, `${JSON.stringify(about, null, 2)}\n`);
  } catch (cause) {
    throw cacheFailure(file, "written", cause);
  }
  return folder;
}

export async function readAbout<About extends CacheAbout>(folder: string): Promise<About | null> {
  try {
    return JSON.parse(await readFile(join(folder, aboutName), "utf8")) as About;
  } catch {
    return null;
  }
}

/**
 * Weight files are too large to be read for this. One that is written again has another time, or, where times are fixed
 * (images, archives), other sampled bytes.
 */
async function filesDigest({ fingerprint, files }: CachedBase): Promise<string> {
  const hash = createHash("sha256").update(fingerprint.id);
  for (const file of files) {
    if (file.endsWith(".json")) hash.update(await readFile(file));
    else {
      const { size, mtimeMs } = await stat(file);
      hash.update(`${size} ${mtimeMs} `);
    }
  }
  return hash.digest("hex").slice(0, 16);
}

export const processor = (): string => `${arch()} ${cpus()[0]?.model.trim() ?? ""}`;

/** A version's number does not change while it is worked on; what the files say does. */
export function codeDigest(): string {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const hash = createHash("sha256").update(runtimeVersion);
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  for (const name of names.filter((n) => /\.[jt]s$/.test(n)))
    hash.update(name).update(readFileSync(join(root, name)));
  return hash.digest("hex").slice(0, 16);
}

/** A base has its own name on another machine, so its name is no part of it. */
function folderName({ base: _, ...rest }: CacheAbout): string {
  return createHash("sha256").update(JSON.stringify(rest)).digest("hex").slice(0, 16);
}

const OWN = /^[0-9a-f]{16}$/;
/** Unfinished files that are older were left behind by a crash. */
const HOUR = 3600 * 1000;

export interface CacheFile {
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly used: number;
}

/** A folder as `tagllm cache` shows it. */
export interface CachedFolder {
  readonly folder: string;
  readonly kind: CacheKind;
  /** null where the folder does not say it. */
  readonly about: (CacheAbout & { readonly device?: string }) | null;
  readonly files: number;
  readonly bytes: number;
  /** When a file was last written or read, milliseconds since 1970; 0 without files. */
  readonly used: number;
  /** Whether this version of tagllm would use them, on this processor. */
  readonly current: boolean;
}

export async function listCached(kind: CacheKind, home = cacheHome(kind)): Promise<CachedFolder[]> {
  const names = await readdir(home).catch(missing);
  const own = { code: codeDigest(), processor: processor() };
  return Promise.all(
    names
      .filter((name) => OWN.test(name))
      .sort()
      .map(async (name) => {
        const folder = join(home, name);
        const about = await readAbout<CacheAbout & { processor?: string }>(folder);
        const files = await filesIn(folder);
        return {
          folder,
          kind,
          about,
          files: files.length,
          bytes: files.reduce((sum, f) => sum + f.bytes, 0),
          used: Math.max(0, ...files.map((f) => f.used)),
          current: about?.code === own.code && (about.processor ?? own.processor) === own.processor,
        };
      }),
  );
}

/** Nothing is in a folder that is not there, or that another process has just deleted. */
function missing(error: NodeJS.ErrnoException): never[] {
  if (error.code === "ENOENT") return [];
  throw error;
}

/** Files of a folder but about.json; what a crash left unfinished is deleted. */
export async function filesIn(folder: string): Promise<CacheFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(missing);
  const found = await Promise.all(
    entries.map(async (entry): Promise<CacheFile | null> => {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      const facts = entry.isFile() ? await stat(path).catch(() => null) : null;
      if (!facts || entry.name === aboutName) return null;
      if (!isTemporary(entry.name)) return { path, bytes: facts.size, used: facts.mtimeMs };
      if (Date.now() - facts.mtimeMs > HOUR) await rm(path, { force: true }).catch(() => undefined); // of another user, or on a disk that is only read
      return null;
    }),
  );
  return found.filter((file) => file !== null);
}
