/**
 * One training step of a tag, ours against PyTorch eager in f32, in turns on the same machine. What is compared
 * is the time of the whole step and the memory of the whole process.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Benchmark, BenchOptions, BenchResult } from "./benchmark.ts";
import { MeasuredChild } from "./child.ts";
import { gemmRate } from "./gemm.ts";
import { describeMachine } from "./machine.ts";
import { pairedRatios, type Summary, summarise } from "./statistics.ts";
import { type StepShape, smollm, stepFlops } from "./step-shape.ts";
import type { Table } from "./table.ts";

export interface StepSide {
  readonly what: string;
  readonly seconds: Summary;
  readonly tokensPerSecond: number;
  /** Mean nats a label: about ln(vocabulary) with random weights, on both sides. */
  readonly loss: number;
  /** Best rate of one large matrix product. */
  readonly gemmGflops: number;
  /** Rate of the step's matrix products over that, the step's other work included in its time. */
  readonly gemmShare: number;
  readonly peakRssBytes: number;
  /** Share of a core that its process took while the other side was measured; null where unknown. */
  readonly idleCores: number | null;
  readonly details: Readonly<Record<string, unknown>>;
}

type StepResult = BenchResult<StepSide>;

interface PeerRate {
  readonly gflops: { readonly f32: number };
  readonly torch: string;
  readonly blas: string;
  readonly blasCore: string;
}

const PYTHON = "/usr/bin/python3";
const PEER = "torch";
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const step: Benchmark = {
  name: "step",
  about:
    "one training step (forward and backward to ten tag vectors) at the shape of SmolLM2-135M, 8 rows of 256 tokens, 64 labels, f32",
  run: async (options) => {
    const result = await measureStep(smollm, options);
    return { result, table: stepTable(result) };
  },
};

export async function measureStep(shape: StepShape, { repeats, note }: BenchOptions): Promise<StepResult> {
  const machine = describeMachine();
  const peer = await peerRate().catch((reason: Error) => reason);
  if (peer instanceof Error) note(`NOT COMPARED WITH PYTORCH: ${peer.message}`);
  const ourRate = await gemmRate(shape.threads);
  const children: MeasuredChild[] = [];
  try {
    note("warming up our step ...");
    children.push(await startOurs(shape));
    if (!(peer instanceof Error)) {
      note("warming up PyTorch's step ...");
      children.push(await startPeer(shape));
    }
    const runs = await takeTurns(children, repeats, note);
    const ends: Record<string, unknown>[] = [];
    for (const child of children) ends.push(await child.ask("end"));
    const side = (i: number, what: string, rate: number) =>
      sideOf(shape, what, rate, runs[i] as Turns, ends[i]);
    const ours = side(0, `tagllm, onnxruntime ${machine.onnxruntime}`, ourRate);
    if (peer instanceof Error) return { name: "step", machine, ours, peers: {}, ratios: {} };
    const what = `PyTorch ${peer.torch} eager, ${peer.blas} (${peer.blasCore})`;
    const theirs = side(1, what, peer.gflops.f32);
    return {
      name: "step",
      machine,
      ours,
      peers: { [PEER]: theirs },
      ratios: { [PEER]: ratios(ours, theirs) },
    };
  } finally {
    for (const child of children) child.kill();
  }
}

function ratios(ours: StepSide, theirs: StepSide): Record<string, number> {
  const speed = pairedRatios(ours.seconds, theirs.seconds);
  return {
    speed: speed.median,
    speedLowest: speed.min,
    speedHighest: speed.max,
    peakMemory: theirs.peakRssBytes / ours.peakRssBytes,
  };
}

const startOurs = (shape: StepShape) =>
  MeasuredChild.start("our step", process.execPath, [
    "--import",
    import.meta.resolve("tsx"),
    file("./step-child.ts"),
    JSON.stringify(shape),
  ]);

const startPeer = ({ rows, length, labelled, threads }: StepShape) => {
  const options = { batch: rows, seq: length, labelled: rows * labelled, threads, dtype: "f32" };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return MeasuredChild.start("PyTorch's step", PYTHON, [file("./peers/torch_step.py"), ...words]);
};

/** PyTorch's best matrix product; rejects with what is missing and how to install it. */
export async function peerRate(): Promise<PeerRate> {
  const run = promisify(execFile);
  await run(PYTHON, ["-c", "import torch"]).catch(() => {
    throw new Error(`${PYTHON} has no PyTorch; apt-get install python3-torch`);
  });
  const { stdout } = await run(PYTHON, [file("./peers/gemm.py")]).catch((error: { stderr: string }) => {
    throw new Error(error.stderr.trim().split("\n").at(-1));
  });
  return JSON.parse(stdout) as PeerRate;
}

interface Turns {
  readonly steps: { seconds: number; loss: number }[];
  /** Processor seconds over wall seconds, while others were measured. */
  idle: { busy: number | null; seconds: number };
}

/** Ours, peer, ours, peer: whatever else the machine does meets both. */
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
  what: string,
  gemmGflops: number,
  { steps, idle }: Turns,
  end: Record<string, unknown> = {},
): StepSide {
  const seconds = summarise(steps.map((s) => s.seconds));
  const { peakRssBytes, ...details } = end;
  return {
    what,
    seconds,
    tokensPerSecond: (shape.rows * shape.length) / seconds.median,
    loss: steps.at(-1)?.loss as number,
    gemmGflops,
    gemmShare: stepFlops(shape) / 1e9 / seconds.median / gemmGflops,
    peakRssBytes: peakRssBytes as number,
    idleCores: idle.busy === null || idle.seconds === 0 ? null : idle.busy / idle.seconds,
    details,
  };
}

function stepTable({ ours, peers, ratios }: StepResult): Table {
  const sides = [ours, ...Object.values(peers)];
  const compared = Object.values(ratios);
  const row = (title: string, cell: (s: StepSide) => string, ratio?: string) => [
    title,
    ...sides.map(cell),
    ...compared.map((r) => (ratio ? `${(r[ratio] as number).toFixed(2)}x` : "")),
  ];
  const inPairs = [
    ["pairs, lowest - highest", ...sides.map(() => ""), ...compared.map(pairRange)],
    row("cores taken while the other runs", (s) => s.idleCores?.toFixed(2) ?? "-"),
  ];
  return [
    ["", ...sides.map((s) => s.what), ...compared.map(() => "ours is better by")],
    row("seconds a step, median", (s) => s.seconds.median.toFixed(2), "speed"),
    row("fastest - slowest", (s) => `${s.seconds.min.toFixed(2)} - ${s.seconds.max.toFixed(2)}`),
    row("tokens a second", (s) => s.tokensPerSecond.toFixed(0)),
    row("peak memory of the process, MB", (s) => (s.peakRssBytes / 1e6).toFixed(0), "peakMemory"),
    row("one matrix product of 1024, GFLOP/s", (s) => s.gemmGflops.toFixed(0)),
    row("share of that rate in the step", (s) => `${(s.gemmShare * 100).toFixed(0)} %`),
    row("loss", (s) => s.loss.toFixed(3)),
    ...(compared.length ? inPairs : []),
  ];
}

const pairRange = ({ speedLowest, speedHighest }: Record<string, number>): string =>
  `${speedLowest?.toFixed(2)}x - ${speedHighest?.toFixed(2)}x`;
