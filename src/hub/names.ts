/** Names that come from users and servers: ids of repositories, revisions, files. What could leave a folder is refused. */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";

export interface HubId {
  /** ORG/NAME */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

export const defaultRevision = "main";
const part = "[A-Za-z0-9_][A-Za-z0-9._-]{0,95}";
const idPattern = new RegExp(`^(${part}/${part})(?:@([^@]+))?$`);

/** ORG/NAME or ORG/NAME@REVISION, or null when it is neither. */
export function parseHubId(text: string): HubId | null {
  const [, repo, revision = defaultRevision] = idPattern.exec(text) ?? [];
  // The cache joins names with --, so the hub allows it in none.
  if (repo === undefined || /--|\.\.|\.git$/.test(repo) || !isSafePath(revision)) return null;
  return { repo, revision };
}

/** @throws hub/id */
export function requireHubId(text: string, revision?: string): HubId {
  const id = parseHubId(text);
  if (id === null) {
    const cure = "Give ORG/NAME, or ORG/NAME@REVISION with a branch, tag or commit.";
    throw new TagllmError("hub/id", `${quote(text)} names no repository on the hub.`, cure);
  }
  if (revision === undefined) return id;
  if (text.includes("@") || !isSafePath(revision)) {
    const problem = text.includes("@")
      ? `${quote(text)} has a revision, and ${quote(revision)} is given as well.`
      : `${quote(revision)} is no revision.`;
    throw new TagllmError("hub/id", problem, "Give one branch, tag or commit.");
  }
  return { ...id, revision };
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** A path that on some system is not below the folder it is put in. */
export const leavesFolder = (path: string): boolean => /^[\\/]|^[A-Za-z]:|(^|[\\/])\.\.($|[\\/])/.test(path);

/** A relative path of plain names, on every system. */
export function isSafePath(path: string): boolean {
  const names = path.split("/");
  return path.length <= 500 && names.every((name) => isSafeName(name));
}

function isSafeName(name: string): boolean {
  if (name === "" || name === "." || name === "..") return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return !/[\x00-\x1f\x7f\\:*?"<>|]/.test(name);
}
