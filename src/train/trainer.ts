/**
 * The loop: draws batches, takes optimizer steps, validates, and keeps what validated best. It owns no files;
 * what happens is told through events.
 */
import type { HeadValues, Runner } from "../batch/runner.ts";
import { TagllmError } from "../errors.ts";
import type { HeadObservation } from "./closed-form.ts";
import { AdamW, clipGradients, type Parameter } from "./optimizer.ts";
import { batches } from "./order.ts";
import { cosineWithWarmup } from "./schedule.ts";
import { gatherStep, type StepGradient, stepGradient } from "./step.ts";
import { headPredictions, meanSquaredError, meanTextLoss, type Task } from "./tasks.ts";

export interface TrainOptions {
  readonly steps: number;
  /** Examples of one optimizer step. */
  readonly batch: number;
  /** Peak learning rate of the vectors. */
  readonly learningRate: number;
  /** The head's learning rate as a multiple of the vectors'; 0 where the head is solved. */
  readonly headRate: number;
  /** Steps of linear warm-up. */
  readonly warmup: number;
  /** Largest global norm of the gradient. */
  readonly clip: number;
  readonly weightDecay: number;
  /** Weight of the domain loss when domain tags are enriched. */
  readonly lambda: number;
  /** Validate every so many steps, and at the end. */
  readonly validateEvery: number;
  readonly seed: number;
}

/** A head that is solved instead of trained. */
export interface ClosedForm {
  /** Sees the head examples of a step, and moves the head. */
  observe(examples: HeadObservation): void;
  /** Validation loss of the tag with a head fitted for the purpose. */
  validate(): Promise<number>;
}

export interface Trained {
  readonly vectors: ReadonlyMap<string, Float32Array>;
  readonly head: HeadValues | null;
}

export type TrainEvent =
  | {
      readonly kind: "step";
      readonly step: number;
      readonly loss: number;
      readonly domainLoss: number | null;
      readonly gradientNorm: number;
      readonly learningRate: number;
      /** Mean norm of a trained row. */
      readonly rowNorm: number;
      readonly seconds: number;
    }
  | { readonly kind: "validation"; readonly step: number; readonly loss: number; readonly best: boolean };

export interface TrainResult {
  /** Lowest validation loss and the step that reached it; the trained values are those of that step. */
  readonly best: { readonly step: number; readonly loss: number };
  readonly firstLoss: number;
  readonly seconds: number;
}

/** Trains `trained` in place; afterwards it holds what validated best. */
export async function train(
  runner: Runner,
  trained: Trained,
  tasks: readonly Task[],
  options: TrainOptions,
  onEvent: (e: TrainEvent) => void,
  closedForm: ClosedForm | null,
): Promise<TrainResult> {
  const names = [...trained.vectors.keys()];
  const optimizer = new AdamW(parametersOf(trained, options), { weightDecay: options.weightDecay });
  const draw = batches(
    tasks.reduce((n, t) => n + t.train.length, 0),
    options.batch,
    options.seed,
  );
  const locate = locator(tasks);
  const began = performance.now();
  const validate = () => (closedForm ? closedForm.validate() : validationLoss(runner, tasks, trained.head));

  const firstLoss = await validate();
  let best = { step: 0, loss: firstLoss };
  let kept = copyOf(trained);
  onEvent({ kind: "validation", step: 0, loss: firstLoss, best: true });

  for (let step = 0; step < options.steps; step++) {
    const from = performance.now();
    const picks = Array.from(draw.next().value as Int32Array, locate);
    const gradient = await stepGradient(
      runner,
      gatherStep(tasks, picks),
      trained.head,
      options.lambda,
      closedForm !== null,
    );
    const learningRate = options.learningRate * cosineWithWarmup(step, options.steps, options.warmup);
    const gradients = gradientsOf(gradient, names, trained, options);
    const gradientNorm = clipGradients(gradients, options.clip);
    requireFinite(gradient.loss, gradientNorm, step);
    optimizer.step(gradients, learningRate);
    if (closedForm && gradient.head) closedForm.observe(gradient.head);
    onEvent({
      kind: "step",
      step: step + 1,
      loss: gradient.loss,
      domainLoss: gradient.domainLoss,
      gradientNorm,
      learningRate,
      rowNorm: meanRowNorm(trained.vectors, runner.base.architecture.hiddenSize),
      seconds: (performance.now() - from) / 1000,
    });
    if ((step + 1) % options.validateEvery === 0 || step + 1 === options.steps) {
      const loss = await validate();
      const better = loss < best.loss;
      if (better) {
        best = { step: step + 1, loss };
        kept = copyOf(trained);
      }
      onEvent({ kind: "validation", step: step + 1, loss, best: better });
    }
  }
  restore(trained, kept);
  return { best, firstLoss, seconds: (performance.now() - began) / 1000 };
}

