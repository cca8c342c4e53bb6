/**
 * A base by its hub id: found in the cache, downloaded when it is not there. This is the one place where a name that a
 * user gives for a base becomes a folder.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { TagllmError } from "../errors.ts";
import { indexName, readWeightMap, singleName } from "../weights/checkpoint.ts";
import { cachedCommit, isKnownAbsent, repoFolder, snapshotFolder, writeAbsence, writeRef } from "./cache.ts";
import { type HubSettings, hubSettings } from "./environment.ts";
import { type HubId, parseHubId, requireHubId } from "./names.ts";
import { fetchFiles, type HubOptions, hasFile, list, type Source } from "./snapshot.ts";

export interface PullOptions extends HubOptions {
  /** Branch, tag or commit; default: what the id says, or main. */
  readonly revision?: string | undefined;
}

export interface PulledModel {
  /** ORG/NAME */
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  /** The snapshot: a folder that is a base. */
  readonly folder: string;
  readonly files: readonly string[];
  readonly bytes: number;
}

const required = ["config.json", "tokenizer.json"];
/** Say how a text becomes tokens and where it ends; taken where they exist, and their absence is remembered. */
const decisive = [
  "tokenizer_config.json",
  "generation_config.json",
  "chat_template.jinja",
  "chat_template.json",
];
const optional = [...decisive, "seen.json"];
/** As large as json-file.ts reads. */
const largestSmall = 100_000_000;
/** More than any disk has. */
const largestWeights = 1e15;

/**
 * Downloads what a base needs of a model repository and verifies what is there already.
 * @throws hub/*, weights/pickle, weights/missing, weights/index, model/config-missing, tokenizer/missing, aborted
 */
export async function pullModel(id: string, options: PullOptions = {}): Promise<PulledModel> {
  return pull(await hubSettings(options.env), requireHubId(id, options.revision), options);
}

async function pull(settings: HubSettings, id: HubId, options: HubOptions): Promise<PulledModel> {
  const { repo, revision } = id;
  const { commit, files } = await list(settings, id, options);
  const there = new Set(files);
  const weights = weightsOf(repo, files);
  for (const name of required) if (!there.has(name)) throw missing(repo, name);
  const folder = repoFolder(settings.cache, repo);
  const snapshot = snapshotFolder(folder, commit);
  const source = { settings, repo, commit };
  const index = weights === indexName ? [indexName] : [];
  const small = [...required, ...optional.filter((name) => there.has(name)), ...index];
  let bytes = await fetchSmall(source, small, options);
  const shards = index.length ? [...new Set((await readWeightMap(snapshot)).values())] : [singleName];
  for (const shard of shards) if (!there.has(shard)) throw missing(repo, shard);
  bytes += await fetchFiles(
    source,
    shards.map((file) => ({ file, largest: largestWeights })),
    options,
  );
  await noteAbsences(folder, commit, there);
  // Last: until now the revision is what was whole before.
  await writeRef(settings.cache, id, commit);
  return { repo, revision, commit, folder: snapshot, files: [...small, ...shards], bytes };
}

const fetchSmall = (source: Source, files: readonly string[], options: HubOptions): Promise<number> =>
  fetchFiles(
    source,
    files.map((file) => ({ file, largest: largestSmall })),
    options,
  );

async function noteAbsences(folder: string, commit: string, there: ReadonlySet<string>): Promise<void> {
  for (const name of decisive) if (!there.has(name)) await writeAbsence(folder, commit, name);
}

function weightsOf(repo: string, files: readonly string[]): string {
  const found = [singleName, indexName].find((name) => files.includes(name));
  if (found !== undefined) return found;
  const pickle = files.find((name) => /\.(bin|pt|pth|ckpt)(\.index\.json)?$/.test(name));
  if (pickle !== undefined) {
    throw new TagllmError(
      "weights/pickle",
      `${repo} has its weights only as a pickle (${pickle}), which can run code when loaded; nothing was downloaded.`,
      "Look for a revision or another repository with model.safetensors, or convert it with transformers in Python.",
    );
  }
  const others = files.filter((name) => /\.(gguf|safetensors|onnx|h5|msgpack)$/.test(name)).slice(0, 3);
  const instead = others.length ? ` It has ${others.join(", ")}.` : "";
  throw new TagllmError(
    "weights/missing",
    `${repo} has neither ${singleName} nor ${indexName}.${instead}`,
    "Give the repository of the original model, in Hugging Face layout.",
  );
}

