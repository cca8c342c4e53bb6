/** What tests of the hub share: a server with a model, a cache of its own, and what a download left. */
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { defaultBase } from "../../src/models/default-base.ts";
import { FakeHub, type Files } from "../support/hub.ts";

export const name = "lab/polyglot";

/** The base that ships with tagllm, as a repository. */
export function polyglot(): Files {
  const names = readdirSync(defaultBase);
  return Object.fromEntries(names.map((file) => [file, readFileSync(join(defaultBase, file))]));
}

/** A model of a few bytes for tests that look at files and never load them. */
export const smallModel = (weights: Buffer | string = "weights"): Files => ({
  "README.md": "A model.",
  "config.json": "{}",
  "tokenizer.json": "{}",
  "tokenizer_config.json": "{}",
  "model.safetensors": weights,
  "pytorch_model.bin": "a pickle",
});

/** Bytes that no two calls share and no compression shrinks. */
export const noise = (size: number, seed = 1): Buffer => {
  let state = seed;
  return Buffer.from(
    Uint8Array.from({ length: size }, () => {
      state = (state * 1664525 + 1013904223) >>> 0;
      return state >>> 24;
    }),
  );
};

export function temporary(t: Pick<TestContext, "after">): string {
  const folder = mkdtempSync(join(tmpdir(), "tagllm-hub-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface World {
  readonly hub: FakeHub;
  readonly cache: string;
  readonly env: Record<string, string>;
  /** Options for a call: the server's address, the cache, no long pauses. */
  readonly options: { env: Record<string, string>; firstPause: number };
}

export async function world(t: TestContext, files: Files = smallModel()): Promise<World> {
  const hub = await FakeHub.start(t);
  hub.commit(name, files);
  const cache = temporary(t);
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, HF_HOME: join(cache, "home") };
  return { hub, cache, env, options: { env, firstPause: 5 } };
}

/** Every file below a folder, links as `link -> target`. */
export function tree(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((path) => !lstatSync(join(folder, path)).isDirectory())
    .sort();
}

export const blobsOf = (cache: string): string[] =>
  readdirSync(join(cache, "models--lab--polyglot", "blobs")).sort();
