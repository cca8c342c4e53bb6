/** Files made to pass as tags. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { baseFingerprint } from "../../../src/models/fingerprint.ts";
import { loadTag, saveTag } from "../../../src/tags/file.ts";
import { openTags, requireBase, requireTag } from "../../../src/tags/library.ts";
import { encodeMetadata } from "../../../src/tags/metadata.ts";
import type { Tag } from "../../../src/tags/tag.ts";
import { encodeSafetensors } from "../../../src/weights/safetensors.ts";
import { domainTag, functionTag, sampleBase } from "../../tags/sample.ts";
import type { HostileCase } from "./case.ts";

type Attack = Omit<HostileCase, "category">;
type Tensors = Parameters<typeof encodeSafetensors>[0];

const f32 = (...shape: number[]) => ({
  dtype: "F32" as const,
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
});
const goodTensors: Tensors = { vectors: { dtype: "F32", shape: [3, 4], data: domainTag().vectors } };

/** Load a file with good content but for these changes; an undefined entry is left out. */
function altered(
  metadata: Record<string, string | undefined>,
  tensors: Tensors = goodTensors,
  fileName = "SMILES.safetensors",
) {
  return async (dir: string) => {
    const entries = Object.entries({ ...encodeMetadata(domainTag()), ...metadata });
    const kept = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
    await writeFile(join(dir, fileName), encodeSafetensors(tensors, Object.fromEntries(kept)));
    return loadTag(join(dir, fileName));
  };
}

function bytes(content: Uint8Array | string) {
  return async (dir: string) => {
    await writeFile(join(dir, "SMILES.safetensors"), content);
    return loadTag(join(dir, "SMILES.safetensors"));
  };
}

const save = (tag: Tag, fileName: string) => (dir: string) => saveTag(join(dir, fileName), tag);
const goodBytes = encodeSafetensors(goodTensors, encodeMetadata(domainTag()));
const base = JSON.stringify({ ...sampleBase, layers: -1 });
const foreignTensors: Tensors = { "base_model.model.layers.0.q_proj.lora_A.weight": f32(2, 4) };

