/** A tag by its file or name, with the tags that its template names, from one folder. */
import { basename, dirname } from "node:path";
import { loadTag, tagFile, tagFileEnding } from "../tags/file.ts";
import { tagsAskedFor } from "../tags/library.ts";
import type { Tag } from "../tags/tag.ts";

/** `folder`: where the tags are; default: beside the tag's file. */
export async function openTagsFor(
  fileOrName: string,
  folder: string | undefined,
): Promise<{ tag: Tag; tags: Map<string, Tag> }> {
  const isFile = fileOrName.endsWith(tagFileEnding);
  const home = folder ?? (isFile ? dirname(fileOrName) : ".");
  if (!isFile && folder === undefined && basename(fileOrName) !== fileOrName)
    return openTagsFor(basename(fileOrName), dirname(fileOrName));
  const tag = await loadTag(isFile ? fileOrName : tagFile(home, fileOrName));
  const tags = new Map([[tag.name, tag]]);
  for (const name of tagsAskedFor(tag))
    if (!tags.has(name)) tags.set(name, await loadTag(tagFile(home, name)));
  return { tag, tags };
}
