/** What attacks are made from: a small run with its tags, and good files to spoil. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Base } from "../../../src/models/base.ts";
import { defaultBase } from "../../../src/models/default-base.ts";
import { loadStudy } from "../../../src/study/load.ts";
import { prepareStudy } from "../../../src/study/prepare.ts";
import { runStudy } from "../../../src/study/run.ts";
import { writeStudy } from "../../cli/command.ts";

export interface World {
  /** A finished run of the tags Word and Size. */
  readonly run: string;
  readonly tags: string;
  close(): Promise<void>;
}

export async function makeWorld(): Promise<World> {
  const home = await mkdtemp(join(tmpdir(), "tagllm-world-"));
  const base = await Base.load(defaultBase);
  try {
    const study = await loadStudy(writeStudy(home, 2));
    const run = join(home, "run");
    await runStudy(await prepareStudy(study, base), { out: run });
    return { run, tags: join(run, "tags"), close: () => rm(home, { recursive: true }) };
  } finally {
    await base.close();
  }
}

/** Writes files by name, folders on the way included. */
export async function files(folder: string, contents: Record<string, string | Uint8Array>): Promise<void> {
  for (const [name, content] of Object.entries(contents)) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

/** The base that ships, with some files replaced or, with null, left out. */
export async function modelFolder(
  folder: string,
  changes: Record<string, string | Uint8Array | null>,
): Promise<string> {
  const model = join(folder, "model");
  await mkdir(model);
  for (const name of await readdir(defaultBase)) {
    if (!(name in changes)) await symlink(join(defaultBase, name), join(model, name));
  }
  for (const [name, content] of Object.entries(changes)) {
    if (content !== null) await writeFile(join(model, name), content);
  }
  return "model";
}

export async function baseConfig(changes: Record<string, unknown>): Promise<string> {
  const config = JSON.parse(await readFile(join(defaultBase, "config.json"), "utf8")) as object;
  return JSON.stringify({ ...config, ...changes });
}

/** The world's tags in a folder of the attack, to be spoiled. */
export async function copiedTags(folder: string, world: World): Promise<string> {
  await cp(world.tags, join(folder, "tags"), { recursive: true });
  return join(folder, "tags");
}

export const goodTable = `word,size\n${Array.from({ length: 60 }, (_, i) => `C${"O".repeat(i % 7)}${i},${i % 7}`).join("\n")}\n`;

/** A study of the good table, one line for each section, some replaced. */
export function studyText(
  changes: Partial<Record<"head" | "data" | "tags" | "stages", string>> = {},
): string {
  const parts = {
    head: "name: words",
    data: "data: { words: { file: words.csv, split: { test: 8, validation: 8 } } }",
    tags: "tags: { Word: { kind: domain, length: 2 }, Size: { kind: function, answer: number, length: 2 } }",
    stages: `stages:
  - { name: domain, train: [Word], steps: 2, tasks: [{ data: words, template: "<Word> {word}" }] }
  - { name: size, train: [Size], steps: 2, tasks: [{ data: words, template: "<Word> {word} <Size>", target: size }] }`,
    ...changes,
  };
  return `${Object.values(parts).join("\n")}\n`;
}
