/** Tags that a study takes from files, as they were stored. */
import { resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { quote } from "../suggest.ts";
import { requireBase } from "../tags/base.ts";
import { loadTag } from "../tags/file.ts";
import type { Tag } from "../tags/tag.ts";
import type { LoadedStudy } from "./load.ts";
import type { StudyTag } from "./schema.ts";

/** By the study's own names. @throws tag/*, study/invalid */
export async function givenTags(
  { study, folder }: LoadedStudy,
  base: Base,
): Promise<ReadonlyMap<string, Tag>> {
  const given = new Map<string, Tag>();
  for (const [name, spec] of Object.entries(study.tags)) {
    if (!spec.from) continue;
    const file = resolve(folder, spec.from);
    const tag = await loadTag(file);
    requireBase(tag, base.fingerprint);
    requireSame(name, spec, file, tag);
    requireNoHead(name, spec, file, tag);
    given.set(name, tag);
  }
  return given;
}

/** Prompts follow the study, and a tag is worth what it learned only in prompts like those of its training. */
function requireSame(name: string, spec: StudyTag, file: string, tag: Tag): void {
  const asked = settings(spec);
  const stored = settings(tag);
  const differ = Object.keys(asked).filter((key) => key in stored && stored[key] !== asked[key]);
  if (differ.length === 0) return;
  const said = (values: typeof asked) => differ.map((key) => `${key}: ${values[key]}`).join(", ");
  throw new TagllmError(
    "study/invalid",
    `tags.${name} has ${said(asked)}, but ${file} holds ${quote(tag.name)} with ${said(stored)}.`,
    `Write ${said(stored)} for tags.${name}, as it is in the file.`,
  );
}

/** Text is written by the base: a head of before would stay in the file and answer in its place. */
function requireNoHead(name: string, spec: StudyTag, file: string, tag: Tag): void {
  if (spec.kind !== "function" || spec.answer !== "text" || tag.head === null) return;
  const answer = tag.classes ? "class" : "number";
  throw new TagllmError(
    "study/invalid",
    `tags.${name} has answer: text, but ${file} holds ${quote(tag.name)} with a head, which answers with answer: ${answer}.`,
    `Write answer: ${answer} for tags.${name}, or leave out from, which trains a new tag.`,
  );
}

/** What a study says of a tag; how data is cut, and whether it is isolated, goes by the domain tags. */
const settings = (tag: StudyTag | Tag): Record<string, unknown> => ({
  kind: tag.kind,
  length: tag.length,
  ...(tag.kind === "domain" && { splitCharacters: tag.splitCharacters, isolate: tag.isolate }),
});
