/**
 * The loop: draws batches, takes optimizer steps, validates, and keeps what validated best or the last. It owns no files;
 * what happens is told through events.
 */

import { type Arrays, prefixed, takeArray, unprefixed } from "../arrays.ts";
import type { HeadValues } from "../batch/head.ts";
import type { Runner } from "../batch/runner.ts";
import { TagllmError } from "../errors.ts";
import type { HeadObservation } from "./closed-form.ts";
import { AdamW, clipGradients, type Parameter } from "./optimizer.ts";
import { batches } from "./order.ts";
import { cosineWithWarmup } from "./schedule.ts";
import { gatherStep, type StepExamples, type StepGradient, stepGradient } from "./step.ts";
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
  /** Which values are kept: those with the lowest validation loss, or the last ones. */
  readonly keep: "best" | "last";
  readonly seed: number;
}

/** A head that is solved instead of trained. */
export interface ClosedForm {
  /** Sees the head examples of a step, and moves the head. */
  observe(examples: HeadObservation): void;
  /** Validation loss of the tag with a head fitted for the purpose. */
  validate(): Promise<number>;
  state(): Arrays;
  restore(state: Arrays): void;
}

export interface Trained {
  readonly vectors: ReadonlyMap<string, Float32Array>;
  readonly head: HeadValues | null;
}

/** Loss and step of a validation. */
export interface Validation {
  readonly step: number;
  readonly loss: number;
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
  | ({ readonly kind: "validation"; readonly best: boolean } & Validation);

export interface TrainResult {
  /** Of the values that were kept, which are the trained ones: the lowest loss, or with `keep: last` the last. */
  readonly best: Validation;
  readonly firstLoss: number;
  readonly seconds: number;
}

/** Everything that the rest of a training depends on: with it, training goes on bit for bit as if never stopped. */
export interface TrainState {
  /** Steps that are done. */
  readonly step: number;
  readonly first: Validation;
  readonly best: Validation;
  /** The step that was validated last. */
  readonly validated: number;
  readonly seconds: number;
  readonly arrays: Arrays;
}

/** Where a training begins, and who keeps its state. */
export interface Continuation {
  /** The state to go on from; null to begin. */
  readonly from: TrainState | null;
  /** Called after every step, and with `last` when training is interrupted; `state` copies it. */
  keep(state: () => TrainState, last: boolean): Promise<void>;
}

export const fromTheStart: Continuation = { from: null, keep: async () => {} };

/** Trains `trained` in place; afterwards it holds what is to be kept. */
export async function train(
  runner: Runner,
  trained: Trained,
  tasks: readonly Task[],
  options: TrainOptions,
  onEvent: (e: TrainEvent) => void,
  closedForm: ClosedForm | null,
  continuation: Continuation = fromTheStart,
): Promise<TrainResult> {
  const training = new Training(runner, trained, tasks, options, onEvent, closedForm);
  if (continuation.from) training.restore(continuation.from);
  const state = () => training.state();
  try {
    for (;;) {
      if (training.validationIsDue()) await training.validate();
      if (training.ended) return training.finish();
      requireGoOn(runner.options.signal);
      await training.takeStep();
      await continuation.keep(state, false);
    }
  } catch (error) {
    if (runner.options.signal?.aborted && training.begun) await continuation.keep(state, true);
    throw error;
  }
}

class Training {
  private readonly runner: Runner;
  private readonly trained: Trained;
  private readonly tasks: readonly Task[];
  private readonly options: TrainOptions;
  private readonly onEvent: (e: TrainEvent) => void;
  private readonly closedForm: ClosedForm | null;
  private readonly optimizer: AdamW;
  private readonly draw: Generator<Int32Array>;
  private readonly locate: (index: number) => { task: number; example: number };
  private drawn: StepExamples[] = [];
  private since = performance.now();
  private seconds = 0;
  private step = 0;
  private validated = -1;
  private first: Validation = { step: 0, loss: Number.NaN };
  private best: Validation = this.first;
  private kept: Trained;
  /** Of this session. */
  private readonly startNorm: number;

  constructor(
    runner: Runner,
    trained: Trained,
    tasks: readonly Task[],
    options: TrainOptions,
    onEvent: (e: TrainEvent) => void,
    closedForm: ClosedForm | null,
  ) {
    this.runner = runner;
    this.trained = trained;
    this.tasks = tasks;
    this.options = options;
    this.onEvent = onEvent;
    this.closedForm = closedForm;
    this.optimizer = new AdamW(parametersOf(trained, options), { weightDecay: options.weightDecay });
    const examples = tasks.reduce((n, t) => n + t.train.length, 0);
    this.draw = batches(examples, options.batch, options.seed);
    this.locate = locator(tasks);
    this.kept = copyOf(trained);
    this.startNorm = this.meanNorm();
  }

  /** The first validation has been made. */
  get begun(): boolean {
    return this.validated >= 0;
  }

  get ended(): boolean {
    return this.step === this.options.steps;
  }

  validationIsDue(): boolean {
    return this.validated < this.step && (this.step % this.options.validateEvery === 0 || this.ended);
  }

  async validate(): Promise<void> {
    const { runner, tasks, trained, closedForm, step } = this;
    const loss = await (closedForm ? closedForm.validate() : validationLoss(runner, tasks, trained.head));
    if (!Number.isFinite(loss))
      throw diverged(`After step ${step} the validation loss is ${loss}.`, this.norms());
    const better = !this.begun || this.options.keep === "last" || loss < this.best.loss;
    if (!this.begun) this.first = { step, loss };
    if (better) {
      this.best = { step, loss };
      this.kept = copyOf(trained);
    }
    this.validated = step;
    this.onEvent({ kind: "validation", step, loss, best: better });
  }

