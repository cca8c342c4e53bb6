/**
 * A checkpoint in Hugging Face's folder layout: config.json beside model.safetensors, or beside
 * model.safetensors.index.json and the shards it names. Opening one reads headers only.
 * Not here: what the config means (models/), the tokenizer's files (tokenizer/), downloads.
 */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { isObject, type JsonObject, readJsonObject } from "../json-file.ts";
import { quote } from "../suggest.ts";
import { readHeader, type TensorInfo } from "./safetensors.ts";

export { fingerprintTensors } from "./fingerprint.ts";

export interface Checkpoint {
  /** The folder, as it was given. */
  readonly folder: string;
  /** config.json as it stands, unchecked beyond being an object. */
  readonly config: JsonObject;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** Files of weights by the names that Hugging Face gives them. */
export const singleName = "model.safetensors";
export const indexName = "model.safetensors.index.json";

/**
 * Opens the checkpoint in `folder`. model.safetensors wins over an index beside it, as in Hugging Face's loader;
 * with an index, the tensors are those it lists (others in the shards are ignored).
 * Throws model/not-a-folder, model/config-*, weights/missing, weights/pickle, weights/index and what readHeader throws.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const names = await listFolder(folder);
  const config = await readJsonObject(
    join(folder, "config.json"),
    "model/config-json",
    "Download the file again.",
  );
  if (config === null) {
    throw new TagllmError(
      "model/config-missing",
      `${folder} has no config.json.`,
      "Give the folder of a model in Hugging Face layout (config.json, model.safetensors, tokenizer.json).",
    );
  }
  return { folder, config, tensors: await findTensors(folder, names) };
}

async function listFolder(folder: string): Promise<ReadonlySet<string>> {
  const found = await stat(folder).catch(() => null);
  if (found === null) {
    throw new TagllmError(
      "weights/missing",
      `There is no folder ${folder}.`,
      "Check the path of the base model.",
    );
  }
  if (!found.isDirectory()) {
    throw new TagllmError(
      "model/not-a-folder",
      `${folder} is a file, not the folder of a model.`,
      "Give the folder that holds config.json and model.safetensors.",
    );
  }
  try {
    return new Set(await readdir(folder));
  } catch (cause) {
    throw new TagllmError("weights/unreadable", `${folder} may not be read.`, "Check its permissions.", {
      cause,
    });
  }
}

async function findTensors(
  folder: string,
  names: ReadonlySet<string>,
): Promise<ReadonlyMap<string, TensorInfo>> {
  if (names.has(singleName)) return (await readHeader(join(folder, singleName))).tensors;
  if (names.has(indexName)) return await readShards(folder, await readWeightMap(folder));
  const pickle = [...names].find((name) => /\.(bin|pt|pth|ckpt)(\.index\.json)?$/.test(name));
  if (pickle !== undefined) {
    throw new TagllmError(
      "weights/pickle",
      `${folder} holds its weights only as a pickle (${pickle}), which can run code when loaded.`,
      "Convert it: in Python, load the model with transformers and call save_pretrained(folder, safe_serialization=True).",
    );
  }
  throw new TagllmError(
    "weights/missing",
    `${folder} has neither ${singleName} nor ${indexName}.`,
    "Download the model's weights into the folder.",
  );
}

/** Tensor name to shard file name, as the index has it, every file name checked to stay inside the folder. */
export async function readWeightMap(folder: string): Promise<Map<string, string>> {
  const file = join(folder, indexName);
  const index = await readJsonObject(file, "weights/index", "Download the file again.");
  const weightMap = index?.weight_map;
  if (!isObject(weightMap) || Object.keys(weightMap).length === 0) {
    throw damagedIndex(`${file} has no weight_map, which says in which file each tensor is.`);
  }
  const shards = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(weightMap)) {
    if (typeof shard !== "string" || !staysInside(shard)) {
      throw damagedIndex(
        `${file} puts tensor ${quote(tensor)} into ${quote(String(shard))}, which is no file inside the folder.`,
      );
    }
    shards.set(tensor, shard);
  }
  return shards;
}

function staysInside(shard: string): boolean {
  const steps = shard.split("/");
  return !/[\\:\0]/.test(shard) && steps.every((step) => step !== "" && step !== "." && step !== "..");
}

async function readShards(
  folder: string,
  weightMap: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, TensorInfo>> {
  const headers = new Map<string, ReadonlyMap<string, TensorInfo>>();
  for (const shard of new Set(weightMap.values())) {
    headers.set(shard, (await readHeader(join(folder, shard))).tensors);
  }
  const tensors = new Map<string, TensorInfo>();
  for (const [name, shard] of weightMap) {
    const info = headers.get(shard)?.get(name);
    if (info === undefined) {
      throw damagedIndex(
        `${join(folder, indexName)} puts tensor ${quote(name)} into ${quote(shard)}, which has no such tensor.`,
      );
    }
    tensors.set(name, info);
  }
  return tensors;
}

function damagedIndex(problem: string): TagllmError {
  return new TagllmError(
    "weights/index",
    problem,
    "Download the checkpoint again, all shards from one revision.",
  );
}
