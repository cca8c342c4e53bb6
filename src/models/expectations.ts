/** What a base takes and how fast it will be on this machine, from its sizes alone, before it is loaded. */
import { freemem } from "node:os";
import { productRate } from "../engine/product-rate.ts";
import { byteCount, peakBytes, productFlops } from "../graph/cost.ts";
import { elementCount, type Graph } from "../graph/graph.ts";
import { lower } from "../graph/lower.ts";
import { usedInputs } from "../graph/onnx.ts";
import { type Bits, storeInBits } from "../graph/weight-only.ts";
import type { Architecture } from "./architecture.ts";
import { buildProgram, type Result } from "./program.ts";

export interface Expectation {
  /** Of the whole process. */
  readonly bytes: number;
  readonly tokensPerSecond: number;
}

export interface Expectations {
  /** Weights, as f32. */
  readonly weightBytes: number;
  /** With those of products in so many bits. */
  readonly weightBytesIn: { readonly "8bit": number; readonly "4bit": number };
  /** Predicting with a tag. */
  readonly read: Expectation;
  /** Training a tag: forward and backward. */
  readonly train: Expectation;
  /** Memory that no process uses now. */
  readonly freeBytes: number;
  /** Of one f32 product, just measured. */
  readonly gflops: number;
}

/** A run as studies have it by default: 512 tokens. */
const [ROWS, LENGTH, VECTORS, READS] = [2, 256, 10, 8] as const;
/** Node, the runtime and its programs. */
const OVERHEAD = 250e6;
/** Of the rate of one large product, what whole runs reach (docs/performance.md: 0.88 to 0.91). */
const SHARE = 0.85;

export async function expectationsOf(architecture: Architecture): Promise<Expectations> {
  const weightBytes = 4 * [...architecture.tensors.values()].reduce((n, shape) => n + elementCount(shape), 0);
  const gflops = await productRate(10);
  const of = (result: Result): Expectation => {
    const graph = programOf(architecture, result);
    return {
      bytes: OVERHEAD + weightBytes + peakBytes(graph),
      tokensPerSecond: (ROWS * LENGTH * gflops * 1e9 * SHARE) / productFlops(graph),
    };
  };
  return {
    weightBytes,
    weightBytesIn: { "8bit": bytesInBits(architecture, 8), "4bit": bytesInBits(architecture, 4) },
    read: of({ kind: "hidden" }),
    train: of({ kind: "text", train: true }),
    freeBytes: freemem(),
    gflops,
  };
}

/** What a program that writes text is given. */
function bytesInBits(architecture: Architecture, bits: Bits): number {
  return usedInputs(storeInBits(programOf(architecture, { kind: "logits" }), bits))
    .filter(({ kind }) => kind !== "input")
    .reduce((n, v) => n + byteCount(v), 0);
}

function programOf(architecture: Architecture, result: Result): Graph {
  const shape = { batch: ROWS, length: LENGTH, past: [], slots: ROWS * VECTORS, reads: ROWS * READS };
  return lower(buildProgram(architecture, { ...shape, result }), "cpu");
}