function parametersOf({ vectors, head }: Trained, { headRate }: TrainOptions): Parameter[] {
  const parameters: Parameter[] = [...vectors].map(([name, values]) => ({ name, values, rate: 1 }));
  if (head && headRate > 0) {
    parameters.push({ name: "head.weight", values: head.weight, rate: headRate });
    parameters.push({ name: "head.bias", values: head.bias, rate: headRate });
  }
  return parameters;
}

function gradientsOf(
  { tags, head }: StepGradient,
  names: readonly string[],
  trained: Trained,
  { headRate }: TrainOptions,
): Float32Array[] {
  const gradients = names.map(
    (n) => tags.get(n) ?? new Float32Array((trained.vectors.get(n) as Float32Array).length),
  );
  return head && headRate > 0 ? [...gradients, head.weight, head.bias] : gradients;
}

/** Mean over all validation examples of the tasks, of the loss that training minimises. */
async function validationLoss(
  runner: Runner,
  tasks: readonly Task[],
  head: HeadValues | null,
): Promise<number> {
  const text = tasks.flatMap((t) => (t.kind === "text" ? t.validation : []));
  const regression = tasks.flatMap((t) => (t.kind === "head" ? t.validation : []));
  let loss = text.length ? (await meanTextLoss(runner, text)).loss : 0;
  if (regression.length && head) {
    const queries = regression.map((e) => e.query);
    loss += meanSquaredError(await headPredictions(runner, queries, head), regression);
  }
  return loss;
}

/** From an index over all tasks' training examples to the task and its example. */
function locator(tasks: readonly Task[]): (index: number) => { task: number; example: number } {
  const starts = tasks.map((_, t) => tasks.slice(0, t).reduce((n, x) => n + x.train.length, 0));
  return (index) => {
    const task = starts.findLastIndex((start) => start <= index);
    return { task, example: index - (starts[task] as number) };
  };
}

function copyOf({ vectors, head }: Trained): Trained {
  return {
    vectors: new Map([...vectors].map(([name, v]) => [name, v.slice()])),
    head: head && { ...head, weight: head.weight.slice(), bias: head.bias.slice() },
  };
}

function restore(trained: Trained, kept: Trained): void {
  for (const [name, values] of trained.vectors) values.set(kept.vectors.get(name) as Float32Array);
  if (trained.head && kept.head) {
    trained.head.weight.set(kept.head.weight);
    trained.head.bias.set(kept.head.bias);
  }
}

function meanRowNorm(vectors: ReadonlyMap<string, Float32Array>, width: number): number {
  let [sum, rows] = [0, 0];
  for (const values of vectors.values()) {
    for (let r = 0; r < values.length; r += width, rows++)
      sum += Math.hypot(...values.subarray(r, r + width));
  }
  return rows ? sum / rows : 0;
}

function requireFinite(loss: number, gradientNorm: number, step: number): void {
  if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) return;
  throw new TagllmError(
    "train/diverged",
    `At step ${step + 1} the loss is ${loss} and the gradient norm ${gradientNorm}.`,
    "Lower the learning rate (rate), or check the targets for extreme values.",
  );
}
