/**
 * The folders of huggingface_hub's cache: models--org--name/{blobs,refs,snapshots,.no_exist}. A snapshot's files are
 * links to blobs, or, where there are no links, the files themselves. Python reads what is made here, and the
 * other way round. Downloads are download.ts.
 */
import { copyFile, readFile, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import { makeFolder, replaceFile, temporaryName } from "../replace-file.ts";
import { type HubId, isCommit } from "./names.ts";

/** Where the cache keeps a repository of models. */
export const repoFolder = (cache: string, repo: string): string =>
  join(cache, ["models", ...repo.split("/")].join("--"));

export const blobFile = (folder: string, etag: string): string => join(folder, "blobs", etag);

export const snapshotFolder = (folder: string, commit: string): string => join(folder, "snapshots", commit);

/** The commit that a revision was when it was last downloaded; null: it never was. */
export async function cachedCommit(cache: string, { repo, revision }: HubId): Promise<string | null> {
  if (isCommit(revision)) return revision;
  const file = join(repoFolder(cache, repo), "refs", ...revision.split("/"));
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  return isCommit(text) ? text : null;
}

/** Remembers which commit a revision is. @throws hub/cache */
export async function writeRef(cache: string, { repo, revision }: HubId, commit: string): Promise<void> {
  if (isCommit(revision)) return;
  const file = join(repoFolder(cache, repo), "refs", ...revision.split("/"));
  await inCache(file, () => replaceFile(file, commit));
}

/** Remembers that a commit has no such file, as Python does. @throws hub/cache */
export async function writeAbsence(folder: string, commit: string, file: string): Promise<void> {
  const marker = join(folder, ".no_exist", commit, file);
  if (!(await isThere(marker))) await inCache(marker, () => replaceFile(marker, ""));
}

export const isKnownAbsent = (folder: string, commit: string, file: string): Promise<boolean> =>
  isThere(join(folder, ".no_exist", commit, file));

/** A regular file of any size, through links. */
export async function isThere(file: string): Promise<boolean> {
  return (await sizeOf(file)) !== null;
}

/** Bytes of a regular file, through links; null when there is none. */
export async function sizeOf(file: string): Promise<number | null> {
  const found = await stat(file).catch(() => null);
  return found?.isFile() ? found.size : null;
}

/**
 * Puts a blob into a snapshot under its file's name: by a link, else by moving it there if nobody else can know it
 * yet (`fresh`), else by copying. The name is there whole or not at all. @throws hub/cache
 */
export async function placeBlob(blob: string, file: string, links: boolean, fresh: boolean): Promise<void> {
  await inCache(file, async () => {
    await makeFolder(dirname(file));
    const target = relative(dirname(resolve(file)), resolve(blob));
    if ((await readlink(file).catch(() => null)) === target) return;
    const temporary = join(dirname(file), temporaryName(basename(file)));
    try {
      if (links && (await tryLink(target, temporary))) await rename(temporary, file);
      else if (fresh) await rename(blob, file);
      else {
        await copyFile(blob, temporary);
        await rename(temporary, file);
      }
    } finally {
      await rm(temporary, { force: true });
    }
  });
}

async function tryLink(target: string, file: string): Promise<boolean> {
  try {
    await symlink(target, file);
    return true;
  } catch (error) {
    // Windows without developer mode, and file systems without links.
    if (/^(EPERM|ENOSYS|ENOTSUP|EOPNOTSUPP|EINVAL|EACCES)$/.test((error as NodeJS.ErrnoException).code ?? ""))
      return false;
    throw error;
  }
}

/** Does something to `path` in the cache. @throws hub/cache for what the file system refuses */
export async function inCache<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (error instanceof TagllmError || syscall === undefined) throw error;
    const full = code === "ENOSPC" || code === "EDQUOT";
    throw new TagllmError(
      "hub/cache",
      `${path} cannot be written: ${full ? "the disk is full" : code}.`,
      full
        ? "Make space, or set HF_HUB_CACHE to a folder with more; what was downloaded is kept."
        : "Check the folder and its permissions, or set HF_HUB_CACHE to another.",
      { cause: error },
    );
  }
}

/** ORG/NAME of a folder that is a snapshot of the cache; null for every other folder. */
export function repoOfSnapshot(folder: string): string | null {
  const path = resolve(folder);
  const [, org, name] = /^models--(.+?)--(.+)$/.exec(basename(dirname(dirname(path)))) ?? [];
  const inSnapshots = isCommit(basename(path)) && basename(dirname(path)) === "snapshots";
  return inSnapshots && org !== undefined && name !== undefined ? `${org}/${name}` : null;
}