function missing(repo: string, name: string): TagllmError {
  if (name === "config.json") {
    const cure = "Give the repository of a language model in Hugging Face layout.";
    return new TagllmError("model/config-missing", `${repo} has no config.json.`, cure);
  }
  if (name === "tokenizer.json") {
    const cure =
      "Look for a repository that has it, or make it in Python: AutoTokenizer.from_pretrained(...).save_pretrained(folder).";
    return new TagllmError("tokenizer/missing", `${repo} has no tokenizer.json.`, cure);
  }
  const problem = `${repo} has no ${name}, in which its ${indexName} puts tensors.`;
  return new TagllmError("weights/index", problem, "Give another revision: this one is not whole.");
}

export interface FindOptions extends HubOptions {
  /** Folder from which a relative path is meant; default: the working directory. */
  readonly from?: string;
}

/**
 * The folder of a base. A path that exists wins; else ORG/NAME or ORG/NAME@REVISION is looked up in the cache, where
 * it is completed, and downloaded when it is not there. What is neither is returned as the path it is.
 * @throws hub/* and what pullModel throws
 */
export async function findBase(given: string, options: FindOptions = {}): Promise<string> {
  const place = namedBase(given, options.from);
  const id = parseHubId(place);
  if (id === null) return place;
  const settings = await hubSettings(options.env);
  const cached = await lookUp(settings, id);
  if (cached) return completed(settings, cached, options);
  try {
    if (settings.offline) throw offlineError(given, settings.cache);
    return (await pull(settings, id, options)).folder;
  } catch (error) {
    if (!isOfHub(error)) throw error;
    const problem = `${error.problem} There is no folder ${given} either.`;
    throw new TagllmError(error.code, problem, error.cure, { cause: error });
  }
}

/** A base as a setting names it: an existing path seen from `from` as such, a hub id as it is, and else the path. */
export function namedBase(given: string, from?: string): string {
  const path = from === undefined ? given : resolve(from, given);
  return parseHubId(given) !== null && !existsSync(path) ? given : path;
}

const isOfHub = (error: unknown): error is TagllmError =>
  error instanceof TagllmError && error.code.startsWith("hub/");

interface Cached {
  readonly repo: string;
  readonly commit: string;
  readonly snapshot: string;
  /** Decisive files that are not there, and that the commit may have. */
  readonly unknown: readonly string[];
}

/** Null: the weights or the tokenizer are not there. */
async function lookUp({ cache }: HubSettings, id: HubId): Promise<Cached | null> {
  const commit = await cachedCommit(cache, id);
  if (commit === null) return null;
  const folder = repoFolder(cache, id.repo);
  const snapshot = snapshotFolder(folder, commit);
  for (const name of required) if (!(await hasFile(snapshot, name))) return null;
  if (!(await hasWeights(snapshot))) return null;
  const unknown: string[] = [];
  for (const name of decisive) {
    if ((await hasFile(snapshot, name)) || (await isKnownAbsent(folder, commit, name))) continue;
    unknown.push(name);
  }
  return { repo: id.repo, commit, snapshot, unknown };
}

/** The snapshot with what its commit has of the unknown files; as it is where the hub does not say. */
async function completed(settings: HubSettings, cached: Cached, options: HubOptions): Promise<string> {
  const { repo, commit, snapshot, unknown } = cached;
  if (unknown.length === 0 || settings.offline) return snapshot;
  const listing = await list(settings, { repo, revision: commit }, options).catch(nullIf(isOfHub));
  if (listing === null) return snapshot;
  const there = new Set(listing.files);
  const missed = unknown.filter((name) => there.has(name));
  if (missed.length > 0) await fetchSmall({ settings, repo, commit }, missed, options);
  // A cache that cannot be written is asked for again.
  await noteAbsences(repoFolder(settings.cache, repo), commit, there).catch(nullIf(isOfHub));
  return snapshot;
}

/** What catches errors of a kind, and no others. */
const nullIf = (isExpected: (error: unknown) => boolean) => (error: unknown) => {
  if (isExpected(error)) return null;
  throw error;
};

async function hasWeights(snapshot: string): Promise<boolean> {
  if (await hasFile(snapshot, singleName)) return true;
  if (!(await hasFile(snapshot, indexName))) return false;
  const shards = new Set((await readWeightMap(snapshot)).values());
  for (const shard of shards) if (!existsSync(join(snapshot, shard))) return false;
  return true;
}

const offlineError = (given: string, cache: string): TagllmError =>
  new TagllmError(
    "hub/offline",
    `${given} is not in the cache ${cache}, and HF_HUB_OFFLINE forbids to ask the hub.`,
    `Unset HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) and run: tagllm model pull ${given}`,
  );
