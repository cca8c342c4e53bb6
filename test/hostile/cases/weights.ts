/** Attacks on safetensors files and checkpoint folders: lying headers, wrong bytes, paths that lead elsewhere. */

import { execFileSync } from "node:child_process";
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { encodeSafetensors, readHeader, readTensor, toFloat32 } from "../../../src/weights/safetensors.ts";
import type { HostileCase } from "./case.ts";

type Attack = Omit<HostileCase, "category">;

/** A file whose header length, header and data need not agree. */
function bytesOf(header: string | Uint8Array, dataBytes = 0, headerLength?: bigint): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

async function readBack(dir: string, contents: Uint8Array): Promise<unknown> {
  const file = join(dir, "evil.safetensors");
  await writeFile(file, contents);
  return await readHeader(file);
}

function tensor(offsets: string, shape = "[2]", dtype = "F32"): string {
  return `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
}

const withHeader =
  (header: string | Uint8Array, dataBytes = 0, headerLength?: bigint) =>
  (dir: string): Promise<unknown> =>
    readBack(dir, bytesOf(header, dataBytes, headerLength));

const two = (a: string, b: string) => `{"first":${a},"second":${b}}`;

const files: Attack[] = [
  {
    name: "a file of 5 bytes",
    code: "weights/truncated",
    mentions: ["evil.safetensors", "5 bytes"],
    run: (dir) => readBack(dir, Buffer.alloc(5)),
  },
  {
    name: "a header length of zero",
    code: "weights/header-size",
    mentions: ["evil.safetensors", "0 bytes"],
    run: withHeader("", 8),
  },
  {
    name: "a header length of 2^63",
    code: "weights/header-size",
    mentions: ["9223372036854775808"],
    run: withHeader("{}", 0, 2n ** 63n),
  },
  {
    name: "a header length one past the end of the file",
    code: "weights/header-size",
    mentions: ["10 bytes", "only 9"],
    run: withHeader(`{}${" ".repeat(7)}`, 0, 10n),
  },
  {
    name: "a header over 100 MB in a file that has as many bytes",
    code: "weights/header-size",
    mentions: ["100000001", "100000000"],
    run: async (dir) => {
      const file = join(dir, "evil.safetensors");
      await writeFile(file, bytesOf("{", 0, 100_000_001n));
      await truncate(file, 200_000_000);
      return await readHeader(file);
    },
  },
  {
    name: "a Git LFS pointer",
    code: "weights/header-size",
    mentions: ["evil.safetensors", "Git LFS"],
    run: (dir) =>
      readBack(dir, Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 11\n")),
  },
  {
    name: "a header that is not UTF-8",
    code: "weights/header-json",
    mentions: ["evil.safetensors", "UTF-8"],
    run: withHeader(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)),
  },
  {
    name: "a header that is a list",
    code: "weights/header-json",
    mentions: ["character 1", "[]"],
    run: withHeader("[]"),
  },
  {
    name: "a header that ends inside a tensor",
    code: "weights/header-json",
    mentions: ["the end"],
    run: withHeader('{"w":{"dtype":"F32","shape":[2'),
  },
  {
    name: "a header with text after it",
    code: "weights/header-json",
    mentions: ["character 3", "rm -rf"],
    run: withHeader("{}rm -rf /"),
  },
  {
    name: "a header of ten million opening braces",
    code: "weights/header-json",
    mentions: ["character 2"],
    run: withHeader("{".repeat(10_000_000)),
  },
  {
    name: "two tensors of one name",
    code: "weights/header-json",
    mentions: ['"first" comes twice'],
    run: withHeader(`{"first":${tensor("[0,8]")},"first":${tensor("[8,16]")}}`, 16),
  },
  {
    name: "two tensors whose names are equal once unescaped",
    code: "weights/header-json",
    mentions: ['"a" comes twice'],
    run: withHeader(`{"a":${tensor("[0,8]")},"\\u0061":${tensor("[8,16]")}}`, 16),
  },
  {
    name: "a tensor with two shapes",
    code: "weights/header-json",
    mentions: ['"w"', '"shape" comes twice'],
    run: withHeader('{"w":{"dtype":"F32","shape":[2],"shape":[200],"data_offsets":[0,8]}}', 8),
  },
  {
    name: "a tensor with a key that the format does not have",
    code: "weights/header-json",
    mentions: ['"w"', '"loader"'],
    run: withHeader('{"w":{"loader":"os.system","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
  },
  {
    name: "a tensor without offsets",
    code: "weights/header-json",
    mentions: ['"w"', "data_offsets"],
    run: withHeader('{"w":{"dtype":"F32","shape":[2]}}', 8),
  },
  {
    name: "metadata that is not text",
    code: "weights/header-json",
    mentions: ['"version"', "3"],
    run: withHeader('{"__metadata__":{"version":3}}'),
  },
  {
    name: "a negative offset",
    code: "weights/offsets",
    mentions: ['"w"', "-8"],
    run: withHeader(`{"w":${tensor("[-8,0]")}}`, 8),
  },
  {
    name: "a fractional offset",
    code: "weights/offsets",
    mentions: ['"w"', "0.5"],
    run: withHeader(`{"w":${tensor("[0.5,8.5]")}}`, 8),
  },
  {
    name: "an offset that a double cannot hold",
    code: "weights/offsets",
    mentions: ['"w"', "9007199254740993"],
    run: withHeader(`{"w":${tensor("[9007199254740993,9007199254741001]")}}`, 8),
  },
  {
    name: "reversed offsets",
    code: "weights/offsets",
    mentions: ['"w"', "[8, 0]"],
    run: withHeader(`{"w":${tensor("[8,0]")}}`, 8),
  },
  {
    name: "offsets far outside the file",
    code: "weights/offsets",
    mentions: ['"w"', "4096", "8"],
    run: withHeader(`{"w":${tensor("[4088,4096]")}}`, 8),
  },
  {
    name: "two tensors over the same bytes",
    code: "weights/overlap",
    mentions: ['"second"', "byte 4"],
    run: withHeader(two(tensor("[0,8]"), tensor("[4,12]")), 12),
  },
  {
    name: "a hole between two tensors, where anything could hide",
    code: "weights/overlap",
    mentions: ['"second"', "byte 16"],
    run: withHeader(two(tensor("[0,8]"), tensor("[16,24]")), 24),
  },
  {
    name: "bytes after the last tensor",
    code: "weights/overlap",
    mentions: ["5 bytes after the last tensor"],
    run: withHeader(`{"w":${tensor("[0,8]")}}`, 13),
  },
  {
    name: "a download that stopped early",
    code: "weights/truncated",
    mentions: ['"second"', "3 bytes early"],
    run: withHeader(two(tensor("[0,8]"), tensor("[8,16]")), 13),
  },
  {
    name: "a shape that its bytes do not hold",
    code: "weights/size",
    mentions: ['"w"', "[3]", "8 bytes", "12"],
    run: withHeader(`{"w":${tensor("[0,8]", "[3]")}}`, 8),
  },
  {
    name: "a shape whose product overflows to the right size",
    code: "weights/size",
    mentions: ['"w"', "4294967296,4294967296"],
    run: withHeader(`{"w":${tensor("[0,0]", "[4294967296,4294967296]")}}`),
  },
  {
    name: "half a byte",
    code: "weights/size",
    mentions: ['"w"', "F4"],
    run: withHeader(`{"w":${tensor("[0,1]", "[1]", "F4")}}`, 1),
  },
  {
    name: "a negative dimension",
    code: "weights/dims",
    mentions: ['"w"', "-2"],
    run: withHeader(`{"w":${tensor("[0,8]", "[-2,-1]")}}`, 8),
  },
  {
    name: "a dimension of 1e300",
    code: "weights/dims",
    mentions: ['"w"', "1e300"],
    run: withHeader(`{"w":${tensor("[0,8]", "[1e300]")}}`, 8),
  },
  {
    name: "a shape of a million dimensions",
    code: "weights/dims",
    mentions: ['"w"', "32"],
    run: withHeader(`{"w":${tensor("[0,4]", `[1${",1".repeat(1_000_000)}]`)}}`, 4),
  },
  {
    name: "an unknown dtype",
    code: "weights/dtype",
    mentions: ['"w"', "FLOAT"],
    run: withHeader(`{"w":${tensor("[0,8]", "[2]", "FLOAT")}}`, 8),
  },
  {
    name: "100,001 tensors",
    code: "weights/tensor-count",
    mentions: ["100000", '"t100000"'],
    run: (dir) => {
      const entries = Array.from({ length: 100_001 }, (_, i) => `"t${i}":${tensor("[0,0]", "[0]")}`);
      return readBack(dir, bytesOf(`{${entries.join(",")}}`));
    },
  },
  {
    name: "integers where weights are asked for",
    code: "weights/dtype",
    mentions: ["I64"],
    run: async (dir) => {
      const file = join(dir, "evil.safetensors");
      await writeFile(file, bytesOf(`{"w":${tensor("[0,16]", "[2]", "I64")}}`, 16));
      const info = (await readHeader(file)).tensors.get("w")!;
      return toFloat32(await readTensor(info), info.dtype);
    },
  },
  {
    name: "a file that shrinks between its header and its tensors",
    code: "weights/truncated",
    mentions: ["evil.safetensors", "changed"],
    run: async (dir) => {
      const file = join(dir, "evil.safetensors");
      await writeFile(file, bytesOf(`{"w":${tensor("[0,8]")}}`, 8));
      const info = (await readHeader(file)).tensors.get("w")!;
      await truncate(file, info.begin);
      return await readTensor(info);
    },
  },
  {
    name: "a folder called like a weight file",
    code: "weights/unreadable",
    mentions: ["evil.safetensors", "folder"],
    run: async (dir) => {
      await mkdir(join(dir, "evil.safetensors"));
      return await readHeader(join(dir, "evil.safetensors"));
    },
  },
  {
    name: "a named pipe that nobody writes to",
    code: "weights/unreadable",
    mentions: ["evil.safetensors", "pipe"],
    run: async (dir) => {
      execFileSync("mkfifo", [join(dir, "evil.safetensors")]);
      return await readHeader(join(dir, "evil.safetensors"));
    },
  },
];

/** Opens `dir` as a checkpoint that has `contents`, by file name. */
async function openWith(dir: string, contents: Record<string, string | Uint8Array>): Promise<unknown> {
  for (const [name, text] of Object.entries(contents)) await writeFile(join(dir, name), text);
  return await openCheckpoint(dir);
}

const INDEX = "model.safetensors.index.json";
const shard = encodeSafetensors({ real: { dtype: "F32", shape: [1], data: new Float32Array(1) } });

const withShard = (name: string) => (dir: string) =>
  openWith(dir, { "config.json": "{}", [INDEX]: JSON.stringify({ weight_map: { w: name } }) });

const folders: Attack[] = [
  {
    name: "a folder that does not exist",
    code: "weights/missing",
    mentions: ["no-such-model"],
    run: (dir) => openCheckpoint(join(dir, "no-such-model")),
  },
  {
    name: "a file instead of a folder",
    code: "model/not-a-folder",
    mentions: ["model.safetensors"],
    run: async (dir) => {
      await writeFile(join(dir, "model.safetensors"), shard);
      return await openCheckpoint(join(dir, "model.safetensors"));
    },
  },
  {
    name: "no config.json",
    code: "model/config-missing",
    mentions: ["config.json"],
    run: (dir) => openWith(dir, { "model.safetensors": shard }),
  },
  {
    name: "a config.json that is no JSON",
    code: "model/config-json",
    mentions: ["config.json", "position 1"],
    run: (dir) => openWith(dir, { "config.json": "{hidden_size: 256}", "model.safetensors": shard }),
  },
  {
    name: "a config.json that is a list",
    code: "model/config-json",
    mentions: ["config.json", "object"],
    run: (dir) => openWith(dir, { "config.json": "[]", "model.safetensors": shard }),
  },
  {
    name: "only a pickle",
    code: "weights/pickle",
    mentions: ["pytorch_model.bin", "save_pretrained"],
    run: (dir) => openWith(dir, { "config.json": "{}", "pytorch_model.bin": "cos\nsystem\n" }),
  },
  {
    name: "no weights at all",
    code: "weights/missing",
    mentions: ["model.safetensors"],
    run: (dir) => openWith(dir, { "config.json": "{}" }),
  },
  {
    name: "an index that is no JSON",
    code: "weights/index",
    mentions: [INDEX],
    run: (dir) => openWith(dir, { "config.json": "{}", [INDEX]: "{" }),
  },
  {
    name: "an index without a weight_map",
    code: "weights/index",
    mentions: [INDEX, "weight_map"],
    run: (dir) => openWith(dir, { "config.json": "{}", [INDEX]: '{"weight_map":[]}' }),
  },
  {
    name: "an index that climbs out of the folder",
    code: "weights/index",
    mentions: ['"w"', "../../etc/passwd"],
    run: withShard("../../etc/passwd"),
  },
  {
    name: "an index that climbs out through a subfolder",
    code: "weights/index",
    mentions: ['"w"', "a/../../b"],
    run: withShard("a/../../b"),
  },
  {
    name: "an index with an absolute path",
    code: "weights/index",
    mentions: ["/etc/passwd"],
    run: withShard("/etc/passwd"),
  },
  {
    name: "an index with a Windows path",
    code: "weights/index",
    mentions: ["C:"],
    run: withShard("C:\\weights.safetensors"),
  },
  {
    name: "an index that puts a tensor into a number",
    code: "weights/index",
    mentions: ['"w"', "7"],
    run: (dir) => openWith(dir, { "config.json": "{}", [INDEX]: '{"weight_map":{"w":7}}' }),
  },
  {
    name: "a shard that is not there",
    code: "weights/missing",
    mentions: ["model-00002-of-00002.safetensors"],
    run: withShard("model-00002-of-00002.safetensors"),
  },
  {
    name: "a tensor that its shard does not have",
    code: "weights/index",
    mentions: ['"w"', "one.safetensors"],
    run: (dir) =>
      openWith(dir, {
        "config.json": "{}",
        "one.safetensors": shard,
        [INDEX]: JSON.stringify({ weight_map: { real: "one.safetensors", w: "one.safetensors" } }),
      }),
  },
];

export const weightsCases: HostileCase[] = [
  ...files.map((attack) => ({ category: "safetensors files", ...attack })),
  ...folders.map((attack) => ({ category: "checkpoint folders", ...attack })),
];
