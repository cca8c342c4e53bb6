/**
 * A library: a folder of tag files. Listing shows damaged files beside the good ones; opening refuses them, as
 * a prompt whose tag is quietly missing gives quietly wrong answers.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { writtenPieces } from "../prompts/template.ts";
import { didYouMean, quote } from "../suggest.ts";
import { loadTag, tagFileEnding } from "./file.ts";
import { type Tag, tagDigest } from "./tag.ts";

export { requireBase } from "./base.ts";

export type ListedTag = { file: string; tag: Tag } | { file: string; error: TagllmError };

/** Every .safetensors file of a folder, by name, as the tag it holds or the reason it cannot be used. */
export async function listTags(folder: string): Promise<ListedTag[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new TagllmError("tag/missing", `There is no folder of tags ${folder}.`, "Check the path.", {
      cause,
    });
  }
  const listed: ListedTag[] = [];
  for (const name of names.sort()) {
    if (!name.endsWith(tagFileEnding)) continue;
    const file = join(folder, name);
    try {
      listed.push({ file, tag: await loadTag(file) });
    } catch (error) {
      if (!(error instanceof TagllmError)) throw error;
      listed.push({ file, error });
    }
  }
  return listed;
}

/**
 * Open tag files and folders of them, by tag name. Throws the error of the first file that cannot be used, and
 * tag/duplicate when two hold tags of one name.
 */
export async function openTags(paths: string | readonly string[]): Promise<Map<string, Tag>> {
  const tags = new Map<string, Tag>();
  const files = new Map<string, string>();
  for (const path of typeof paths === "string" ? [paths] : paths) {
    for (const entry of await entriesOf(path)) {
      if ("error" in entry) throw entry.error;
      const { name } = entry.tag;
      const other = files.get(name);
      if (other !== undefined) {
        const problem = `${other} and ${entry.file} both hold a tag called ${quote(name)}.`;
        throw new TagllmError("tag/duplicate", problem, "Open only one of them.");
      }
      files.set(name, entry.file);
      tags.set(name, entry.tag);
    }
  }
  return tags;
}

async function entriesOf(path: string): Promise<ListedTag[]> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isFolder ? listTags(path) : [{ file: path, tag: await loadTag(path) }];
}

/** The tag of that name, or tag/unknown with the nearest name there is. */
export function requireTag(tags: ReadonlyMap<string, Tag>, name: string): Tag {
  const tag = tags.get(name);
  if (tag) return tag;
  throw new TagllmError(
    "tag/unknown",
    `There is no tag ${quote(name)}.`,
    didYouMean(name, tags.keys(), "tags"),
  );
}

/**
 * Refuse a function tag (tag/changed) when a domain tag it was trained beside is among `tags` in another
 * version. Domain tags it never met are welcome: that is composition.
 */
export function requireUsedTags(tag: Tag, tags: ReadonlyMap<string, Tag>): void {
  for (const { name, sha256 } of tag.usesTags) {
    const present = tags.get(name);
    const digest = present && tagDigest(present);
    if (digest === undefined || digest === sha256) continue;
    throw new TagllmError(
      "tag/changed",
      `The tag ${quote(tag.name)} was trained beside ${quote(name)} ${sha256.slice(0, 12)}…, and the one at hand is ${digest.slice(0, 12)}….`,
      `Use the ${quote(name)} it was trained with, or train ${quote(tag.name)} again.`,
    );
  }
}

/** The tags without which a tag cannot be asked: those its template names and those it was trained beside. */
export function tagsAskedFor({ name, template, usesTags }: Tag): string[] {
  const pieces = template === null ? [] : writtenPieces(template);
  const named = pieces.flatMap((piece) => (piece.kind === "tag" ? [piece.name] : []));
  return [...new Set([...named, ...usesTags.map((used) => used.name)])].filter((other) => other !== name);
}
