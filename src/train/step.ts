/**
 * The gradient of one optimizer step: sums over micro-batches of losses that were weighted for the whole step,
 * so that a label or an example counts the same wherever it falls.
 */
import type { HeadValues } from "../batch/head.ts";
import type { Runner, TagGradients } from "../batch/runner.ts";
import type { HeadObservation } from "./closed-form.ts";
import { type HeadExample, readout, type Task, type TextExample } from "./tasks.ts";

/** Examples of one step. */
export interface StepExamples {
  readonly text: readonly TextExample[];
  readonly head: readonly HeadExample[];
  /** Enrichment, weighted by lambda. */
  readonly domain: readonly TextExample[];
}

export interface StepGradient {
  /** Function loss: mean nats a label, or mean squared error of standardised targets. */
  readonly loss: number;
  /** Mean nats a label of the enriched domains; null without enrichment. */
  readonly domainLoss: number | null;
  readonly tags: TagGradients;
  readonly head: (HeadObservation & { readonly weight: Float32Array; readonly bias: Float32Array }) | null;
}

export function gatherStep(
  tasks: readonly Task[],
  picks: readonly { task: number; example: number }[],
): StepExamples {
  const [text, head, domain] = [[] as TextExample[], [] as HeadExample[], [] as TextExample[]];
  for (const { task: t, example } of picks) {
    const task = tasks[t] as Task;
    if (task.kind === "text") text.push(task.train[example] as TextExample);
    else head.push(task.train[example] as HeadExample);
    if (task.domainTexts) domain.push(...task.domainTexts(example));
  }
  return { text, head, domain };
}

/**
 * @param centred the head's bias is solved, so its errors count less their mean (see `Runner.headStep`); of one example
 * nothing would be left
 */
export async function stepGradient(
  runner: Runner,
  examples: StepExamples,
  head: HeadValues | null,
  lambda: number,
  centred: boolean,
): Promise<StepGradient> {
  const tags: TagGradients = new Map();
  let loss = 0;
  let headGradient: StepGradient["head"] = null;
  if (examples.text.length) loss += await addText(runner, examples.text, 1, tags);
  if (examples.head.length) {
    if (!head) throw new Error("a head task needs a head");
    const n = examples.head.length;
    const targets = Float32Array.from(examples.head.flatMap((e) => e.target));
    const weights = new Float32Array(n).fill(1 / (n * head.outputs));
    const queries = examples.head.map((e) => e.query);
    const step = await runner.headStep(queries, readout, targets, weights, head, centred && n > 1);
    loss += step.loss;
    addTags(tags, step.gradients);
    const { hidden, predictions } = step;
    headGradient = { weight: step.headGradient, bias: step.biasGradient, hidden, predictions, targets };
  }
  const domainLoss = examples.domain.length
    ? (await addText(runner, examples.domain, lambda, tags)) / lambda
    : null;
  return { loss, domainLoss, tags, head: headGradient };
}

/** Adds `scale` times the mean loss over all labels of the examples. */
async function addText(
  runner: Runner,
  examples: readonly TextExample[],
  scale: number,
  tags: TagGradients,
): Promise<number> {
  const labels = examples.reduce((n, e) => n + e.labels.length, 0);
  const step = await runner.textStep(
    examples.map((e) => e.query),
    examples.map((e) => e.labels),
    new Float32Array(examples.length).fill(scale / labels),
  );
  addTags(tags, step.gradients);
  return step.loss;
}

function addTags(into: TagGradients, more: TagGradients): void {
  for (const [tag, gradient] of more) {
    const sum = into.get(tag);
    if (!sum) into.set(tag, gradient);
    else for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (gradient[i] as number);
  }
}
