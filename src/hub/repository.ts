/** What the hub says of a model repository: its commit and files, and of each file its size and hash. */
import { TagllmError } from "../errors.ts";
import { isObject } from "../json-file.ts";
import { quote } from "../suggest.ts";
import type { HubSettings } from "./environment.ts";
import { LostConnection } from "./failures.ts";
import { type HubId, isCommit, isSafePath, leavesFolder } from "./names.ts";
import { type Answer, ask } from "./request.ts";

export interface Listing {
  readonly commit: string;
  /** Paths of its files; each stays inside the folder it is put in. Names that not every system allows are left out. */
  readonly files: readonly string[];
}

export interface FileFacts {
  /** git's sha1 of a small file, sha256 of a large one; lower-case hex. Names the blob in the cache. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** A listing of 100,000 files has less. */
const largestListing = 50_000_000;
const badCure = "Check HF_ENDPOINT: a mirror must speak as the hub does. Otherwise try again later.";

const encoded = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

/** @throws hub/not-found, hub/revision, hub/denied, hub/response, hub/offline, aborted; LostConnection */
export async function listRepository(
  settings: HubSettings,
  { repo, revision }: HubId,
  signal?: AbortSignal,
): Promise<Listing> {
  const what = revision === "main" ? repo : `${repo} at ${revision}`;
  const path = `/api/models/${encoded(repo)}/revision/${encodeURIComponent(revision)}`;
  const answer = await ask(settings, { what, path, timeout: settings.metadataTimeout, signal });
  const info = await readJson(answer, what);
  const { sha, siblings } = isObject(info) ? info : {};
  if (typeof sha !== "string" || !isCommit(sha) || !Array.isArray(siblings))
    throw bad(`${what}: the hub's listing has no commit or no files.`);
  if (isCommit(revision) && sha !== revision)
    throw bad(`${what}: the hub lists commit ${sha} instead of it.`);
  const names = siblings.map((entry: unknown) => {
    const name = isObject(entry) ? entry.rfilename : undefined;
    if (typeof name === "string" && !leavesFolder(name)) return name;
    throw bad(`${what}: the hub lists a file ${quote(String(name))}, which could leave its folder.`);
  });
  // A picture with a question mark in its name is no reason to refuse a model.
  const files = names.filter(isSafePath);
  return { commit: sha, files };
}

/** @throws hub/response and what listRepository throws */
export async function fileFacts(
  settings: HubSettings,
  repo: string,
  commit: string,
  file: string,
  signal?: AbortSignal,
): Promise<FileFacts> {
  const what = `${repo} ${file}`;
  const timeout = settings.metadataTimeout;
  const answer = await ask(settings, {
    what,
    path: resolvePath(repo, commit, file),
    method: "HEAD",
    timeout,
    signal,
  });
  answer.end();
  const { hubHeaders } = answer;
  const etag = etagOf(hubHeaders);
  // A redirection's length is that of its own body.
  const length = answer.status === 200 ? answer.headers.get("content-length") : null;
  const size = Number(hubHeaders.get("x-linked-size") ?? length ?? Number.NaN);
  const answered = hubHeaders.get("x-repo-commit");
  if (answered !== null && answered !== commit)
    throw bad(`${what}: the hub answers with commit ${answered} for ${commit}.`);
  if (etag === null)
    throw bad(
      `${what}: the hub gives no hash of it (its ETag is ${quote(hubHeaders.get("etag") ?? "")}), so that it cannot be verified.`,
    );
  if (!Number.isSafeInteger(size) || size < 0) throw bad(`${what}: the hub does not say how large it is.`);
  return { etag, size };
}

export const resolvePath = (repo: string, commit: string, file: string): string =>
  `/${encoded(repo)}/resolve/${commit}/${encoded(file)}`;

/** The hash in the hub's headers; null when they have none. */
export function etagOf(headers: Headers): string | null {
  const text = headers.get("x-linked-etag") ?? headers.get("etag") ?? "";
  const etag = text.replace(/^W\//, "").replaceAll('"', "");
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) ? etag : null;
}

async function readJson(answer: Answer, what: string): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.chunks()) {
    size += chunk.length;
    if (size > largestListing) throw bad(`${what}: the hub's listing has over ${largestListing} bytes.`);
    chunks.push(chunk);
  }
  const promised = answer.headers.get("content-length");
  if (promised !== null && Number(promised) !== size)
    throw new LostConnection(`${what}: the listing was cut off`);
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw bad(`${what}: the hub's listing is not JSON.`, cause);
  }
}

const bad = (problem: string, cause?: unknown): TagllmError =>
  new TagllmError("hub/response", problem, badCure, { cause });
