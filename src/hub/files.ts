/** Some files of a repository, chosen from what it has: for repositories that are no bases. */
import { readdir } from "node:fs/promises";
import { cachedCommit, repoFolder, snapshotFolder, writeRef } from "./cache.ts";
import { hubSettings } from "./environment.ts";
import { requireHubId } from "./names.ts";
import { offlineError } from "./request.ts";
import { fetchFiles, type HubOptions, hasFile, list, type Wanted } from "./snapshot.ts";

export interface PulledFiles {
  readonly repo: string;
  readonly commit: string;
  /** The snapshot. */
  readonly folder: string;
  readonly files: readonly string[];
}

/**
 * Downloads and verifies the files that `choose` takes; offline those that the cache has.
 * @throws hub/*, aborted and what `choose` throws
 */
export async function pullFiles(
  id: string,
  choose: (files: readonly string[]) => readonly Wanted[],
  options: HubOptions & { readonly revision?: string | undefined },
): Promise<PulledFiles> {
  const hubId = requireHubId(id, options.revision);
  const settings = await hubSettings(options.env);
  const home = repoFolder(settings.cache, hubId.repo);
  if (settings.offline) {
    const commit = await cachedCommit(settings.cache, hubId);
    const there = commit === null ? null : await readdir(snapshotFolder(home, commit)).catch(() => null);
    if (commit === null || there === null) throw offlineError(id);
    const files = choose(there).map(({ file }) => file);
    return { repo: hubId.repo, commit, folder: snapshotFolder(home, commit), files };
  }
  const { commit, files } = await list(settings, hubId, options);
  const wanted = choose(files);
  await fetchFiles({ settings, repo: hubId.repo, commit }, wanted, options);
  const folder = snapshotFolder(home, commit);
  const before = await cachedCommit(settings.cache, hubId);
  if (before === null || !(await hasLess(folder, snapshotFolder(home, before), files)))
    await writeRef(settings.cache, hubId, commit);
  return { repo: hubId.repo, commit, folder, files: wanted.map(({ file }) => file) };
}

/** Whether a snapshot lacks files of its commit that the one before has, such as those of a base. */
async function hasLess(snapshot: string, before: string, files: readonly string[]): Promise<boolean> {
  for (const file of files)
    if ((await hasFile(before, file)) && !(await hasFile(snapshot, file))) return true;
  return false;
}
