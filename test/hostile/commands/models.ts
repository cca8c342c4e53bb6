/** Folders that are no base. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultBase } from "../../../src/models/default-base.ts";
import type { Attack } from "./case.ts";
import { baseConfig, files, modelFolder } from "./world.ts";

const info =
  (changes: (folder: string) => Promise<Record<string, string | Uint8Array | null>>) =>
  async (folder: string) => ["model", "info", await modelFolder(folder, await changes(folder))];

const config = (changes: Record<string, unknown>) =>
  info(async () => ({ "config.json": await baseConfig(changes) }));

export const modelAttacks: Attack[] = [
  {
    name: "no such folder",
    code: "weights/missing",
    mentions: ["nowhere"],
    prepare: async () => ["model", "info", "nowhere"],
  },
  {
    name: "a file",
    code: "model/not-a-folder",
    mentions: ["model.safetensors"],
    prepare: async () => ["model", "info", join(defaultBase, "model.safetensors")],
  },
  {
    name: "no config.json",
    code: "model/config-missing",
    mentions: ["config.json"],
    prepare: info(async () => ({ "config.json": null })),
  },
  {
    name: "a config.json that is cut",
    code: "model/config-json",
    mentions: ["config.json"],
    prepare: info(async () => ({ "config.json": '{"model_type": "lla' })),
  },
  {
    name: "a family that is not supported",
    code: "model/unsupported",
    mentions: ["mamba"],
    prepare: config({ model_type: "mamba" }),
  },
  {
    name: "a setting that would change the numbers",
    code: "model/config",
    mentions: ["hidden_act", "relu6"],
    prepare: config({ hidden_act: "relu6" }),
  },
  {
    name: "one layer more than there are weights",
    code: "weights/tensor-missing",
    mentions: ["layers."],
    prepare: async (folder) => {
      const { num_hidden_layers: layers } = JSON.parse(
        await readFile(join(defaultBase, "config.json"), "utf8"),
      ) as { num_hidden_layers: number };
      return [
        "model",
        "info",
        await modelFolder(folder, { "config.json": await baseConfig({ num_hidden_layers: layers + 1 }) }),
      ];
    },
  },
  {
    name: "another width than the weights",
    code: "weights/shape",
    mentions: ["shape"],
    prepare: config({ intermediate_size: 64 }),
  },
  {
    name: "no tokenizer",
    code: "tokenizer/missing",
    mentions: ["tokenizer.json"],
    prepare: info(async () => ({ "tokenizer.json": null })),
  },
  {
    name: "a tokenizer that is none",
    code: "tokenizer/invalid",
    mentions: ["tokenizer.json"],
    prepare: info(async () => ({ "tokenizer.json": "[]" })),
  },
  {
    name: "weights cut in the middle",
    code: "weights/truncated",
    mentions: ["model.safetensors"],
    prepare: info(async () => ({
      "model.safetensors": (await readFile(join(defaultBase, "model.safetensors"))).subarray(0, 5_000_000),
    })),
  },
  {
    name: "weights as pickle only",
    code: "weights/pickle",
    mentions: ["pytorch_model.bin"],
    prepare: async (folder) => {
      await modelFolder(folder, { "model.safetensors": null, "pytorch_model.bin": "\u0080\u0002" });
      return ["model", "info", "model"];
    },
  },
  {
    name: "a header of 200 million bytes",
    code: "weights/header-size",
    mentions: ["200000000"],
    prepare: info(async () => {
      const bytes = Buffer.alloc(64);
      bytes.writeBigUInt64LE(200_000_000n);
      return { "model.safetensors": bytes };
    }),
  },
  {
    name: "an index that leads out of the folder",
    code: "weights/index",
    mentions: ["../"],
    prepare: async (folder) => {
      await modelFolder(folder, {
        "model.safetensors": null,
        "model.safetensors.index.json": '{"weight_map":{"a":"../secret.safetensors"}}',
      });
      await files(folder, { "secret.safetensors": "" });
      return ["model", "info", "model"];
    },
  },
];
