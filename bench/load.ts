/**
 * From a checkpoint in f32 to the first tokens, weights read where they lie in its file against weights read into
 * memory: a process for each, in turns. The file is in the system's cache, as after a download or an earlier run.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readArchitecture } from "../src/models/families.ts";
import { encodeSafetensors } from "../src/weights/safetensors.ts";
import { smollm } from "./bases.ts";
import type { Benchmark, BenchOptions, BenchResult } from "./benchmark.ts";
import { describeMachine } from "./machine.ts";
import { randomWeights } from "./random-base.ts";
import { pairedRatios, type Summary, summarise } from "./statistics.ts";
import type { Table } from "./table.ts";

interface Loaded {
  readonly loadSeconds: number;
  readonly firstTokenSeconds: number;
  readonly secondTokenSeconds: number;
  readonly anonymousBytes: number | null;
  readonly fileBytes: number | null;
  readonly ids: readonly number[];
}

interface LoadSide {
  readonly what: string;
  readonly loadSeconds: Summary;
  readonly firstTokenSeconds: Summary;
  readonly secondTokenSeconds: Summary;
  /** With two tokens written; null where the system does not tell. */
  readonly anonymousBytes: number | null;
  readonly fileBytes: number | null;
}

const ways = { mapped: "read where they lie", read: "read into memory" } as const;
type Way = keyof typeof ways;

async function writeCheckpoint(folder: string): Promise<void> {
  const weights = [...randomWeights(readArchitecture(smollm))];
  const entries = weights.map(
    ({ name, shape, values }) => [name, { dtype: "F32", shape, data: values }] as const,
  );
  await writeFile(join(folder, "config.json"), JSON.stringify(smollm));
  await writeFile(join(folder, "model.safetensors"), encodeSafetensors(Object.fromEntries(entries)));
}

async function loadOnce(folder: string, way: Way): Promise<Loaded> {
  const child = fileURLToPath(new URL("./load-child.ts", import.meta.url));
  const words = ["--import", import.meta.resolve("tsx"), child, folder, way];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return JSON.parse(stdout) as Loaded;
}

async function compare({ repeats, note }: BenchOptions): Promise<BenchResult<LoadSide>> {
  const folder = await mkdtemp(join(tmpdir(), "tagllm-load-"));
  const taken: Record<Way, Loaded[]> = { mapped: [], read: [] };
  try {
    note("writing the checkpoint ...");
    await writeCheckpoint(folder);
    for (let r = 0; r < repeats; r++) {
      for (const way of Object.keys(ways) as Way[]) taken[way].push(await loadOnce(folder, way));
      note(
        `${r + 1}/${repeats}: ${Object.values(taken).map((t) => `${t.at(-1)?.secondTokenSeconds.toFixed(2)} s`)}`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const written = new Set([...taken.mapped, ...taken.read].map(({ ids }) => ids.join()));
  if (written.size !== 1) throw new Error(`the two ways wrote other tokens: ${[...written].join(" and ")}`);
  const [ours, read] = [sideOf("mapped", taken.mapped), sideOf("read", taken.read)];
  const ratio = pairedRatios(ours.secondTokenSeconds, read.secondTokenSeconds);
  const speed = { speed: ratio.median, speedLowest: ratio.min, speedHighest: ratio.max };
  return { name: "load", machine: describeMachine(), ours, peers: { read }, ratios: { read: speed } };
}

function sideOf(way: Way, taken: readonly Loaded[]): LoadSide {
  const of = (key: "loadSeconds" | "firstTokenSeconds" | "secondTokenSeconds") =>
    summarise(taken.map((t) => t[key]));
  const last = taken.at(-1) as Loaded;
  return {
    what: ways[way],
    loadSeconds: of("loadSeconds"),
    firstTokenSeconds: of("firstTokenSeconds"),
    secondTokenSeconds: of("secondTokenSeconds"),
    anonymousBytes: last.anonymousBytes,
    fileBytes: last.fileBytes,
  };
}

function tableOf({ ours, peers, ratios }: BenchResult<LoadSide>): Table {
  const seconds = ({ median }: Summary) => median.toFixed(2);
  const megabytes = (bytes: number | null) => (bytes === null ? "-" : (bytes / 1e6).toFixed(0));
  const row = (side: LoadSide, ratio?: Readonly<Record<string, number>>): string[] => [
    side.what,
    seconds(side.loadSeconds),
    seconds(side.firstTokenSeconds),
    seconds(side.secondTokenSeconds),
    megabytes(side.anonymousBytes),
    megabytes(side.fileBytes),
    ratio ? `${ratio.speed?.toFixed(2)}x` : "",
    ratio ? `${ratio.speedLowest?.toFixed(2)} - ${ratio.speedHighest?.toFixed(2)}` : "",
  ];
  const titles = [
    "",
    "loaded, s",
    "first token, s",
    "second token, s",
    "own MB",
    "MB of files",
    "first is faster",
    "of each pair",
  ];
  return [titles, row(ours), ...Object.entries(peers).map(([key, side]) => row(side, ratios[key]))];
}

export const load: Benchmark = {
  name: "load",
  about:
    "an f32 checkpoint of the shape of SmolLM2-135M, 16 tokens read and two written, weights mapped or read",
  async run(options) {
    const result = await compare(options);
    return { result, table: tableOf(result) };
  },
};
