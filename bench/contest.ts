/**
 * One training step on several sides, in turns on the same machine: ours in one or more precisions, PyTorch eager
 * in one or more number formats. What is compared is the time of the whole step and the memory of the whole process.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Precision } from "../src/engine/precision.ts";
import { productRate } from "../src/engine/product-rate.ts";
import type { BenchOptions, BenchResult } from "./benchmark.ts";
import { MeasuredChild } from "./child.ts";
import { isInstalled, peersFolder } from "./installed-peers.ts";
import { describeMachine } from "./machine.ts";
import { pairedRatios, type Summary, summarise } from "./statistics.ts";
import { type StepShape, stepFlops } from "./step-shape.ts";
import type { Table } from "./table.ts";
import { writeStep } from "./web-step.ts";

export interface StepSide {
  readonly what: string;
  readonly seconds: Summary;
  readonly tokensPerSecond: number;
  /** Mean nats a label: about ln(vocabulary) with random weights, on all sides. */
  readonly loss: number;
  /** Best rate of one large matrix product in the same runtime and numbers; null where it is not measured. */
  readonly gemmGflops: number | null;
  /** Rate of the step's matrix products over that, the step's other work included in its time. */
  readonly gemmShare: number | null;
  readonly peakRssBytes: number;
  /** Share of a core that its process took while the others were measured; null where unknown. */
  readonly idleCores: number | null;
  readonly details: Readonly<Record<string, unknown>>;
}

export type StepResult = BenchResult<StepSide>;

export interface Contest {
  readonly name: string;
  readonly shape: StepShape;
  /** The first one is what the ratios are of. */
  readonly ours: readonly [Precision, ...Precision[]];
  /** PyTorch in each, with the whole batch at once and in parts of as many tokens as a run of ours has. */
  readonly peers: readonly PeerFormat[];
  /** Whether onnxruntime-web takes part where it is installed: our own graphs on WebAssembly. */
  readonly web?: boolean;
}

type PeerFormat = "f32" | "bf16";

interface PeerRate {
  readonly gflops: Readonly<Record<PeerFormat, number>>;
  readonly torch: string;
  readonly blas: string;
  readonly blasCore: string;
}

interface Contender {
  /** As in the result; the first of ours is `ours`. */
  readonly key: string;
  readonly what: string;
  readonly gflops: number | null;
  readonly start: () => Promise<MeasuredChild>;
}

/** As bench/peers/gemm.py. */
const RATE_RUNS = 40;
const WEB = "onnxruntime-web";
export const PYTHON = "/usr/bin/python3";
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export async function hold(
  { name, shape, ours, peers, web = false }: Contest,
  { repeats, note }: BenchOptions,
): Promise<StepResult> {
  const machine = describeMachine();
  const peer = await peerRate().catch((reason: Error) => reason);
  if (peer instanceof Error) note(`NOT COMPARED WITH PYTORCH: ${peer.message}`);
  const webStep = web && isInstalled(WEB) ? await mkdtemp(join(tmpdir(), "tagllm-step-")) : null;
  if (web && webStep === null)
    note(
      `NOT COMPARED WITH ${WEB}: it is not in ${peersFolder()}; install it in a folder and say PEERS=FOLDER`,
    );
  const ourRate = await productRate(RATE_RUNS, shape.threads);
  const contenders: Contender[] = [
    ...ours.map((precision) => ({
      key: `tagllm ${precision}`,
      what: `tagllm ${precision}, onnxruntime ${machine.onnxruntime}`,
      // What the machine can do in 8-bit integers is not measured.
      gflops: precision === "f32" ? ourRate : null,
      start: () => startOurs(shape, precision),
    })),
    ...(peer instanceof Error ? [] : peers).flatMap((format) => peerWays(shape, format, peer as PeerRate)),
    ...(webStep === null
      ? []
      : [{ key: WEB, what: `${WEB} f32, WebAssembly`, gflops: null, start: () => startWeb(shape, webStep) }]),
  ];
  const children: MeasuredChild[] = [];
  try {
    for (const { key, start } of contenders) {
      note(`warming up ${key} ...`);
      children.push(await start());
    }
    const turns = await takeTurns(children, repeats, note);
    const sides: StepSide[] = [];
    for (const [i, child] of children.entries()) {
      const end = await child.ask<Record<string, unknown>>("end");
      sides.push(sideOf(shape, contenders[i] as Contender, turns[i] as Turns, end));
    }
    const [first, ...others] = sides as [StepSide, ...StepSide[]];
    const named = others.map((side, i): [string, StepSide] => [contenders[i + 1]?.key as string, side]);
    return {
      name,
      machine,
      ours: first,
      peers: Object.fromEntries(named),
      ratios: Object.fromEntries(named.map(([key, side]) => [key, ratios(first, side)])),
    };
  } finally {
    for (const child of children) child.kill();
    if (webStep !== null) await rm(webStep, { recursive: true, force: true });
  }
}

