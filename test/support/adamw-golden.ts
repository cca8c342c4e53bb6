/** Twenty optimizer steps with our runner, step gradient, clipping and AdamW, against PyTorch's. */
import type { HeadValues } from "../../src/batch/head.ts";
import type { Query, Reuse } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import type { Base } from "../../src/models/base.ts";
import { AdamW, clipGradients, type Parameter } from "../../src/train/optimizer.ts";
import { cosineWithWarmup } from "../../src/train/schedule.ts";
import { type StepExamples, stepGradient } from "../../src/train/step.ts";
import {
  FUNCTION_TAG,
  floats,
  type Golden,
  goldenLabels,
  goldenPath,
  goldenQueries,
  goldenVectors,
} from "./tag-golden.ts";
import { readGolden, relativeError } from "./tensors.ts";

export interface AdamWRun {
  readonly file: "adamw" | "adamw-text";
  /** Which of the file's trainings: without or with weight decay. */
  readonly name: "plain" | "decay";
}

export const adamwRuns: readonly AdamWRun[] = (["adamw", "adamw-text"] as const).flatMap((file) =>
  (["plain", "decay"] as const).map((name) => ({ file, name })),
);

const STEPS = 20;
const WARMUP = 1;
const CLIP = 1;
const PEAK = { adamw: 2e-3, "adamw-text": 1e-2 };
const WEIGHT_DECAY = { plain: 0, decay: 0.01 };

/** Largest relative errors of the losses (step by step), the gradient norms and the final values. */
export async function adamwErrors(
  base: Base,
  { file, name }: AdamWRun,
  reuse: Reuse,
): Promise<Record<string, number>> {
  const golden = await readGolden(goldenPath(file));
  const vectors = goldenVectors(golden);
  const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse, tokens: 512 });
  const queries = goldenQueries(golden, true, reuse !== "none");
  const head =
    file === "adamw" ? { outputs: 1, weight: floats(golden, "w"), bias: floats(golden, "b") } : null;
  const trained = vectors.get(FUNCTION_TAG) as Float32Array;
  const parameters: Parameter[] = [{ name: FUNCTION_TAG, values: trained, rate: 1 }];
  if (head)
    parameters.push({ name: "w", values: head.weight, rate: 1 }, { name: "b", values: head.bias, rate: 1 });
  const optimizer = new AdamW(parameters, { weightDecay: WEIGHT_DECAY[name] });

  const order = floats(golden, "order");
  const losses = new Float32Array(STEPS);
  const norms = new Float32Array(STEPS);
  const rates = new Float32Array(STEPS);
  for (let step = 0; step < STEPS; step++) {
    const examples = examplesOf(golden, queries, order.subarray(step * 4, step * 4 + 4), head);
    const gradient = await stepGradient(runner, examples, head, 0, false);
    const gradients = [gradient.tags.get(FUNCTION_TAG) as Float32Array];
    if (gradient.head) gradients.push(gradient.head.weight, gradient.head.bias);
    losses[step] = gradient.loss;
    norms[step] = clipGradients(gradients, CLIP);
    rates[step] = PEAK[file] * cosineWithWarmup(step, STEPS, WARMUP);
    optimizer.step(gradients, rates[step] as number);
  }
  await runner.clear();
  const expected = (key: string) => floats(golden, `${name}.${key}`);
  return {
    "learning rates": relativeError(rates, floats(golden, "learning_rates")),
    losses: largestStepError(losses, expected("losses")),
    "gradient norms": largestStepError(norms, expected("grad_norms")),
    "final vectors": relativeError(trained, expected("final.function")),
    ...(head && { "final head": relativeError(head.weight, expected("final.w")) }),
  };
}

function examplesOf(
  golden: Golden,
  queries: readonly Query[],
  picks: Float32Array,
  head: HeadValues | null,
): StepExamples {
  const picked = Array.from(picks, (i) => ({ query: queries[i] as Query, i }));
  if (!head)
    return {
      text: picked.map(({ query }) => ({ query, labels: goldenLabels(query) })),
      head: [],
      domain: [],
    };
  const y = floats(golden, "y");
  return { text: [], head: picked.map(({ query, i }) => ({ query, target: [y[i] as number] })), domain: [] };
}

function largestStepError(ours: Float32Array, expected: Float32Array): number {
  return Math.max(...ours.map((x, i) => Math.abs(x / (expected[i] as number) - 1)));
}
