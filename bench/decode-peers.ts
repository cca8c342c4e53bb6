/**
 * The peers of the benchmark of decoding, each with a model of the same shape in files of its own. They are no
 * dependencies; where one is not installed, that is said.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readArchitecture } from "../src/models/families.ts";
import { encodeGguf } from "../test/support/gguf.ts";
import { MeasuredChild } from "./child.ts";
import type { DecodeShape } from "./decode-shape.ts";
import { isInstalled, peersFolder } from "./installed-peers.ts";
import { type PeerFormat, writePeerModel } from "./peer-model.ts";
import { randomWeights } from "./random-base.ts";

export interface Peer {
  readonly key: string;
  /** The same numbers as ours. */
  readonly format: PeerFormat;
  start(): Promise<MeasuredChild>;
}

interface PeerPackage {
  readonly name: string;
  readonly module: string;
  readonly script: string;
  /** Writes the model @returns what the script is told of it */
  write(folder: string, shape: DecodeShape, format: PeerFormat): Promise<string>;
  readonly formats: Readonly<Record<PeerFormat, string>>;
}

const packages: readonly PeerPackage[] = [
  {
    name: "llama.cpp",
    module: "node-llama-cpp",
    script: "./peers/llama_cpp.mjs",
    formats: { f32: "F32", "4bit": "Q4_0" },
    async write(folder, { config }, format) {
      const weights = [...randomWeights(readArchitecture(config))];
      const tensors = new Map(weights.map(({ name, ...tensor }) => [name, tensor]));
      const file = join(folder, `${format}.gguf`);
      await writeFile(file, encodeGguf(config, tensors, format === "f32" ? "f32" : "q4_0"));
      return file;
    },
  },
  {
    name: "transformers.js",
    module: "@huggingface/transformers",
    script: "./peers/transformers_js.mjs",
    formats: { f32: "f32", "4bit": "q4" },
    async write(folder, { config }, format) {
      const place = join(folder, `transformers-${format}`);
      await writePeerModel(place, config, format);
      return place;
    },
  },
];

/** What is missing to compare with all of them; null when nothing is. */
export function peersMissing(): string | null {
  const absent = packages.filter(({ module }) => !isInstalled(module)).map(({ module }) => module);
  if (absent.length === 0) return null;
  return `${absent.join(" and ")} not in ${peersFolder()}; npm install --ignore-scripts node-llama-cpp @huggingface/transformers in a folder of your own, and PEERS=FOLDER`;
}

/** Those that are installed, their models written into `folder`. */
export async function presentPeers(folder: string, shape: DecodeShape): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const { name, module, script, formats, write } of packages) {
    if (!isInstalled(module)) continue;
    for (const format of ["f32", "4bit"] as const) {
      const place = await write(folder, shape, format);
      const key = `${name} ${formats[format]}`;
      const { prompt, tokens, threads } = shape;
      const options = JSON.stringify({ prompt, tokens, threads, format });
      const words = [fileURLToPath(new URL(script, import.meta.url)), peersFolder(), place, options];
      peers.push({ key, format, start: () => MeasuredChild.start(key, process.execPath, words) });
    }
  }
  return peers;
}
