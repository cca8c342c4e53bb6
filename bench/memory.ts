/** The same step as `step`, for the memory that it takes: ours in f32 and int8, PyTorch in f32 and bf16. */
import type { Benchmark, BenchOptions } from "./benchmark.ts";
import { contestTable, hold, type StepResult } from "./contest.ts";
import { stepShape } from "./step-shape.ts";

export const measureMemory = (options: BenchOptions): Promise<StepResult> =>
  hold(
    { name: "memory", shape: stepShape(options.config), ours: ["f32", "int8"], peers: ["f32", "bf16"] },
    options,
  );

export const memory: Benchmark = {
  name: "memory",
  about:
    "peak memory of the whole process of a training step, 8 rows of 256 tokens, 64 labels; f32 and int8 against PyTorch in f32 and bf16, all rows at once and in parts",
  anyBase: true,
  run: async (options) => {
    const result = await measureMemory(options);
    return { result, table: contestTable(result) };
  },
};
