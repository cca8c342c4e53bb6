/**
 * Copies tags into a library and removes them from one. A function tag is copied with the domain tags it needs,
 * and nothing that is there is replaced by something else. Renaming is in rename.ts.
 */
import { rm } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { loadTag, saveTag, tagFile, tagFileEnding } from "./file.ts";
import { type ListedTag, listTags, requireUsedTags, tagsAskedFor } from "./library.ts";
import { type Tag, tagDigest } from "./tag.ts";

export interface Copied {
  readonly folder: string;
  /** In the order in which they were written: what a tag needs before the tag. */
  readonly copied: readonly string[];
  /** There already, the same. */
  readonly kept: readonly string[];
}

/**
 * Copy a tag, with the tags it asks for, from its library into `folder`, which is made if needed.
 * All is read and compared before anything is written.
 * @throws tag/duplicate where the folder has another tag of a name, tag/changed, tag/missing and what loading throws
 */
export async function copyTag(file: string, folder: string): Promise<Copied> {
  const tag = await loadTag(file);
  const needed = new Map<string, Tag>();
  for (const name of tagsAskedFor(tag)) needed.set(name, await companion(tag, name, dirname(file), folder));
  requireUsedTags(tag, needed);
  return addTags([...needed.values(), tag], folder);
}

/**
 * Write tags into a library, which is made if needed. All are compared with what is there before anything is written.
 * @throws tag/duplicate where the folder has another tag of a name, and what saving throws
 */
export async function addTags(tags: readonly Tag[], folder: string): Promise<Copied> {
  const missing: Tag[] = [];
  const kept: string[] = [];
  for (const each of tags) {
    const present = await loadIfThere(tagFile(folder, each.name));
    if (present === null) missing.push(each);
    else if (tagDigest(present) === tagDigest(each)) kept.push(each.name);
    else throw otherThere(each, present, folder);
  }
  for (const each of missing) await saveTag(tagFile(folder, each.name), each);
  return { folder, copied: missing.map(({ name }) => name), kept };
}

/** From beside the tag; or, when it is bound to one by digest, from where it goes. */
async function companion(tag: Tag, name: string, home: string, folder: string): Promise<Tag> {
  const beside = await loadIfThere(tagFile(home, name));
  if (beside) return beside;
  const bound = tag.usesTags.some((used) => used.name === name);
  const there = bound ? await loadIfThere(tagFile(folder, name)) : null;
  if (there) return there;
  throw new TagllmError(
    "tag/missing",
    `${quote(tag.name)} needs the tag ${quote(name)}, and ${home} has no ${name}${tagFileEnding}.`,
    "Bring it there first, from the run that trained both.",
  );
}

function otherThere(tag: Tag, present: Tag, folder: string): TagllmError {
  const [ours, theirs] = [tag, present].map((t) => `${tagDigest(t).slice(0, 12)}…`);
  return new TagllmError(
    "tag/duplicate",
    `${folder} has another tag called ${quote(tag.name)} (${theirs}, not ${ours}).`,
    "Copy into another folder, or rename one of the two.",
  );
}

async function loadIfThere(file: string): Promise<Tag | null> {
  try {
    return await loadTag(file);
  } catch (error) {
    if (error instanceof TagllmError && error.code === "tag/missing") return null;
    throw error;
  }
}

export interface Removal {
  readonly file: string;
  /** null: damaged. */
  readonly tag: string | null;
  /** Function tags that stay and ask for it. */
  readonly neededBy: readonly string[];
}

/** What removing tag files would take away. Damaged files may go; other safetensors files are refused. */
export async function planRemoval(files: readonly string[]): Promise<Removal[]> {
  const entries = await Promise.all(files.map(removable));
  const staying = new Map<string, Tag[]>();
  for (const folder of new Set(files.map(folderOf))) {
    const going = new Set(files.filter((f) => folderOf(f) === folder).map((f) => basename(f)));
    const listed = (await listTags(folder)).filter(({ file }) => !going.has(basename(file)));
    staying.set(
      folder,
      listed.flatMap((entry) => ("tag" in entry ? [entry.tag] : [])),
    );
  }
  return entries.map((entry) => {
    const { file } = entry;
    if (!("tag" in entry)) return { file, tag: null, neededBy: [] };
    const { name } = entry.tag;
    const others = staying.get(folderOf(file)) ?? [];
    const neededBy = others.filter((other) => tagsAskedFor(other).includes(name)).map((other) => other.name);
    return { file, tag: name, neededBy };
  });
}

const folderOf = (file: string): string => dirname(resolve(file));

/** Removes what planRemoval looked at. */
export async function removeTags(plan: readonly Removal[]): Promise<void> {
  for (const { file } of plan) await rm(file);
}

async function removable(file: string): Promise<ListedTag> {
  if (!file.endsWith(tagFileEnding)) {
    const problem = `${file} is no tag file: its name does not end in ${tagFileEnding}.`;
    throw new TagllmError("tag/not-a-tag", problem, "Give the path of a tag file.");
  }
  try {
    return { file, tag: await loadTag(file) };
  } catch (error) {
    if (!(error instanceof TagllmError) || error.code === "tag/missing" || error.code === "tag/not-a-tag")
      throw error;
    return { file, error };
  }
}