const cases: Attack[] = [
  {
    name: "file that does not exist",
    code: "tag/missing",
    mentions: ["Nowhere.safetensors"],
    run: (dir) => loadTag(join(dir, "Nowhere.safetensors")),
  },
  {
    name: "folder that does not exist",
    code: "tag/missing",
    mentions: ["nowhere"],
    run: (dir) => openTags(join(dir, "nowhere")),
  },
  { name: "folder called like a tag file", code: "tag/damaged", mentions: ["a folder"], run: folderAsFile },
  { name: "empty file", code: "tag/damaged", mentions: ["0 bytes"], run: bytes("") },
  {
    name: "pickle",
    code: "tag/damaged",
    mentions: ["SMILES.safetensors"],
    run: bytes(Buffer.from("80027d710058", "hex")),
  },
  {
    name: "half a file",
    code: "tag/damaged",
    mentions: ["SMILES.safetensors"],
    run: bytes(goodBytes.subarray(0, -20)),
  },
  {
    name: "vectors changed after saving",
    code: "tag/damaged",
    mentions: ["changed after saving"],
    run: altered({}, { vectors: f32(3, 4) }),
  },
  {
    name: "template slipped in after saving",
    code: "tag/kind",
    mentions: ['"<QED> {y}"'],
    run: altered({ template: "<QED> {y}" }),
  },
  {
    name: "isolation switched off after saving",
    code: "tag/damaged",
    mentions: ["digest"],
    run: altered({ isolate: "false" }),
  },
  {
    name: "PEFT adapter",
    code: "tag/not-a-tag",
    mentions: ["lora_A"],
    run: altered({ format: "pt" }, foreignTensors),
  },
  {
    name: "model checkpoint without metadata",
    code: "tag/not-a-tag",
    mentions: ['"model.embed"'],
    run: bytes(encodeSafetensors({ "model.embed": f32(2, 2) })),
  },
  {
    name: "format of the future",
    code: "tag/version",
    mentions: ['"2"'],
    run: altered({ format_version: "2" }),
  },
  {
    name: "no format version",
    code: "tag/version",
    mentions: ["no format version"],
    run: altered({ format_version: undefined }),
  },
  {
    name: "unknown metadata entry",
    code: "tag/metadata",
    mentions: ['"on_load"'],
    run: altered({ on_load: "rm -rf /" }),
  },
  {
    name: "missing metadata entry",
    code: "tag/metadata",
    mentions: ['"isolate"'],
    run: altered({ isolate: undefined }),
  },
  {
    name: "length that is not a number",
    code: "tag/metadata",
    mentions: ['"ten"'],
    run: altered({ length: "ten" }),
  },
  {
    name: "a domain tag of length 0",
    code: "tag/shape",
    mentions: ["has 0 vectors"],
    run: altered({ length: "0" }, { vectors: f32(0, 4) }),
  },
  { name: "base with a negative size", code: "tag/metadata", mentions: ["layers"], run: altered({ base }) },
  {
    name: "unknown key inside an entry",
    code: "tag/metadata",
    mentions: ['"extra"'],
    run: altered({ uses_tags: `[{"name":"A","sha256":"${"0".repeat(64)}","extra":1}]` }),
  },
  {
    name: "kind that does not exist",
    code: "tag/kind",
    mentions: ['"system"'],
    run: altered({ kind: "system" }),
  },
  {
    name: "domain tag with a head",
    code: "tag/kind",
    mentions: ["a head"],
    run: save(domainTag({ head: functionTag().head }), "SMILES.safetensors"),
  },
  {
    name: "name that is a path",
    code: "tag/name",
    mentions: ['"../SMILES"'],
    run: altered({ name: "../SMILES" }),
  },
  {
    name: "saving under a name that is a path",
    code: "tag/name",
    mentions: ['"../evil"'],
    run: save(domainTag({ name: "../evil" }), "../evil.safetensors"),
  },
  {
    name: "file called by another name",
    code: "tag/name",
    mentions: ["Protein.safetensors"],
    run: altered({}, goodTensors, "Protein.safetensors"),
  },
  {
    name: "unknown tensor",
    code: "tag/tensors",
    mentions: ['"payload"'],
    run: altered({}, { ...goodTensors, payload: f32(1) }),
  },
  { name: "no vectors", code: "tag/tensors", mentions: ['"vectors"'], run: altered({}, {}) },
  {
    name: "bias without a head",
    code: "tag/tensors",
    mentions: ['"head.weight"'],
    run: altered({ kind: "function", outputs: '["y"]' }, { ...goodTensors, "head.bias": f32(1) }),
  },
  {
    name: "vectors in another dtype",
    code: "tag/dtype",
    mentions: ["F64"],
    run: altered({}, { vectors: { dtype: "F64", shape: [3, 4], data: new Float64Array(12) } }),
  },
  {
    name: "vectors of another shape",
    code: "tag/shape",
    mentions: ["[4,3]"],
    run: altered({}, { vectors: f32(4, 3) }),
  },
  {
    name: "length of a billion",
    code: "tag/shape",
    mentions: ["1000000000"],
    run: altered({ length: "1000000000" }),
  },
  {
    name: "NaN among the vectors",
    code: "tag/not-finite",
    mentions: ["number 6 of vectors is NaN"],
    run: altered({}, { vectors: withNumber(5, Number.NaN) }),
  },
  {
    name: "saving infinity",
    code: "tag/not-finite",
    mentions: ["Infinity"],
    run: save(domainTag({ vectors: withNumber(0, Infinity).data }), "SMILES.safetensors"),
  },
  {
    name: "scaling by 0",
    code: "tag/metadata",
    mentions: ["scale 0"],
    run: save(
      functionTag({
        scaling: [
          { mean: 1, scale: 0 },
          { mean: 0, scale: 1 },
        ],
      }),
      "QED.safetensors",
    ),
  },
  {
    name: "folder where the file should be",
    code: "tag/write",
    mentions: ["SMILES.safetensors"],
    run: overFolder,
  },
  { name: "two tags of one name", code: "tag/duplicate", mentions: ['"SMILES"'], run: twice },
  {
    name: "tag that is not in the library",
    code: "tag/unknown",
    mentions: ['"Smile"'],
    run: async () => requireTag(new Map([["SMILES", domainTag()]]), "Smile"),
  },
  {
    name: "tag of another base of the same name",
    code: "tag/wrong-base",
    mentions: ["weights"],
    run: async () => requireBase(domainTag(), baseFingerprint({ ...sampleBase, weights: "0" })),
  },
];

function withNumber(at: number, value: number) {
  const { vectors } = domainTag();
  vectors[at] = value;
  return { dtype: "F32" as const, shape: [3, 4], data: vectors };
}

async function folderAsFile(dir: string): Promise<unknown> {
  await mkdir(join(dir, "SMILES.safetensors"));
  return openTags(dir);
}

async function overFolder(dir: string): Promise<unknown> {
  await mkdir(join(dir, "SMILES.safetensors"));
  return saveTag(join(dir, "SMILES.safetensors"), domainTag());
}

async function twice(dir: string): Promise<unknown> {
  await saveTag(join(dir, "SMILES.safetensors"), domainTag());
  await saveTag(join(dir, "more", "SMILES.safetensors"), domainTag());
  return openTags([dir, join(dir, "more")]);
}

export const tagCases: HostileCase[] = cases.map((each) => ({ category: "tag files", ...each }));
