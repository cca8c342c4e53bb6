/** One training step of a tag with few labels, ours against PyTorch eager, both in f32. */
import type { Benchmark } from "./benchmark.ts";
import { contestTable, hold } from "./contest.ts";
import { smollm } from "./step-shape.ts";

export const step: Benchmark = {
  name: "step",
  about:
    "one training step (forward and backward to ten tag vectors) at the shape of SmolLM2-135M, 8 rows of 256 tokens, 64 labels, f32",
  run: async (options) => {
    const contest = { name: "step", shape: smollm, ours: ["f32"], peers: ["f32"], web: true } as const;
    const result = await hold(contest, options);
    return { result, table: contestTable(result) };
  },
};
