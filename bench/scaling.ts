/**
 * How the cost grows: of a token with the tokens of a step, of an example with the pairs of an epoch, of a step
 * with the layers. Sizes of the embedded base, random weights, two threads; no peer, the sizes are compared.
 */
import { fileURLToPath } from "node:url";
import { type BaseConfig, bases } from "./bases.ts";
import type { Benchmark, BenchOptions, BenchResult } from "./benchmark.ts";
import { MeasuredChild } from "./child.ts";
import { describeMachine } from "./machine.ts";
import { drugLengths, type PairsShape, proteinLengths } from "./pairs.ts";
import { secondsOf, startOurs } from "./pairs-contest.ts";
import { type Summary, summarise } from "./statistics.ts";
import { type StepShape, stepShape, THREADS } from "./step-shape.ts";
import type { Table } from "./table.ts";

const ROW = 250;
const TOKENS = [1_000, 10_000, 100_000] as const;
/** With DAVIS's 68 drugs each, from two whole steps to all of its rows. */
const PROTEINS = [2, 15, 147, 442] as const;
/** An epoch of as many proteins is hundreds of steps, and measured once. */
const LONG_EPOCH = 147;
const LAYERS = [6, 12, 24] as const;
/** Positions of the base; longer proteins are cut to fit, as in a study. */
const LONGEST_PROTEIN = 860;

/** What one size costs. */
export interface Sized {
  readonly size: number;
  /** Of a token, an example, or a step. */
  readonly seconds: Summary;
}

export interface Scaling {
  readonly tokens: readonly Sized[];
  readonly pairs: readonly Sized[];
  readonly layers: readonly Sized[];
}

export type ScalingResult = BenchResult<Scaling>;

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export async function runScaling({ repeats, note }: BenchOptions): Promise<ScalingResult> {
  const machine = describeMachine();
  const config = bases["polyglot-5m"] as BaseConfig;
  const stepOf = (rows: number, layers?: number): StepShape => ({
    ...stepShape({ ...config, ...(layers && { num_hidden_layers: layers }) }),
    rows,
    length: ROW,
    labelled: ROW / 10,
  });
  const steps = async (shapes: readonly StepShape[], what: string) =>
    inTurns(
      await Promise.all(shapes.map((shape) => startStep(shape))),
      repeats,
      async (child) => (await child.ask<{ seconds: number }>("step")).seconds,
      (line) => note(`${what} ${line}`),
    );
  const tokens = await steps(
    TOKENS.map((n) => stepOf(n / ROW)),
    "tokens",
  );
  const layers = await steps(
    LAYERS.map((n) => stepOf(8, n)),
    "layers",
  );
  const pairs = await pairCosts(config, repeats, note);
  const ours: Scaling = {
    tokens: TOKENS.map((size, i) => ({ size, seconds: over(tokens[i] as number[], size) })),
    pairs,
    layers: LAYERS.map((size, i) => ({ size, seconds: summarise(layers[i] as number[]) })),
  };
  return { name: "scaling", machine, ours, peers: {}, ratios: {} };
}

const over = (seconds: readonly number[], count: number) => summarise(seconds.map((s) => s / count));

const startStep = (shape: StepShape): Promise<MeasuredChild> =>
  MeasuredChild.start("step", process.execPath, [
    "--import",
    import.meta.resolve("tsx"),
    file("./step-child.ts"),
    JSON.stringify(shape),
    "f32",
  ]);

/** Seconds of every child by turns. */
async function inTurns(
  children: readonly MeasuredChild[],
  repeats: number,
  measure: (child: MeasuredChild, i: number) => Promise<number>,
  note: (line: string) => void,
  isMeasured: (i: number, repeat: number) => boolean = () => true,
): Promise<number[][]> {
  try {
    const taken = children.map((): number[] => []);
    for (let r = 0; r < repeats; r++) {
      for (const [i, child] of children.entries())
        if (isMeasured(i, r)) taken[i]?.push(await measure(child, i));
      note(`${r + 1}/${repeats}: ${taken.map((all) => all.at(-1)?.toFixed(4)).join(", ")} s`);
    }
    return taken;
  } finally {
    for (const child of children) child.kill();
  }
}

/** A pair's cost in an epoch that begins with an empty store of spans, by how many pairs there are. */
async function pairCosts(
  config: BaseConfig,
  repeats: number,
  note: (line: string) => void,
): Promise<Sized[]> {
  const [lengths, molecules] = [await proteinLengths(), await drugLengths()];
  const all = lengths.map((n) => Math.min(n, LONGEST_PROTEIN));
  // Every n-th protein, some twice where there are more rows than sequences: all sizes have the same mix of lengths.
  const shapes = PROTEINS.map((count): PairsShape => {
    const proteins = Array.from(
      { length: count },
      (_, i) => all[Math.floor(((i + 0.5) * all.length) / count)] as number,
    );
    return { config, proteins, molecules, threads: THREADS, reuse: "spans" };
  });
  const children: MeasuredChild[] = [];
  for (const shape of shapes) children.push(await startOurs(shape, "f32"));
  for (const child of children) await secondsOf(child, "clear");
  const taken = await inTurns(
    children,
    repeats,
    async (child) => {
      await secondsOf(child, "clear");
      return secondsOf(child, "epoch");
    },
    (line) => note(`pairs ${line}`),
    (i, repeat) => repeat === 0 || (PROTEINS[i] as number) < LONG_EPOCH,
  );
  return shapes.map(({ proteins }, i) => {
    const size = proteins.length * molecules.length;
    return { size, seconds: over(taken[i] as number[], size) };
  });
}

export function scalingTable({ ours }: ScalingResult): Table {
  const rows = (what: string, sizes: readonly Sized[], unit: string, times: number): string[][] =>
    sizes.map(({ size, seconds }) => [
      what,
      String(size),
      `${(seconds.median * times).toFixed(3)} ${unit}`,
      `${(seconds.min * times).toFixed(3)} - ${(seconds.max * times).toFixed(3)}`,
      `${(seconds.median / (sizes[0] as Sized).seconds.median).toFixed(2)}x`,
    ]);
  return [
    ["", "size", "cost", "of all", "of the first"],
    ...rows("a token, by the tokens of a step", ours.tokens, "ms", 1000),
    ...rows("a pair, by the pairs of an epoch", ours.pairs, "ms", 1000),
    ...rows("a step, by the layers", ours.layers, "s", 1),
  ];
}

export const scaling: Benchmark = {
  name: "scaling",
  about: `cost of a token with ${TOKENS.join(", ")} tokens a step, of a pair with ${PROTEINS.join(", ")} proteins and 68 drugs an epoch, of a step with ${LAYERS.join(", ")} layers; sizes of polyglot-5m, f32`,
  run: async (options) => {
    const result = await runScaling(options);
    return { result, table: scalingTable(result) };
  },
};