  async takeStep(): Promise<void> {
    const { runner, trained, options, closedForm } = this;
    const from = performance.now();
    const examples = await this.nextExamples();
    const gradient = await stepGradient(runner, examples, trained.head, options.lambda, closedForm !== null);
    const learningRate = options.learningRate * cosineWithWarmup(this.step, options.steps, options.warmup);
    const gradients = gradientsOf(gradient, [...trained.vectors.keys()], trained, options);
    const gradientNorm = clipGradients(gradients, options.clip);
    if (!Number.isFinite(gradient.loss) || !Number.isFinite(gradientNorm)) {
      const problem = `At step ${this.step + 1} the loss is ${gradient.loss} and the gradient norm ${gradientNorm}.`;
      throw diverged(problem, this.norms());
    }
    this.optimizer.step(gradients, learningRate);
    if (closedForm && gradient.head) closedForm.observe(gradient.head);
    this.step++;
    this.onEvent({
      kind: "step",
      step: this.step,
      loss: gradient.loss,
      domainLoss: gradient.domainLoss,
      gradientNorm,
      learningRate,
      rowNorm: this.meanNorm(),
      seconds: (performance.now() - from) / 1000,
    });
  }

  /** Of the next step. Those of an epoch are drawn together, and what they stand on is stored together. */
  private async nextExamples(): Promise<StepExamples> {
    if (this.drawn.length === 0) {
      const { steps, batch } = this.options;
      const epoch = Math.ceil(this.tasks.reduce((n, t) => n + t.train.length, 0) / batch);
      const draw = () =>
        gatherStep(this.tasks, Array.from(this.draw.next().value as Int32Array, this.locate));
      this.drawn = Array.from({ length: Math.min(epoch, steps - this.step) }, draw);
      await this.runner.prepare(
        this.drawn.flatMap(({ text, head }) => [...text, ...head].map(({ query }) => query)),
      );
    }
    return this.drawn.shift() as StepExamples;
  }

  /** Leaves what is kept in the trained values. */
  finish(): TrainResult {
    copyInto(this.trained, this.kept);
    return { best: this.best, firstLoss: this.first.loss, seconds: this.elapsed() };
  }

  state(): TrainState {
    const { step, first, best, validated } = this;
    const arrays: Arrays = new Map([
      ...prefixed("now.", arraysOf(this.trained)),
      ...prefixed("best.", arraysOf(this.kept)),
      ...prefixed("optimizer.", this.optimizer.state()),
      ...(this.closedForm ? prefixed("head.", this.closedForm.state()) : []),
    ]);
    return { step, first, best, validated, seconds: this.elapsed(), arrays };
  }

  restore({ step, first, best, validated, seconds, arrays }: TrainState): void {
    for (let i = 0; i < step; i++) this.draw.next();
    this.step = step;
    this.first = first;
    this.best = best;
    this.validated = validated;
    this.seconds = seconds;
    setArrays(this.trained, unprefixed("now.", arrays));
    setArrays(this.kept, unprefixed("best.", arrays));
    this.optimizer.restore(unprefixed("optimizer.", arrays));
    this.closedForm?.restore(unprefixed("head.", arrays));
  }

  private norms(): { start: number; now: number } {
    return { start: this.startNorm, now: this.meanNorm() };
  }

  private meanNorm(): number {
    return meanRowNorm(this.trained.vectors, this.runner.base.architecture.hiddenSize);
  }

  private elapsed(): number {
    return this.seconds + (performance.now() - this.since) / 1000;
  }
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
  let loss = text.length ? await meanTextLoss(runner, text) : 0;
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

const copyInto = (trained: Trained, from: Trained): void => setArrays(trained, arraysOf(from));

/** Copies of all values by name. */
function arraysOf(trained: Trained): Arrays {
  return new Map(namedArrays(trained).map(([name, values]) => [name, values.slice()]));
}

function setArrays(trained: Trained, state: Arrays): void {
  for (const [name, values] of namedArrays(trained)) values.set(takeArray(state, name, values.length));
}

function namedArrays({ vectors, head }: Trained): [string, Float32Array][] {
  const tags = [...vectors].map(([name, values]): [string, Float32Array] => [`vectors.${name}`, values]);
  return head ? [...tags, ["head.weight", head.weight], ["head.bias", head.bias]] : tags;
}

/** Of the rows of all vectors. */
export function meanRowNorm(vectors: ReadonlyMap<string, Float32Array>, width: number): number {
  let [sum, rows] = [0, 0];
  for (const values of vectors.values()) {
    for (let r = 0; r < values.length; r += width, rows++)
      sum += Math.hypot(...values.subarray(r, r + width));
  }
  return rows ? sum / rows : 0;
}

function requireGoOn(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new TagllmError("aborted", "The training was interrupted.", "Start it again to go on.");
}

/** What a training that cannot go on says of its likely cause. */
function diverged(problem: string, { start, now }: { start: number; now: number }): TagllmError {
  const grown = !(now < 5 * start);
  const norms = `The vectors' mean norm is ${now.toPrecision(3)}; it began at ${start.toPrecision(3)}.`;
  const cure = grown
    ? "The learning rate is too high for this base: lower rate (or learningRate) by ten times."
    : "The vectors are of a sound size, so the rows are the likely cause: look for extreme targets, or lower rate.";
  return new TagllmError("train/diverged", `${problem} ${norms}`, cure);
}
