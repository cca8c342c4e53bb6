/**
 * Writing text, ours beside llama.cpp and transformers.js at the same shape with random weights: each in a process of
 * its own, in turns. What is compared is the time of the prompt and the time of the tokens after the first.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Benchmark, BenchOptions, BenchResult } from "./benchmark.ts";
import { MeasuredChild } from "./child.ts";
import { peersMissing, presentPeers } from "./decode-peers.ts";
import { type Decoded, type DecodeShape, smollmDecoding } from "./decode-shape.ts";
import { describeMachine } from "./machine.ts";
import { pairedRatios, type Summary, summarise } from "./statistics.ts";
import type { Table } from "./table.ts";

export interface DecodeSide {
  readonly what: string;
  readonly format: "f32" | "4bit";
  readonly promptSeconds: Summary;
  readonly decodeSeconds: Summary;
  readonly tokensPerSecond: number;
  /** The same prompt, most of which is a stored span; ours only. */
  readonly spanSeconds: Summary | null;
  readonly peakRssBytes: number;
}

export type DecodeResult = BenchResult<DecodeSide>;

interface Contender {
  readonly key: string;
  readonly format: DecodeSide["format"];
  /** Whether it is ours, which can store spans. */
  readonly stores: boolean;
  start(): Promise<MeasuredChild>;
}

const startOurs = (shape: DecodeShape, precision: DecodeSide["format"]) =>
  MeasuredChild.start(`tagllm ${precision}`, process.execPath, [
    "--import",
    import.meta.resolve("tsx"),
    fileURLToPath(new URL("./decode-child.ts", import.meta.url)),
    JSON.stringify(shape),
    precision,
  ]);

async function compete(shape: DecodeShape, { repeats, note }: BenchOptions): Promise<DecodeResult> {
  const missing = peersMissing();
  if (missing) note(`NOT COMPARED WITH ALL PEERS: ${missing}`);
  const folder = await mkdtemp(join(tmpdir(), "tagllm-decode-"));
  const children: MeasuredChild[] = [];
  try {
    note("writing the peers' models ...");
    const contenders: Contender[] = [
      ...(["f32", "4bit"] as const).map((format) => ({
        key: `tagllm ${format}`,
        format,
        stores: true,
        start: () => startOurs(shape, format),
      })),
      ...(await presentPeers(folder, shape)).map((peer) => ({ ...peer, stores: false })),
    ];
    for (const { key, start } of contenders) {
      note(`warming up ${key} ...`);
      children.push(await start());
    }
    const taken = await takeTurns(contenders, children, repeats, note);
    const sides = new Map<string, DecodeSide>();
    for (const [i, child] of children.entries()) {
      const { key, format } = contenders[i] as Contender;
      const end = await child.ask<{ peakRssBytes: number; version?: string }>("end");
      sides.set(key, sideOf(shape, { key, format }, taken[i] as Taken, end));
    }
    return resultOf(sides);
  } finally {
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Taken {
  readonly decoded: Decoded[];
  readonly spans: Decoded[];
}

/** One after the other, again and again: whatever else the machine does meets all. */
async function takeTurns(
  contenders: readonly Contender[],
  children: readonly MeasuredChild[],
  repeats: number,
  note: BenchOptions["note"],
): Promise<Taken[]> {
  const taken = children.map((): Taken => ({ decoded: [], spans: [] }));
  for (let r = 0; r < repeats; r++) {
    for (const [i, child] of children.entries()) {
      const { decoded, spans } = taken[i] as Taken;
      decoded.push(await child.ask<Decoded>("decode"));
      if (contenders[i]?.stores) spans.push(await child.ask<Decoded>("span"));
    }
    const said = taken.map(
      ({ decoded }, i) => `${contenders[i]?.key} ${decoded.at(-1)?.decodeSeconds.toFixed(2)} s`,
    );
    note(`${r + 1}/${repeats}: ${said.join(", ")}`);
  }
  return taken;
}

function sideOf(
  shape: DecodeShape,
  { key, format }: Pick<Contender, "key" | "format">,
  { decoded, spans }: Taken,
  { peakRssBytes, version }: { peakRssBytes: number; version?: string },
): DecodeSide {
  const decodeSeconds = summarise(decoded.map((d) => d.decodeSeconds));
  return {
    what: version ? `${key} (${version})` : key,
    format,
    promptSeconds: summarise(decoded.map((d) => d.promptSeconds)),
    decodeSeconds,
    tokensPerSecond: (shape.tokens - 1) / decodeSeconds.median,
    spanSeconds: spans.length ? summarise(spans.map((d) => d.promptSeconds)) : null,
    peakRssBytes,
  };
}

/** Peers are compared with our side of the same numbers. */
function resultOf(sides: ReadonlyMap<string, DecodeSide>): DecodeResult {
  const { "tagllm f32": ours, ...peers } = Object.fromEntries(sides);
  const ratios: Record<string, Record<string, number>> = {};
  for (const [key, theirs] of Object.entries(peers)) {
    const own = sides.get(`tagllm ${theirs.format}`) as DecodeSide;
    if (own === theirs) continue;
    const decode = pairedRatios(own.decodeSeconds, theirs.decodeSeconds);
    const prompt = pairedRatios(own.promptSeconds, theirs.promptSeconds);
    ratios[key] = {
      decode: decode.median,
      decodeLowest: decode.min,
      decodeHighest: decode.max,
      prompt: prompt.median,
    };
  }
  return { name: "decode", machine: describeMachine(), ours: ours as DecodeSide, peers, ratios };
}

export function decodeTable({ ours, peers, ratios }: DecodeResult): Table {
  const milliseconds = (s: Summary | null) => (s ? (1000 * s.median).toFixed(0) : "");
  const row = (key: string, side: DecodeSide): string[] => {
    const ratio = ratios[key];
    return [
      side.what,
      side.tokensPerSecond.toFixed(1),
      milliseconds(side.promptSeconds),
      milliseconds(side.spanSeconds),
      (side.peakRssBytes / 1e6).toFixed(0),
      ratio ? `${ratio.decode?.toFixed(2)}x` : "",
      ratio ? `${ratio.decodeLowest?.toFixed(2)} - ${ratio.decodeHighest?.toFixed(2)}` : "",
      ratio ? `${ratio.prompt?.toFixed(2)}x` : "",
    ];
  };
  const titles = [
    "",
    "tokens/s",
    "first token, ms",
    "with a stored span, ms",
    "peak MB",
    "ours writes faster",
    "of each pair",
    "ours reads faster",
  ];
  return [titles, row("tagllm f32", ours), ...Object.entries(peers).map(([key, side]) => row(key, side))];
}

export const measureDecoding = (options: BenchOptions): Promise<DecodeResult> =>
  compete(smollmDecoding, options);

export const decode: Benchmark = {
  name: "decode",
  about: `${smollmDecoding.tokens} tokens after a prompt of ${smollmDecoding.prompt} at the shape of SmolLM2-135M, one text, greedy, f32 and 4-bit`,
  run: async (options) => {
    const result = await measureDecoding(options);
    return { result, table: decodeTable(result) };
  },
};
