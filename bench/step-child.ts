/**
 * Our side of the step benchmark, a process of its own: the library's own training step on a model of random
 * weights, in the line protocol of child.ts. Not a training: the tag's gradient is computed and dropped.
 *
 *     node --import tsx bench/step-child.ts '{"config": ..., "rows": 8, ...}' f32
 */
import { Engine } from "../src/engine/engine.ts";
import type { Precision } from "../src/engine/precision.ts";
import { answerLines } from "./answer-lines.mjs";
import { prepareStep } from "./random-base.ts";
import type { StepShape } from "./step-shape.ts";

const WARMUP = 2;

const shape = JSON.parse(process.argv[2] as string) as StepShape;
const precision = process.argv[3] as Precision;
const engine = await Engine.start({ threads: shape.threads, precision });
const step = await prepareStep(engine, shape);

for (let i = 0; i < WARMUP; i++) await step();
await answerLines(step, async () => {
  const { weightBytes } = await engine.stats();
  await engine.close();
  return { weightBytes, threads: shape.threads };
});
