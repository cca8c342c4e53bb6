/**
 * One tag, one .safetensors file: `vectors`, for a head `head.weight` and perhaps `head.bias`, and metadata with
 * everything needed to use the tag safely later. Files are replaced whole or not at all, and a file is believed
 * only after every entry, size, number and the digest of it all have been checked.
 */
import { basename, join } from "node:path";
import { TagllmError } from "../errors.ts";
import { replaceFile } from "../replace-file.ts";
import { quote } from "../suggest.ts";
import {
  encodeSafetensors,
  readHeader,
  readTensor,
  type SafetensorsHeader,
  type TensorInfo,
  toFloat32,
} from "../weights/safetensors.ts";
import { checkTag, checkTagName, damage } from "./check.ts";
import { decodeMetadata, encodeMetadata, type TagMetadata } from "./metadata.ts";
import { type Tag, tagDigest } from "./tag.ts";

export const tagFileEnding = ".safetensors";

/** Where a library keeps the tag of that name. */
export const tagFile = (folder: string, name: string): string => join(folder, `${name}${tagFileEnding}`);

/**
 * Write a tag to `file`, which must be called by the tag's name; its folder is made if needed. The file is
 * complete or as it was before, also after a crash. Throws what checkTag throws, tag/name or tag/write.
 */
export async function saveTag(file: string, tag: Tag): Promise<void> {
  checkTag(tag, file);
  checkFileName(tag.name, file);
  const tensors: Parameters<typeof encodeSafetensors>[0] = {
    vectors: { dtype: "F32", shape: [tag.length, tag.width], data: tag.vectors },
    ...(tag.head && {
      "head.weight": { dtype: "F32", shape: [tag.head.outputs, tag.width], data: tag.head.weight },
    }),
    ...(tag.outliers && detectorTensors(tag.outliers)),
    ...(tag.head?.bias && { "head.bias": { dtype: "F32", shape: [tag.head.outputs], data: tag.head.bias } }),
  };
  try {
    await replaceFile(file, encodeSafetensors(tensors, encodeMetadata(tag)));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const cure = "Check the path, its permissions and the free space.";
    throw new TagllmError("tag/write", `${file} cannot be written (${reason}).`, cure, { cause });
  }
}

/** Read a tag. Throws tag/missing, damaged, not-a-tag, version, metadata, name, tensors, dtype, shape, kind, not-finite. */
export async function loadTag(file: string): Promise<Tag> {
  const header = await translated(file, () => readHeader(file));
  const { digest, ...metadata } = decodeMetadata(header.metadata, [...header.tensors.keys()], file);
  checkTagName(metadata.name, file);
  checkFileName(metadata.name, file);
  const head = checkTensors(header, metadata, file);
  const tensor = (name: string) => readF32(header.tensors.get(name)!, file);
  const { outliers, ...rest } = metadata;
  const tag: Tag = {
    ...rest,
    ...(outliers && {
      outliers: {
        ...outliers,
        mean: await tensor("outliers.mean"),
        whitening: await tensor("outliers.whitening"),
      },
    }),
    vectors: await tensor("vectors"),
    head: head && {
      weight: await tensor("head.weight"),
      bias: head.bias ? await tensor("head.bias") : null,
      outputs: head.outputs,
    },
  };
  checkTag(tag, file);
  const found = tagDigest(tag);
  if (found !== digest) {
    const digests = `${found.slice(0, 12)}… and not ${digest.slice(0, 12)}… as when it was saved`;
    throw damage("tag/damaged", file, `the content was changed after saving: its digest is ${digests}.`);
  }
  return tag;
}

function detectorTensors({ mean, whitening }: NonNullable<Tag["outliers"]>) {
  const k = mean.length;
  return {
    "outliers.mean": { dtype: "F32" as const, shape: [k], data: mean },
    "outliers.whitening": { dtype: "F32" as const, shape: [k, k], data: whitening },
  };
}

/** The head's shape, or null. Nothing is read before names, dtypes and shapes are as they must be. */
function checkTensors(
  { tensors }: SafetensorsHeader,
  { length, width, outputs, classes, outliers }: Omit<TagMetadata, "digest">,
  file: string,
): { outputs: number; bias: boolean } | null {
  const answers = classes?.length ?? outputs.length;
  const projections = tensors.get("outliers.mean")?.shape[0] ?? 0;
  const shapes = new Map([
    ["vectors", [length, width]],
    ["head.weight", [answers, width]],
    ["head.bias", [answers]],
    ...(outliers ? detectorShapes(projections) : []),
  ]);
  for (const [name, { dtype, shape }] of tensors) {
    const expected = shapes.get(name);
    if (expected === undefined)
      throw damage("tag/tensors", file, `it has the unknown tensor ${quote(name)}.`);
    if (dtype !== "F32") throw damage("tag/dtype", file, `${quote(name)} is stored as ${dtype}, not F32.`);
    if (shape.length !== expected.length || shape.some((size, axis) => size !== expected[axis])) {
      throw damage(
        "tag/shape",
        file,
        `${quote(name)} has the shape [${shape}]; the metadata says [${expected}].`,
      );
    }
  }
  if (!tensors.has("vectors")) throw damage("tag/tensors", file, 'it lacks the tensor "vectors".');
  const bias = tensors.has("head.bias");
  if (outliers && !(tensors.has("outliers.mean") && tensors.has("outliers.whitening")))
    throw damage("tag/tensors", file, "it lacks the tensors of its detector of outliers.");
  if (tensors.has("head.weight")) return { outputs: answers, bias };
  if (bias) throw damage("tag/tensors", file, 'it has "head.bias" and lacks "head.weight".');
  return null;
}

const detectorShapes = (k: number): [string, number[]][] => [
  ["outliers.mean", [k]],
  ["outliers.whitening", [k, k]],
];

async function readF32(info: TensorInfo, file: string): Promise<Float32Array> {
  return toFloat32(await translated(file, () => readTensor(info)), info.dtype);
}

/** Errors of the safetensors reader in the words of tags. */
async function translated<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof TagllmError)) throw error;
    if (error.code !== "weights/missing") {
      throw damage("tag/damaged", file, error.problem.replace(`${file}: `, ""), error);
    }
    throw new TagllmError("tag/missing", `There is no tag file ${file}.`, "Check the path.", {
      cause: error,
    });
  }
}

function checkFileName(name: string, file: string): void {
  if (basename(file) === name + tagFileEnding) return;
  throw new TagllmError(
    "tag/name",
    `${file} is not called by the name of its tag, ${quote(name)}.`,
    `Call it ${quote(name + tagFileEnding)}.`,
  );
}
