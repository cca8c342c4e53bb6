/** What the benchmarks of pairs share: their sides as processes, asked in turns, and PyTorch where it is there. */
import { fileURLToPath } from "node:url";
import type { Precision } from "../src/engine/precision.ts";
import { MeasuredChild } from "./child.ts";
import { PYTHON, peerMissing } from "./contest.ts";
import { type PairsShape, PROMPT } from "./pairs.ts";
import { pairedRatios, type Summary, summarise } from "./statistics.ts";

export type PeerFormat = "f32" | "bf16";

/** One way of doing the work. */
export interface PairsSide {
  readonly what: string;
  /** What is compared, by name: seconds, each measured in every round. */
  readonly seconds: Readonly<Record<string, Summary>>;
  readonly peakRssBytes: number;
}

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const startOurs = (shape: PairsShape, precision: Precision): Promise<MeasuredChild> =>
  MeasuredChild.start(`tagllm ${precision}`, process.execPath, [
    "--import",
    import.meta.resolve("tsx"),
    file("./pairs-child.ts"),
    JSON.stringify(shape),
    precision,
  ]);

export const startPeer = (shape: PairsShape, format: PeerFormat): Promise<MeasuredChild> =>
  MeasuredChild.start(`torch ${format}`, PYTHON, [
    file("./peers/torch_pairs.py"),
    JSON.stringify({ ...shape, prompt: PROMPT }),
    format,
  ]);

/** The formats that PyTorch can be compared in; none, and a note why, where it is missing. */
export async function presentPeers(note: (line: string) => void): Promise<readonly PeerFormat[]> {
  const missing = await peerMissing();
  if (missing) note(`NOT COMPARED WITH PYTORCH: ${missing}`);
  return missing ? [] : ["f32", "bf16"];
}

export async function secondsOf(child: MeasuredChild, request: string): Promise<number> {
  return (await child.ask<{ seconds: number }>(request)).seconds;
}

/** Numbers of each round by side and by what is compared. */
export class Rounds {
  private readonly taken = new Map<string, Map<string, number[]>>();

  add(side: string, seconds: Readonly<Record<string, number>>): void {
    const own = this.taken.get(side) ?? new Map<string, number[]>();
    this.taken.set(side, own);
    for (const [what, value] of Object.entries(seconds)) own.set(what, [...(own.get(what) ?? []), value]);
  }

  side(key: string, what: string, peakRssBytes: number): PairsSide {
    const own = this.taken.get(key) as Map<string, number[]>;
    const seconds = Object.fromEntries([...own].map(([name, all]) => [name, summarise(all)]));
    return { what, seconds, peakRssBytes };
  }
}

/** How many times faster `ours` is than `theirs` at all that both were measured at: median, lowest and highest pair. */
export function speedups(ours: PairsSide, theirs: PairsSide): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const [what, own] of Object.entries(ours.seconds)) {
    const other = theirs.seconds[what];
    if (!other) continue;
    const { median, min, max } = pairedRatios(own, other);
    Object.assign(ratios, { [what]: median, [`${what}Lowest`]: min, [`${what}Highest`]: max });
  }
  return ratios;
}
