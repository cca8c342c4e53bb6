/**
 * Gives a tag another name in its library, and every function tag beside it that asks with it: names stand in
 * templates and in `usesTags`, and a tag's digest covers its name. Files are written in an order in which a kill
 * between any two leaves a library whose every tag computes what it did; the same call then ends the work.
 */
import { rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { TagllmError } from "../errors.ts";
import { parseTemplate } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import { checkTagName } from "./check.ts";
import { loadTag, saveTag, tagFile, tagFileEnding } from "./file.ts";
import { openTags, tagsAskedFor } from "./library.ts";
import { type Tag, tagDigest } from "./tag.ts";

export interface Renamed {
  readonly from: string;
  readonly to: string;
  readonly file: string;
  /** Function tags whose template and bindings now say the new name. */
  readonly rewritten: readonly string[];
  /** Function tags trained beside another version of the tag: they keep asking for it by its old name. */
  readonly left: readonly string[];
}

/** @throws tag/missing, tag/name, tag/duplicate, tag/write and, for any file of the folder, what loading a tag throws */
export async function renameTag(file: string, to: string): Promise<Renamed> {
  checkTagName(to, to + tagFileEnding);
  const folder = dirname(file);
  await refuseFolder(file);
  const tag = await loadTag(file);
  const tags = await openTags(folder);
  const from = tag.name;
  if (from === to) {
    const problem = `${file} is called ${quote(to)} already.`;
    throw new TagllmError("tag/duplicate", problem, "Give another name.");
  }
  const provenance = { ...tag.provenance, renamedFrom: from };
  const named: Tag = { ...withName(tag, from, to), name: to, provenance };
  checkFree(named, folder, tags);

  const users = [...tags.values()].filter((other) => other.name !== from && other.name !== to);
  const [before, after] = [tagDigest(tag), tagDigest(named)];
  const rewritten: string[] = [];
  const left: string[] = [];
  const changed: Tag[] = [];
  for (const user of users) {
    const bound = user.usesTags.find(({ name }) => name === from);
    if (bound && bound.sha256 !== before) left.push(user.name);
    else if (bound || tagsAskedFor(user).includes(from)) {
      const usesTags = user.usesTags.map((used) => (used === bound ? { name: to, sha256: after } : used));
      changed.push({ ...withName(user, from, to), usesTags });
      rewritten.push(user.name);
    }
  }
  const target = tagFile(folder, to);
  await saveTag(target, named);
  for (const user of changed) await saveTag(tagFile(folder, user.name), user);
  await rm(file);
  return { from, to, file: target, rewritten, left };
}

async function refuseFolder(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (!found?.isDirectory()) return;
  const problem = `${file} is a folder, and one tag is to be renamed.`;
  throw new TagllmError("tag/missing", problem, `Give the tag's file: ${tagFile(file, "NAME")}.`);
}

/** Refuses a name that another tag has or asks for; what an interrupted call of the same wrote is no other tag. */
function checkFree(named: Tag, folder: string, tags: ReadonlyMap<string, Tag>): void {
  const { name } = named;
  const others = [...tags.values()];
  const taken = others.find((other) => other.name.toLowerCase() === name.toLowerCase());
  if (taken?.name === name && tagDigest(taken) === tagDigest(named)) return;
  if (taken) {
    const differs = taken.name === name ? "" : ", which some file systems cannot tell apart";
    throw new TagllmError(
      "tag/duplicate",
      `${folder} already has a tag ${quote(taken.name)}${differs}.`,
      "Give another name, or remove that tag first.",
    );
  }
  const asking = others.find((other) => tagsAskedFor(other).includes(name));
  if (!asking) return;
  throw new TagllmError(
    "tag/duplicate",
    `${quote(asking.name)} asks for a tag ${quote(name)} that ${folder} does not have; it would take this one for it.`,
    "Give another name, or bring that tag first.",
  );
}

/** The tag with `<from>` as `<to>` in its template. */
function withName(tag: Tag, from: string, to: string): Tag {
  const { template } = tag;
  if (template === null) return tag;
  const renamed = (text: string) => withOtherName(text, from, to);
  if (typeof template === "string") return { ...tag, template: renamed(template) };
  return { ...tag, template: template.map(({ role, content }) => ({ role, content: renamed(content) })) };
}

function withOtherName(template: string, from: string, to: string): string {
  let text = template;
  for (const piece of parseTemplate(template).pieces.toReversed()) {
    if (piece.kind !== "tag" || piece.name !== from) continue;
    text = `${text.slice(0, piece.position + 1)}${to}${text.slice(piece.position + 1 + from.length)}`;
  }
  return text;
}
