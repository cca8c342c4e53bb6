/** One training step of a tag with few labels, ours against PyTorch eager, both in f32. */
import type { Benchmark } from "./benchmark.ts";
import { contestTable, hold } from "./contest.ts";
import { stepShape } from "./step-shape.ts";

export const step: Benchmark = {
  name: "step",
  about:
    "one training step (forward and backward to ten tag vectors), 8 rows of 256 tokens, 64 labels, f32 against PyTorch in f32 and bf16",
  anyBase: true,
  run: async (options) => {
    const shape = stepShape(options.config);
    const peers = ["f32", "bf16"] as const;
    const result = await hold({ name: "step", shape, ours: ["f32"], peers, web: true }, options);
    return { result, table: contestTable(result) };
  },
};