/** How many times `ours` is faster than `theirs`, pair by pair, and how much less memory it takes. */
export function ratios(ours: StepSide, theirs: StepSide): Record<string, number> {
  const speed = pairedRatios(ours.seconds, theirs.seconds);
  return {
    speed: speed.median,
    speedLowest: speed.min,
    speedHighest: speed.max,
    peakMemory: theirs.peakRssBytes / ours.peakRssBytes,
  };
}

const startOurs = (shape: StepShape, precision: Precision) =>
  MeasuredChild.start(`tagllm ${precision}`, process.execPath, [
    "--import",
    import.meta.resolve("tsx"),
    file("./step-child.ts"),
    JSON.stringify(shape),
    precision,
  ]);

/** All rows at once, and gradients accumulated over parts, which is the expert's way to less memory. */
function peerWays(
  shape: StepShape,
  format: PeerFormat,
  { torch, blas, blasCore, gflops }: PeerRate,
): Contender[] {
  const what = `PyTorch ${torch} eager ${format}, ${blas} (${blasCore})`;
  const part = Math.max(1, Math.floor(shape.tokensPerRun / shape.length));
  const whole: Contender = {
    key: `torch ${format}`,
    what,
    gflops: gflops[format],
    start: () => startPeer(shape, format, shape.rows),
  };
  if (part >= shape.rows) return [whole];
  const inParts = {
    ...whole,
    key: `torch ${format} in parts`,
    what: `${what}, ${part} of ${shape.rows} rows at a time`,
    start: () => startPeer(shape, format, part),
  };
  return [whole, inParts];
}

/** The faster way of PyTorch in a number format. */
export function fasterPeer({ peers }: StepResult, format: PeerFormat): { key: string; side: StepSide } {
  const ways = Object.entries(peers).filter(([key]) => key.startsWith(`torch ${format}`));
  const [key, side] = ways.reduce((a, b) => (b[1].seconds.median < a[1].seconds.median ? b : a));
  return { key, side };
}

const startPeer = (shape: StepShape, dtype: PeerFormat, micro: number) => {
  const { rows, length, labelled, threads } = shape;
  const config = JSON.stringify(shape.config);
  const options = { config, batch: rows, micro, seq: length, labelled: rows * labelled, threads, dtype };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return MeasuredChild.start(`torch ${dtype}`, PYTHON, [file("./peers/torch_step.py"), ...words]);
};

async function startWeb(shape: StepShape, folder: string): Promise<MeasuredChild> {
  await writeStep(folder, shape);
  const words = [file("./peers/ort_web.mjs"), peersFolder(), folder, String(shape.threads)];
  return MeasuredChild.start(WEB, process.execPath, words);
}

/** PyTorch's best matrix product; rejects with what is missing and how to install it. */
async function peerRate(): Promise<PeerRate> {
  const run = promisify(execFile);
  await run(PYTHON, ["-c", "import torch"]).catch(() => {
    throw new Error(`${PYTHON} has no PyTorch; apt-get install python3-torch`);
  });
  const { stdout } = await run(PYTHON, [file("./peers/gemm.py")]).catch((error: { stderr: string }) => {
    throw new Error(error.stderr.trim().split("\n").at(-1));
  });
  return JSON.parse(stdout) as PeerRate;
}

