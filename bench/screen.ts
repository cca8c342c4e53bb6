/**
 * A screen: one protein asked about with many molecules, as `predict` does it, against our own path without reuse
 * and PyTorch. Those do a few of the molecules, and all are compared by the seconds of one.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sharedFolder } from "../test/support/goldens.ts";
import { smollm } from "./bases.ts";
import type { Benchmark, BenchOptions, BenchResult } from "./benchmark.ts";
import type { MeasuredChild } from "./child.ts";
import { describeMachine } from "./machine.ts";
import { type PairsShape, promptLength, proteinLengths } from "./pairs.ts";
import {
  type PairsSide,
  presentPeers,
  Rounds,
  secondsOf,
  speedups,
  startOurs,
  startPeer,
} from "./pairs-contest.ts";
import { THREADS } from "./step-shape.ts";
import type { Table } from "./table.ts";

const MOLECULES = 2000;
/** Residues, and how many molecules are done without reuse and with PyTorch's kept protein. */
const SCREENS = [
  { residues: 700, whole: 24, kept: 96 },
  { residues: 1500, whole: 12, kept: 96 },
] as const;

type Screen = (typeof SCREENS)[number];
export type ScreenResult = BenchResult<PairsSide> & { readonly protein: number };

/** Lengths of molecules of ZINC, from row 10,000 on. */
async function moleculeLengths(): Promise<number[]> {
  const text = await readFile(join(sharedFolder, "data", "smiles", "zinc_qed_30k.csv"), "utf8");
  const [head, ...lines] = text.split("\n");
  const column = (head as string).trim().split(",").indexOf("smiles");
  return lines.slice(10_000, 10_000 + MOLECULES).map((line) => (line.split(",")[column] as string).length);
}

/** Proteins that the base has no positions for are left out. */
export async function runScreens(options: BenchOptions): Promise<ScreenResult[]> {
  const [lengths, molecules] = [await proteinLengths(), await moleculeLengths()];
  const { config = smollm } = options;
  const results: ScreenResult[] = [];
  for (const screen of SCREENS) {
    const protein = lengths.reduce((a, b) =>
      Math.abs(b - screen.residues) < Math.abs(a - screen.residues) ? b : a,
    );
    if (promptLength(protein, Math.max(...molecules)) > (config.max_position_embeddings as number)) {
      options.note(`LEFT OUT: the base has no positions for a protein of ${protein} residues`);
      continue;
    }
    const shape = { config, proteins: [protein], molecules, threads: THREADS };
    results.push(await runScreen(screen, shape, options));
  }
  return results;
}

async function runScreen(
  { whole, kept }: Screen,
  shape: PairsShape,
  { repeats, note }: BenchOptions,
): Promise<ScreenResult> {
  const machine = describeMachine();
  const formats = await presentPeers(note);
  const children: MeasuredChild[] = [];
  const rounds = new Rounds();
  const protein = shape.proteins[0] as number;
  /** Seconds of one molecule. */
  const each = async (child: MeasuredChild, request: string, count: number) => {
    await secondsOf(child, "clear");
    const seconds = await secondsOf(child, request);
    note(`${protein} residues, ${child.name}, ${request}: ${seconds.toFixed(1)} s`);
    return { each: seconds / count };
  };
  /** PyTorch's protein counts as it does when all molecules are screened. */
  const keeping = async (child: MeasuredChild) => {
    await secondsOf(child, "clear");
    const first = await secondsOf(child, `screen-cached ${kept}`);
    const again = await secondsOf(child, `screen-cached ${kept}`);
    return { each: again / kept + Math.max(0, first - again) / MOLECULES };
  };
  try {
    children.push(await startOurs(shape, "f32"));
    for (const format of formats) children.push(await startPeer(shape, format));
    const [ours, ...peers] = children as [MeasuredChild, ...MeasuredChild[]];
    await secondsOf(ours, `screen ${kept}`);
    for (let r = 0; r < repeats; r++) {
      rounds.add("reuse", await each(ours, `screen ${MOLECULES}`, MOLECULES));
      rounds.add("no reuse", await each(ours, `plain ${whole}`, whole));
      for (const child of peers) {
        rounds.add(`${child.name} plain`, await each(child, `screen ${whole}`, whole));
        rounds.add(`${child.name} cached`, await keeping(child));
      }
    }
    const { peakRssBytes } = await ours.ask<{ peakRssBytes: number }>("end");
    const first = rounds.side("reuse", "tagllm f32, protein stored", peakRssBytes);
    const others = new Map([["no reuse", rounds.side("no reuse", "tagllm f32 without reuse", peakRssBytes)]]);
    for (const child of peers) {
      const end = await child.ask<{ peakRssBytes: number; torch: string }>("end");
      const what = `PyTorch ${end.torch} eager ${child.name.split(" ")[1]}`;
      for (const [way, how] of [
        ["plain", "whole prompts"],
        ["cached", "protein kept"],
      ] as const) {
        const key = `${child.name} ${way}`;
        others.set(key, rounds.side(key, `${what}, ${how}`, end.peakRssBytes));
      }
    }
    return {
      name: "screen",
      machine,
      protein,
      ours: first,
      peers: Object.fromEntries(others),
      ratios: Object.fromEntries([...others].map(([key, side]) => [key, speedups(first, side)])),
    };
  } finally {
    for (const child of children) child.kill();
  }
}

export function screenTable(results: readonly ScreenResult[]): Table {
  const titles = [
    "",
    "residues",
    "ms a molecule",
    `${MOLECULES} molecules, s`,
    "peak MB",
    "first row is faster",
    "of each pair",
  ];
  const row = (protein: number, side: PairsSide, own?: Readonly<Record<string, number>>): string[] => {
    const seconds = side.seconds.each?.median ?? Number.NaN;
    return [
      side.what,
      String(protein),
      (1000 * seconds).toFixed(1),
      (MOLECULES * seconds).toFixed(0),
      (side.peakRssBytes / 1e6).toFixed(0),
      own ? `${own.each?.toFixed(1)}x` : "",
      own ? `${own.eachLowest?.toFixed(1)} - ${own.eachHighest?.toFixed(1)}` : "",
    ];
  };
  return [
    titles,
    ...results.flatMap(({ protein, ours, peers, ratios }) => [
      row(protein, ours),
      ...Object.entries(peers).map(([key, side]) => row(protein, side, ratios[key])),
    ]),
  ];
}

export const screen: Benchmark = {
  name: "screen",
  anyBase: true,
  about: `read-outs of ${MOLECULES} molecules with one protein of about ${SCREENS.map((s) => s.residues).join(" and of about ")} residues; what runs whole prompts is measured on a few molecules`,
  run: async (options) => {
    const results = await runScreens(options);
    const [first, ...more] = results as [ScreenResult, ...ScreenResult[]];
    return { result: { ...first, more } as BenchResult, table: screenTable(results) };
  },
};
