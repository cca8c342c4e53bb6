/** The step that is measured: its model, its batch, and how many operations its matrix products are. */
import { productFlops } from "../src/graph/cost.ts";
import { lower } from "../src/graph/lower.ts";
import { readArchitecture } from "../src/models/families.ts";
import { buildProgram } from "../src/models/program.ts";
import { type BaseConfig, smollm } from "./bases.ts";

export const THREADS = 2;

export interface StepShape {
  readonly config: BaseConfig;
  readonly rows: number;
  /** Tokens of a row, tag vectors included. */
  readonly length: number;
  /** Labelled positions of a row: its last ones. */
  readonly labelled: number;
  /** The tag's vectors stand at [tagStart, tagStart + tagVectors) of each row. */
  readonly tagStart: number;
  readonly tagVectors: number;
  /** Tokens of one run of the engine; a step is as many runs as it takes. */
  readonly tokensPerRun: number;
  readonly threads: number;
}

/** A batch of 8 rows of 256 tokens with 64 labels. */
export const stepShape = (config: BaseConfig = smollm): StepShape => ({
  config,
  rows: 8,
  length: 256,
  labelled: 8,
  tagStart: 10,
  tagVectors: 10,
  tokensPerRun: 512,
  threads: THREADS,
});

/** Floating-point operations of all matrix products of one step, forward and backward. */
export function stepFlops({ config, rows, length, labelled, tagVectors }: StepShape): number {
  const graph = buildProgram(readArchitecture(config), {
    batch: rows,
    length,
    past: [],
    slots: rows * tagVectors,
    reads: rows * labelled,
    result: { kind: "text", train: true },
  });
  return productFlops(lower(graph, "cpu"));
}