/** What is missing to compare with PyTorch, and how to install it; null when nothing is. */
export const peerMissing = (): Promise<string | null> =>
  peerRate().then(
    () => null,
    (reason: Error) => reason.message,
  );

interface Turns {
  readonly steps: { seconds: number; loss: number }[];
  /** Processor seconds over wall seconds, while others were measured. */
  idle: { busy: number | null; seconds: number };
}

/** One after the other, again and again: whatever else the machine does meets all. */
async function takeTurns(
  children: readonly MeasuredChild[],
  repeats: number,
  note: BenchOptions["note"],
): Promise<Turns[]> {
  const turns = children.map((): Turns => ({ steps: [], idle: { busy: 0, seconds: 0 } }));
  for (let r = 0; r < repeats; r++) {
    for (const [i, child] of children.entries()) {
      const before = children.map((c) => c.cpuSeconds());
      const taken = await child.ask<{ seconds: number; loss: number }>("step");
      turns[i]?.steps.push(taken);
      for (const [other, turn] of turns.entries()) {
        if (other === i) continue;
        const [from, to] = [before[other] ?? null, children[other]?.cpuSeconds() ?? null];
        turn.idle.busy =
          turn.idle.busy === null || from === null || to === null ? null : turn.idle.busy + to - from;
        turn.idle.seconds += taken.seconds;
      }
    }
    note(
      `${r + 1}/${repeats}: ${children.map((c, i) => `${c.name} ${turns[i]?.steps.at(-1)?.seconds.toFixed(2)} s`).join(", ")}`,
    );
  }
  return turns;
}

function sideOf(
  shape: StepShape,
  { what, gflops }: Contender,
  { steps, idle }: Turns,
  { peakRssBytes, ...details }: Record<string, unknown>,
): StepSide {
  const seconds = summarise(steps.map((s) => s.seconds));
  return {
    what,
    seconds,
    tokensPerSecond: (shape.rows * shape.length) / seconds.median,
    loss: steps.at(-1)?.loss as number,
    gemmGflops: gflops,
    gemmShare: gflops && stepFlops(shape) / 1e9 / seconds.median / gflops,
    peakRssBytes: peakRssBytes as number,
    idleCores: idle.busy === null || idle.seconds === 0 ? null : idle.busy / idle.seconds,
    details,
  };
}

/** A row for each side, and of the others how they compare with the first. */
export function contestTable({ ours, peers, ratios: compared }: StepResult): Table {
  const row = (side: StepSide, ratio?: Readonly<Record<string, number>>): string[] => [
    side.what,
    side.seconds.median.toFixed(2),
    `${side.seconds.min.toFixed(2)} - ${side.seconds.max.toFixed(2)}`,
    side.tokensPerSecond.toFixed(0),
    (side.peakRssBytes / 1e6).toFixed(0),
    side.gemmGflops?.toFixed(0) ?? "-",
    side.gemmShare === null ? "-" : `${(side.gemmShare * 100).toFixed(0)} %`,
    side.loss.toFixed(3),
    side.idleCores?.toFixed(2) ?? "-",
    ratio ? `${ratio.speed?.toFixed(2)}x` : "",
    ratio ? `${ratio.speedLowest?.toFixed(2)} - ${ratio.speedHighest?.toFixed(2)}` : "",
    ratio ? `${ratio.peakMemory?.toFixed(2)}x` : "",
  ];
  const titles = [
    "",
    "seconds a step",
    "fastest - slowest",
    "tokens/s",
    "peak MB",
    "GFLOP/s",
    "share",
    "loss",
    "idle cores",
    "first is faster",
    "of each pair",
    "first is smaller",
  ];
  return [titles, row(ours), ...Object.entries(peers).map(([key, side]) => row(side, compared[key]))];
}
