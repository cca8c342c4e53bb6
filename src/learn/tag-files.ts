/** The tags of `learn` as files: domain tags that are there already, and at the end all tags in one folder. */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { makeFolder, replaceFile } from "../replace-file.ts";
import { requireBase } from "../tags/base.ts";
import { loadTag, tagFileEnding } from "../tags/file.ts";
import { type Tag, tagDigest } from "../tags/tag.ts";
import type { Input, TagFile, TagFiles } from "./compose.ts";

export interface FoundTags {
  readonly files: TagFiles;
  /** By name. */
  readonly digests: Readonly<Record<string, string>>;
}

/** Domain tags of the right names and base in the folder that was given. */
export async function findTags(
  tags: string | undefined,
  inputs: readonly Input[],
  { fingerprint }: Pick<Base, "fingerprint">,
): Promise<FoundTags> {
  if (tags === undefined) return { files: {}, digests: {} };
  const names = await readdir(tags).catch((cause) => {
    throw new TagllmError("tag/missing", `There is no folder of tags ${tags}.`, "Check the path.", { cause });
  });
  const files: Record<string, TagFile> = {};
  const digests: Record<string, string> = {};
  for (const { tag: name } of inputs) {
    if (!names.includes(name + tagFileEnding) || files[name]) continue;
    const file = resolve(tags, name + tagFileEnding);
    const tag = await loadTag(file);
    requireBase(tag, fingerprint);
    files[name] = factsOf(tag, file);
    digests[name] = tagDigest(tag);
  }
  return { files, digests };
}

export const tagFile = async (file: string): Promise<TagFile> => factsOf(await loadTag(file), file);

function factsOf({ kind, length, splitCharacters, isolate }: Tag, file: string): TagFile {
  if (kind === "domain") return { file, length, splitCharacters, isolate };
  throw new TagllmError("tag/kind", `${file} holds a function tag.`, "Give the input another tag name.");
}

/** All tags that a prediction needs, in one folder. */
export async function gatherTags(out: string, domainTags: TagFiles): Promise<string> {
  const folder = join(out, "tags");
  await makeFolder(folder);
  const copy = async (from: string, name: string) => replaceFile(join(folder, name), await readFile(from));
  for (const [tag, { file }] of Object.entries(domainTags)) await copy(file, tag + tagFileEnding);
  const own = join(out, "run", "tags");
  for (const name of await readdir(own)) await copy(join(own, name), name);
  return folder;
}
