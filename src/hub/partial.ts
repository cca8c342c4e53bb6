/**
 * An unfinished download: a file beside the blob it will be. Each belongs to one process, which its name tells, so
 * that two processes never write into one; what a dead process has left is taken over by renaming it.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdir, rename, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";

/** Not Python's `.incomplete`, which it guards with a lock that Node cannot take. */
const ending = ".tagllm-incomplete";
const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
/** After so long without a byte a download is abandoned, whoever began it. */
const abandonedAfter = 15 * 60_000;

const inUse = new Set<string>();

/** A path for a download of `blob`, which nobody else uses until `release`; it may hold the beginning already. */
export async function claimPartial(blob: string): Promise<{ file: string; release(): void }> {
  const name = `${basename(blob)}.${host}-${process.pid}-${randomBytes(4).toString("hex")}${ending}`;
  const file = join(dirname(blob), name);
  inUse.add(file);
  for (const left of await abandoned(blob)) {
    const taken = await rename(left, file).then(
      () => true,
      () => false,
    );
    if (taken) break;
  }
  return { file, release: () => inUse.delete(file) };
}

/** Bytes of `blob` that an earlier try has left. */
export async function bytesLeft(blob: string): Promise<number> {
  const [longest] = await abandoned(blob);
  return longest === undefined ? 0 : ((await stat(longest).catch(() => null))?.size ?? 0);
}

/** Partial files of `blob` that nobody writes to, the longest first. */
async function abandoned(blob: string): Promise<string[]> {
  const folder = dirname(blob);
  const names = await readdir(folder).catch(() => []);
  const found: { file: string; size: number }[] = [];
  for (const name of names) {
    if (!name.startsWith(`${basename(blob)}.`) || !name.endsWith(ending)) continue;
    const file = join(folder, name);
    const about = await stat(file).catch(() => null);
    if (about && !inUse.has(file) && (isOwnerGone(name) || Date.now() - about.mtimeMs > abandonedAfter))
      found.push({ file, size: about.size });
  }
  return found.sort((a, b) => b.size - a.size).map(({ file }) => file);
}

function isOwnerGone(name: string): boolean {
  const [, owner, pid] = /\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.[^.]*$/.exec(name) ?? [];
  if (owner !== host) return false;
  // This process knows its own by `inUse`.
  if (Number(pid) === process.pid) return true;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
