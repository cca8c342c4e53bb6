/** One step of a domain tag: every position after the tag is labelled, so the vocabulary head weighs much. */
import type { Benchmark } from "./benchmark.ts";
import { contestTable, hold } from "./contest.ts";
import { type StepShape, smollm } from "./step-shape.ts";

const [ROWS, LENGTH] = [4, 512];

const shape: StepShape = {
  ...smollm,
  rows: ROWS,
  length: LENGTH,
  labelled: LENGTH - smollm.tagStart - smollm.tagVectors,
};

export const stage1: Benchmark = {
  name: "stage1",
  about: `one step of a domain tag at the shape of SmolLM2-135M, ${ROWS} rows of ${LENGTH} tokens, every position after the ten vectors labelled; int8 and f32 against PyTorch in f32 and bf16`,
  run: async (options) => {
    const contest = {
      name: "stage1",
      shape,
      ours: ["int8", "f32"],
      peers: ["f32", "bf16"],
      web: false,
    } as const;
    const result = await hold(contest, options);
    return { result, table: contestTable(result) };
  },
};
