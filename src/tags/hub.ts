/** A library to the hub, with a card that says what is in it, and from the hub, checked as every tag file is. */
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { TagllmError } from "../errors.ts";
import { pullFiles } from "../hub/files.ts";
import type { HubOptions, Wanted } from "../hub/snapshot.ts";
import { type Pushed, type PushOptions, pushFiles } from "../hub/upload.ts";
import { tagNamePattern } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import { version } from "../version.ts";
import { modelCard } from "./card.ts";
import { addTags, type Copied } from "./change-library.ts";
import { tagFile, tagFileEnding } from "./file.ts";
import { openTags, requireUsedTags, tagsAskedFor } from "./library.ts";
import type { Tag } from "./tag.ts";

export interface PushTagsOptions extends PushOptions {
  /** For the card: an identifier of the hub's, such as apache-2.0. */
  readonly license?: string | undefined;
}

export interface PushedTags extends Pushed {
  readonly tags: readonly string[];
  /** README.md as it was pushed. */
  readonly card: string;
}

export interface PullTagsOptions extends HubOptions {
  /** The library they go into, made if needed; default: a folder called as the repository. */
  readonly into?: string | undefined;
  readonly revision?: string | undefined;
}

export interface PulledTags extends Copied {
  /** ORG/NAME */
  readonly repo: string;
  readonly commit: string;
}

/** A tag with a head of a hundred outputs for the widest base has a tenth. */
const largestTag = 500_000_000;
const mostTags = 1000;
/** What bases and adapters call their weights; a repository may have both these and tags. */
const weightsName = /^(adapter_model|consolidated|model)([.-].+)?$/;

/**
 * Pushes all tags of the library `folder`, with a README.md made from them, as one commit to `ORG/NAME`, which is made
 * if it is not there. Tags that are there under other names stay.
 * @throws tag/* for a library that is not whole, hub/*, aborted
 */
export async function pushTags(
  folder: string,
  id: string,
  options: PushTagsOptions = {},
): Promise<PushedTags> {
  const { license } = options;
  if (license !== undefined && !/^[a-z0-9][a-z0-9.+-]{0,63}$/.test(license)) {
    const cure = "Give an identifier as the hub has them, such as apache-2.0, mit, cc-by-4.0 or other.";
    throw new TagllmError("hub/push", `${quote(license)} is no identifier of a license.`, cure);
  }
  await refuseFile(folder);
  const tags = await openTags(folder);
  if (tags.size === 0)
    throw new TagllmError("tag/missing", `${folder} has no tags.`, "Give a folder of tag files.");
  for (const tag of tags.values()) {
    refuseWeightsName(tag.name);
    requireCompany(tag, tags, folder);
  }
  const card = modelCard([...tags.values()], { repo: id, ...(license !== undefined && { license }) });
  const files = new Map<string, Uint8Array<ArrayBuffer>>([["README.md", new TextEncoder().encode(card)]]);
  for (const name of tags.keys())
    files.set(name + tagFileEnding, new Uint8Array(await readFile(tagFile(folder, name))));
  const names = [...tags.keys()];
  const pushed = await pushFiles(id, `${names.join(", ")} (tagllm ${version})`, files, options);
  return { ...pushed, tags: names, card };
}

async function refuseFile(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => null);
  if (!found || found.isDirectory()) return;
  const problem = `${folder} is a file, and a folder of tags is pushed as a whole.`;
  throw new TagllmError(
    "tag/missing",
    problem,
    "Give the folder, or copy the tag into one (tagllm tags copy).",
  );
}

function refuseWeightsName(name: string): void {
  if (!weightsName.test(name)) return;
  const problem = `${quote(name)} is what the hub calls a file of weights, and no name for a tag there.`;
  throw new TagllmError("tag/name", problem, "Give the tag another name (tagllm tags rename).");
}

function requireCompany(tag: Tag, tags: ReadonlyMap<string, Tag>, folder: string): void {
  requireUsedTags(tag, tags);
  const missing = tagsAskedFor(tag).find((name) => !tags.has(name));
  if (missing === undefined) return;
  const problem = `${quote(tag.name)} needs the tag ${quote(missing)}, and ${folder} has none.`;
  throw new TagllmError("tag/missing", problem, "Bring it there first (tagllm tags copy), and push both.");
}

/**
 * Downloads the tags of `ORG/NAME` and puts them into a library. Each is checked as every tag file is, and all are, before
 * one is written; a tag of another content under a name that is taken is refused.
 * @throws hub/*, tag/* and aborted
 */
export async function pullTags(id: string, options: PullTagsOptions = {}): Promise<PulledTags> {
  const { repo, commit, folder, files } = await pullFiles(id, (there) => tagFilesOf(id, there), options);
  const tags = await openTags(files.map((file) => join(folder, file)));
  const copied = await addTags([...tags.values()], options.into ?? basename(repo));
  return { repo, commit, ...copied };
}

function tagFilesOf(id: string, files: readonly string[]): Wanted[] {
  const found = files.filter(isTagFile);
  if (found.length === 0 || found.length > mostTags) {
    const problem = `${id} has ${found.length === 0 ? "no tag files" : `${found.length} tag files`}.`;
    throw new TagllmError("tag/missing", problem, "Give a repository that tagllm tags push has made.");
  }
  return found.map((file) => ({ file, largest: largestTag }));
}

function isTagFile(file: string): boolean {
  const name = file.slice(0, -tagFileEnding.length);
  return file.endsWith(tagFileEnding) && tagNamePattern.test(name) && !weightsName.test(name);
}
