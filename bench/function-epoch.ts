/**
 * Three epochs of a function tag on pairs, from an empty store: 40 proteins nearest DAVIS's median length, ten of
 * its drugs each. PyTorch does a few proteins or steps, whose time is multiplied; what it keeps is filled whole.
 */
import { smollm } from "./bases.ts";
import type { Benchmark, BenchOptions, BenchResult } from "./benchmark.ts";
import type { MeasuredChild } from "./child.ts";
import { describeMachine } from "./machine.ts";
import { drugLengths, nearestMedian, type PairsShape, proteinLengths } from "./pairs.ts";
import {
  type PairsSide,
  type PeerFormat,
  presentPeers,
  Rounds,
  secondsOf,
  speedups,
  startOurs,
  startPeer,
} from "./pairs-contest.ts";
import { THREADS } from "./step-shape.ts";
import type { Table } from "./table.ts";

const [PROTEINS, DRUGS, EPOCHS] = [40, 10, 3];
const PAIRS = PROTEINS * DRUGS;
/** Proteins that PyTorch is measured on where it is free to go by protein, and steps where it is not. */
const [SAMPLE, SAMPLE_STEPS] = [2, 2];
const STEP = 32;

/** PyTorch's ways of doing it, as their requests are called. */
const WAYS = {
  plain: "whole prompts",
  cached: "prefix without gradients, proteins kept, the same steps",
  grouped: "the same, a protein's pairs together",
  kept: "prefix without gradients, all of it kept, the same steps",
  "kept-grouped": "the same, all of it kept, a protein's pairs together",
} as const;
type Way = keyof typeof WAYS;

export type EpochResult = BenchResult<PairsSide>;

export async function runEpochs({ repeats, note, config = smollm }: BenchOptions): Promise<EpochResult> {
  const shape: PairsShape = {
    config,
    proteins: nearestMedian(await proteinLengths(), PROTEINS),
    molecules: (await drugLengths()).slice(0, DRUGS),
    threads: THREADS,
  };
  const machine = describeMachine();
  const formats = await presentPeers(note);
  const children: MeasuredChild[] = [];
  const rounds = new Rounds();
  /** Of PyTorch's whole prompts, before anything is kept. */
  const peaks = new Map<string, number>();
  try {
    children.push(await startOurs(shape, "f32")); // as a head trains in int8 too
    for (const format of formats) children.push(await startPeer(shape, format));
    for (let r = 0; r < repeats; r++) {
      for (const child of children) {
        const peer = child.name.startsWith("torch");
        if (!peer) rounds.add(child.name, await ourEpochs(child));
        else {
          const { seconds, plainPeak } = await peerEpochs(child);
          for (const [way, taken] of Object.entries(seconds)) rounds.add(`${child.name} ${way}`, taken);
          if (r === 0) peaks.set(`${child.name} plain`, plainPeak);
        }
        await secondsOf(child, "clear"); // one side's kept prefixes and another's have no room together in 24 GiB
        note(`${r + 1}/${repeats}: ${child.name}`);
      }
    }
    const sides = new Map<string, PairsSide>();
    for (const child of children) {
      const { peakRssBytes, torch } = await child.ask<{ peakRssBytes: number; torch?: string }>("end");
      const keys = torch ? Object.keys(WAYS).map((way) => `${child.name} ${way}`) : [child.name];
      for (const key of keys)
        sides.set(key, rounds.side(key, label(key, torch), peaks.get(key) ?? peakRssBytes));
    }
    const [[, ours], ...others] = [...sides] as [[string, PairsSide], ...[string, PairsSide][]];
    return {
      name: "function-epoch",
      machine,
      ours,
      peers: Object.fromEntries(others),
      ratios: Object.fromEntries(others.map(([key, side]) => [key, speedups(ours, side)])),
    };
  } finally {
    for (const child of children) child.kill();
  }
}

function label(key: string, torch: string | undefined): string {
  if (!torch) return `${key}, spans and prefixes stored`;
  const [, format, way] = key.split(" ") as [string, PeerFormat, Way];
  return `PyTorch ${torch} eager ${format}, ${WAYS[way]}`;
}

async function ourEpochs(child: MeasuredChild): Promise<Record<string, number>> {
  const first = await secondsOf(child, "epoch");
  let total = first;
  for (let e = 1; e < EPOCHS; e++) total += await secondsOf(child, "epoch");
  return { first, total };
}

async function peerEpochs(
  child: MeasuredChild,
): Promise<{ seconds: Record<Way, Record<string, number>>; plainPeak: number }> {
  const sample = SAMPLE * DRUGS;
  const plain = await child.ask<{ seconds: number; peakRssBytes: number }>(`plain ${sample}`);
  const whole = (plain.seconds / sample) * PAIRS;
  const fill = await secondsOf(child, `fill ${PROTEINS}`);
  const stepped = ((await secondsOf(child, `cached ${SAMPLE_STEPS}`)) / (SAMPLE_STEPS * STEP)) * PAIRS;
  const together = ((await secondsOf(child, `grouped ${sample}`)) / sample) * PAIRS;
  const fillRest = await secondsOf(child, `fill-rest ${PROTEINS}`);
  const keptSteps = ((await secondsOf(child, `kept ${SAMPLE_STEPS}`)) / (SAMPLE_STEPS * STEP)) * PAIRS;
  const keptTogether = ((await secondsOf(child, `kept-grouped ${sample}`)) / sample) * PAIRS;
  const epochs = (first: number, each: number) => ({ first: first + each, total: first + EPOCHS * each });
  const seconds = {
    plain: epochs(0, whole),
    cached: epochs(fill, stepped),
    grouped: epochs(fill, together),
    kept: epochs(fill + fillRest, keptSteps),
    "kept-grouped": epochs(fill + fillRest, keptTogether),
  };
  return { seconds, plainPeak: plain.peakRssBytes };
}

export function epochTable({ ours, peers, ratios }: EpochResult): Table {
  const titles = [
    "",
    "first epoch, s",
    `${EPOCHS} epochs, s`,
    "pairs/s",
    "peak MB",
    "first: first row is faster",
    `${EPOCHS} epochs: first row is faster`,
    "of each pair",
  ];
  const row = (side: PairsSide, own?: Readonly<Record<string, number>>): string[] => [
    side.what,
    side.seconds.first?.median.toFixed(1) ?? "",
    side.seconds.total?.median.toFixed(1) ?? "",
    ((EPOCHS * PAIRS) / (side.seconds.total?.median ?? Number.NaN)).toFixed(1),
    (side.peakRssBytes / 1e6).toFixed(0),
    own ? `${own.first?.toFixed(1)}x` : "",
    own ? `${own.total?.toFixed(1)}x` : "",
    own ? `${own.totalLowest?.toFixed(1)} - ${own.totalHighest?.toFixed(1)}` : "",
  ];
  return [titles, row(ours), ...Object.entries(peers).map(([key, side]) => row(side, ratios[key]))];
}

export const functionEpoch: Benchmark = {
  name: "function-epoch",
  anyBase: true,
  about: `${EPOCHS} epochs of a function tag on ${PROTEINS} proteins of about DAVIS's median length with ${DRUGS} drugs each, filling the store included; PyTorch measured on ${SAMPLE} of the proteins or ${SAMPLE_STEPS} of the steps`,
  run: async (options) => {
    const result = await runEpochs(options);
    return { result, table: epochTable(result) };
  },
};
