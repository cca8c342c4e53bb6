/**
 * Stages 2 and 3 with a number as the answer: function tag and head learn labelled rows. The head is linear on
 * the last hidden state, so it is solved in closed form; the tag is trained by gradient through it.
 */
import type { HeadValues, Runner } from "../batch/runner.ts";
import { type Regression, regressionMetrics } from "../evaluate/metrics.ts";
import { fitRidge, predictRidge, type RidgeFit } from "../evaluate/ridge.ts";
import type { Scaling } from "../tags/tag.ts";
import { setHead, WindowedRidge } from "../train/closed-form.ts";
import { type HeadExample, type HeadTask, headPredictions, readout } from "../train/tasks.ts";
import type { ClosedForm } from "../train/trainer.ts";
import type { StudyStage } from "./schema.ts";
import type { Side } from "./sources.ts";
import { type PreparedTask, queryOf, standardise, type TaskRow } from "./tasks.ts";

/** What was predicted for a row of a table, in the target's own unit. */
export interface RowPrediction {
  /** 0-based data row of the file. */
  readonly row: number;
  readonly truth: number;
  readonly predicted: number;
  /** The data of the prompt. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Metrics of one output, in its own unit. */
export type Scores = Readonly<Record<string, Regression>>;

export function headExample(
  task: PreparedTask,
  row: TaskRow,
  scaling: readonly Scaling[],
  trained: ReadonlySet<string>,
  lengths: Record<string, number> = {},
): HeadExample {
  const prompt = task.compiler.compile(row, { withTarget: false, lengths });
  return { query: queryOf(prompt, task.isolate, trained), target: standardise(row, scaling) };
}

/** Examples of one way of prompting (with the tag, or without its vectors) for all sides of all tasks. */
export class HeadData {
  readonly tasks: readonly PreparedTask[];
  readonly scaling: readonly Scaling[];
  private readonly examples: Record<Side, readonly HeadExample[]>;

  constructor(
    tasks: readonly PreparedTask[],
    scaling: readonly Scaling[],
    trained: ReadonlySet<string>,
    lengths: Record<string, number> = {},
  ) {
    this.tasks = tasks;
    this.scaling = scaling;
    const of = (side: Side) =>
      tasks.flatMap((t) => t.rows[side].map((row) => headExample(t, row, scaling, trained, lengths)));
    this.examples = { train: of("train"), validation: of("validation"), test: of("test") };
  }

  side(side: Side): readonly HeadExample[] {
    return this.examples[side];
  }

  queries(side: Side, limit = Number.POSITIVE_INFINITY) {
    return this.examples[side].slice(0, limit).map((e) => e.query);
  }

  /** Standardised targets, [n, outputs]. */
  targets(side: Side, limit = Number.POSITIVE_INFINITY): Float64Array {
    return Float64Array.from(this.examples[side].slice(0, limit).flatMap((e) => e.target));
  }

  /** Truth and prediction of every row of a side, per task and output, in the targets' units. */
  rows(side: Side, predictions: ArrayLike<number>): RowPrediction[][][] {
    let at = 0;
    return this.tasks.map((task) => {
      const begin = at;
      at += task.rows[side].length;
      return task.targets.map((_, k) => {
        const { mean, scale } = this.scaling[k] as Scaling;
        return task.rows[side].map((row, i) => ({
          row: row.rowNumber,
          truth: row.numbers[k] as number,
          predicted: mean + scale * (predictions[(begin + i) * task.targets.length + k] as number),
          fields: Object.fromEntries(task.fields.map((field) => [field, row.fields[field] as string])),
        }));
      });
    });
  }

  /** Metrics of standardised predictions [n, outputs] of a side, per task and output, in the targets' units. */
  scores(side: Side, predictions: ArrayLike<number>): Scores[] {
    let at = 0;
    return this.tasks.map((task) => {
      const rows = task.rows[side];
      const begin = at;
      at += rows.length;
      return Object.fromEntries(
        task.targets.map((target, k) => {
          const { mean, scale } = this.scaling[k] as Scaling;
          const truth = Float64Array.from(rows, (r) => r.numbers[k] as number);
          const outputs = task.targets.length;
          const predicted = Float64Array.from(
            rows,
            (_, i) => mean + scale * (predictions[(begin + i) * outputs + k] as number),
          );
          return [target, regressionMetrics(truth, predicted)];
        }),
      );
    });
  }
}

/** Hidden states at the read-outs, [n, hidden]. */
const features = (runner: Runner, data: HeadData, side: Side, limit?: number): Promise<Float32Array> =>
  runner.hidden(data.queries(side, limit), readout);

export interface FittedHead {
  readonly head: HeadValues;
  readonly fit: RidgeFit;
  readonly validationLoss: number;
}

/** Ridge regression on the hidden states of up to `rows` training examples; validation chooses the penalty. */
export async function fitHead(
  runner: Runner,
  data: HeadData,
  penalties: readonly number[],
  rows = Number.POSITIVE_INFINITY,
): Promise<FittedHead> {
  const width = runner.base.architecture.hiddenSize;
  const x = await features(runner, data, "train", rows);
  const y = data.targets("train", rows);
  const validation = { x: await features(runner, data, "validation"), y: data.targets("validation") };
  const fit = fitRidge(x, x.length / width, width, y, { alphas: penalties, validation, standardise: true });
  const predicted = predictRidge(fit, validation.x, validation.x.length / width);
  const loss =
    predicted.reduce((s, p, i) => s + (p - (validation.y[i] as number)) ** 2, 0) / predicted.length;
  return { head: headOf(fit), fit, validationLoss: loss };
}

/** Predictions of a head for a side, standardised. */
export const predictSide = (
  runner: Runner,
  data: HeadData,
  side: Side,
  head: HeadValues,
): Promise<Float32Array> => headPredictions(runner, data.queries(side), head);

function headOf(fit: RidgeFit): HeadValues {
  const outputs = fit.bias.length;
  const head = { outputs, weight: new Float32Array(fit.weight.length), bias: new Float32Array(outputs) };
  setHead(head, fit);
  return head;
}

export function headTask(data: HeadData, task: number): HeadTask {
  const { name } = data.tasks[task] as PreparedTask;
  const before = (side: Side) => data.tasks.slice(0, task).reduce((n, t) => n + t.rows[side].length, 0);
  const own = (side: Side) => {
    const begin = before(side);
    return data.side(side).slice(begin, begin + (data.tasks[task] as PreparedTask).rows[side].length);
  };
  return { kind: "head", name, train: own("train"), validation: own("validation") };
}

/** Moves `head` along while the tag trains; validates the tag with a head fitted to some of the rows. */
export function closedForm(
  runner: Runner,
  data: HeadData,
  head: HeadValues,
  { head: spec }: StudyStage,
): ClosedForm {
  const window = new WindowedRidge(head, {
    rows: Math.min(spec.solveRows, data.side("train").length),
    every: spec.solveEvery,
    shrink: spec.shrink,
  });
  return {
    observe: (examples) => window.observe(examples),
    state: () => window.state(),
    restore: (state) => window.restore(state),
    validate: async () => (await fitHead(runner, data, spec.penalties, spec.validationRows)).validationLoss,
  };
}
