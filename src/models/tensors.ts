/** Matches a checkpoint's tensors with what a family reads, before anything is loaded. */
import { TagllmError } from "../errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { TensorInfo } from "../weights/safetensors.ts";
import type { Architecture } from "./architecture.ts";

/** The checkpoint's tensors under the names the family uses, checked against the shapes it asks for. */
export function modelTensors(checkpoint: Checkpoint, architecture: Architecture): Map<string, TensorInfo> {
  const { embedding, vocabularyHead, prefixes } = architecture;
  const [own = "", ...others] = prefixes;
  const spellings = (name: string): string[] =>
    name.startsWith(own) ? [name, ...others.map((other) => other + name.slice(own.length))] : [name];
  const found = new Map<string, TensorInfo>();
  for (const [name, shape] of architecture.tensors) {
    const twin = name === embedding && vocabularyHead === embedding ? ["lm_head.weight"] : [];
    const spelt = [...spellings(name), ...twin].find((n) => checkpoint.tensors.has(n));
    const info = spelt === undefined ? undefined : checkpoint.tensors.get(spelt);
    if (!info) {
      throw new TagllmError(
        "weights/tensor-missing",
        `The checkpoint in ${checkpoint.folder} has no tensor ${name} [${shape}].`,
        "Check that the weight files belong to this config.json and that the download is complete.",
      );
    }
    if (String(info.shape) !== String(shape)) {
      throw new TagllmError(
        "weights/shape",
        `The tensor ${name} in ${info.file} has the shape [${info.shape}], but config.json asks for [${shape}].`,
        "Check that the weight files belong to this config.json.",
      );
    }
    found.set(name, info);
  }
  return found;
}
