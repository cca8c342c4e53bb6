/** Files of one commit into a snapshot of the cache, each verified: those that are there and right are not fetched again. */
import { statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import { blobFile, isThere, placeBlob, repoFolder, sizeOf, snapshotFolder } from "./cache.ts";
import { ContentChanged, downloadBlob, isRightFile } from "./download.ts";
import type { HubSettings } from "./environment.ts";
import type { HubId } from "./names.ts";
import { bytesLeft } from "./partial.ts";
import { type FileFacts, fileFacts, type Listing, listRepository } from "./repository.ts";
import { type Patience, withRetries } from "./retry.ts";

export type HubEvent =
  /** Bytes of the files of this step that are there, of all its bytes. */
  | { kind: "download"; repo: string; file: string; done: number; total: number }
  | { kind: "retry"; repo: string; problem: string; seconds: number };

export interface HubOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: HubEvent) => void) | undefined;
  /** Instead of process.env. @internal */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Milliseconds before the second try. @internal */
  readonly firstPause?: number | undefined;
}

/** One repository at one commit. */
export interface Source {
  readonly settings: HubSettings;
  readonly repo: string;
  readonly commit: string;
}

export interface Wanted {
  readonly file: string;
  /** Bytes over which it is refused. */
  readonly largest: number;
}

const mostChanges = 3;

/** @internal */
export function patienceOf(repo: string, { signal, onEvent, firstPause }: HubOptions): Patience {
  return {
    signal,
    ...(firstPause !== undefined && { firstPause }),
    onRetry: (problem, seconds) => onEvent?.({ kind: "retry", repo, problem, seconds }),
  };
}

/** @throws hub/* */
export const list = (settings: HubSettings, id: HubId, options: HubOptions): Promise<Listing> =>
  withRetries(() => listRepository(settings, id, options.signal), patienceOf(id.repo, options));

/** Returns their bytes. @throws hub/*, aborted */
export async function fetchFiles(
  source: Source,
  wanted: readonly Wanted[],
  options: HubOptions,
): Promise<number> {
  const { settings, repo, commit } = source;
  const patience = patienceOf(repo, options);
  const ask = (file: string) =>
    withRetries(() => fileFacts(settings, repo, commit, file, options.signal), patience);
  const files: (FileFacts & { file: string })[] = [];
  for (const { file, largest } of wanted) {
    const facts = await ask(file);
    if (facts.size > largest) {
      const problem = `${repo} ${file} has ${facts.size} bytes; no such file has over ${largest}.`;
      throw new TagllmError("hub/response", problem, "Check the repository: something else has that name.");
    }
    files.push({ file, ...facts });
  }
  const total = files.reduce((sum, { size }) => sum + size, 0);
  await requireSpace(source, files);
  let done = 0;
  for (const { file, ...facts } of files) {
    const onBytes = (bytes: number) => {
      done += bytes;
      options.onEvent?.({ kind: "download", repo, file, done, total });
    };
    for (let changes = 0, current = facts; ; changes++) {
      try {
        await fetchFile(source, file, current, patience, onBytes);
        break;
      } catch (error) {
        if (!(error instanceof ContentChanged)) throw error;
        if (changes === mostChanges) {
          const problem = `${repo} ${file} changes at the hub while it is downloaded, again and again.`;
          throw new TagllmError("hub/response", problem, "Try again later.");
        }
        current = await ask(file);
      }
    }
  }
  return total;
}

async function fetchFile(
  { settings, repo, commit }: Source,
  file: string,
  facts: FileFacts,
  patience: Patience,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const folder = repoFolder(settings.cache, repo);
  const place = join(snapshotFolder(folder, commit), file);
  const blob = blobFile(folder, facts.etag);
  if (await isRightFile(place, facts, patience.signal)) return onBytes(facts.size);
  const fresh = !(await isRightFile(blob, facts, patience.signal));
  if (fresh) await downloadBlob(settings, { repo, commit, file, blob, ...facts }, patience, onBytes);
  else onBytes(facts.size);
  await placeBlob(blob, place, settings.symlinks, fresh);
}

/** @throws hub/cache when what is missing does not fit on the disk */
async function requireSpace(
  { settings, repo, commit }: Source,
  files: readonly (FileFacts & { file: string })[],
): Promise<void> {
  const folder = repoFolder(settings.cache, repo);
  let needed = 0;
  for (const { file, etag, size } of files) {
    const blob = blobFile(folder, etag);
    const there = (await sizeOf(join(snapshotFolder(folder, commit), file))) ?? (await sizeOf(blob));
    if (there !== size) needed += size - Math.min(size, await bytesLeft(blob));
  }
  const free = await freeBytes(folder);
  if (free === null || needed <= free) return;
  throw new TagllmError(
    "hub/cache",
    `${repo} needs ${needed} more bytes in ${settings.cache}, and the disk has ${free} free.`,
    "Make space, or set HF_HUB_CACHE to a folder with more.",
  );
}

/** Of the disk that a folder, which need not be there yet, is on; null where it does not say. */
async function freeBytes(folder: string): Promise<number | null> {
  const path = resolve(folder);
  const found = await statfs(path).catch(() => null);
  if (found) return found.blocks > 0 ? found.bavail * found.bsize : null;
  return dirname(path) === path ? null : freeBytes(dirname(path));
}

/** Whether a snapshot has a file. */
export const hasFile = (snapshot: string, file: string): Promise<boolean> => isThere(join(snapshot, file));
