/**
 * Stages 2 and 3 with a number or a class as the answer: function tag and head learn labelled rows. The head is
 * linear on the last hidden state, so it is solved in closed form; the tag is trained by gradient through it.
 */
import { applyHead, type HeadValues } from "../batch/head.ts";
import type { Runner } from "../batch/runner.ts";
import { mean } from "../evaluate/metrics.ts";
import { fitOutlierDetector, type OutlierDetector } from "../evaluate/outliers.ts";
import { WindowedRidge } from "../train/closed-form.ts";
import { drawn } from "../train/order.ts";
import { type HeadExample, type HeadTask, headPredictions, readout } from "../train/tasks.ts";
import type { ClosedForm } from "../train/trainer.ts";
import { type Answer, type AnswerDescription, type Outcome, ridgeHead } from "./answers.ts";
import type { Metrics } from "./methods.ts";
import type { StudyStage } from "./schema.ts";
import type { Side } from "./sources.ts";
import { type PreparedTask, queryOf, type TaskRow } from "./tasks.ts";

/** What was predicted for a row of a table, in the target's own unit. */
export interface RowPrediction extends Outcome {
  /** 0-based data row of the file. */
  readonly row: number;
  /** Of the split. */
  readonly group: number;
  /** The data of the prompt. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Metrics by target. */
export type Scores = Readonly<Record<string, Metrics>>;

/** Examples of one way of prompting (with the tag, or without its vectors) for all sides of all tasks. */
export class HeadData {
  readonly tasks: readonly PreparedTask[];
  readonly answer: Answer;
  private readonly trained: ReadonlySet<string>;
  private readonly lengths: Record<string, number>;
  private readonly examples: Record<Side, readonly HeadExample[]>;

  constructor(
    tasks: readonly PreparedTask[],
    answer: Answer,
    trained: ReadonlySet<string>,
    lengths: Record<string, number> = {},
  ) {
    this.tasks = tasks;
    this.answer = answer;
    this.trained = trained;
    this.lengths = lengths;
    const example = (task: PreparedTask, row: TaskRow): HeadExample => {
      const prompt = task.compiler.compile(row, { withTarget: false, lengths });
      return { query: queryOf(prompt, task.isolate, trained), target: answer.encode(row) };
    };
    const of = (side: Side) => tasks.flatMap((t) => t.rows[side].map((row) => example(t, row)));
    this.examples = { train: of("train"), validation: of("validation"), test: of("test") };
  }

  /** The same for each task by itself. */
  perTask(): HeadData[] {
    if (this.tasks.length === 1) return [this];
    return this.tasks.map((task) => new HeadData([task], this.answer, this.trained, this.lengths));
  }

  side(side: Side): readonly HeadExample[] {
    return this.examples[side];
  }

  queries(side: Side) {
    return this.examples[side].map((e) => e.query);
  }

  /** Rows of all tasks, in their order. */
  rows(side: Side): TaskRow[] {
    return this.tasks.flatMap((t) => t.rows[side]);
  }

  /** Coded targets, [n, outputs]. */
  targets(side: Side): Float64Array {
    return Float64Array.from(this.examples[side].flatMap((e) => e.target));
  }

  /** Truth and prediction of every row of a side, per task and target. */
  outcomes(side: Side, predictions: Float64Array): RowPrediction[][][] {
    return this.byTask(side, predictions, (task, rows, own) =>
      this.answer.outcomes(rows, own).map((outcomes) =>
        outcomes.map((outcome, i) => {
          const { rowNumber, group, fields } = rows[i] as TaskRow;
          const shown = task.fields.map((field) => [field, fields[field] as string]);
          return { row: rowNumber, group, ...outcome, fields: Object.fromEntries(shown) };
        }),
      ),
    );
  }

  /** Metrics of predictions [n, outputs] of a side, per task and target. */
  scores(side: Side, predictions: Float64Array): Scores[] {
    return this.byTask(side, predictions, (task, rows, own) => {
      const metrics = this.answer.metrics(rows, own);
      return Object.fromEntries(task.targets.map((target, k) => [target, metrics[k] as Metrics]));
    });
  }

  private byTask<T>(
    side: Side,
    predictions: Float64Array,
    work: (task: PreparedTask, rows: readonly TaskRow[], own: Float64Array) => T,
  ): T[] {
    const { outputs } = this.answer;
    let at = 0;
    return this.tasks.map((task) => {
      const rows = task.rows[side];
      const begin = at;
      at += rows.length;
      return work(task, rows, predictions.subarray(begin * outputs, at * outputs));
    });
  }
}

/** Hidden states at the read-outs, [n, hidden]. */
const features = (runner: Runner, data: HeadData, side: Side): Promise<Float32Array> =>
  runner.hidden(data.queries(side), readout);

/**
 * Ridge regression on the hidden states of up to `rows` training examples, as training goes: the squared error of
 * each validation example, mean over its outputs.
 */
export async function validationErrors(
  runner: Runner,
  data: HeadData,
  penalties: readonly number[],
  rows: number,
): Promise<Float64Array> {
  const { head, validation } = await ridgeOnStates(runner, data, penalties, rows);
  const { outputs } = data.answer;
  const target = data.targets("validation");
  const errors = new Float64Array(target.length / outputs);
  applyHead(validation, head).forEach((p, i) => {
    const row = Math.floor(i / outputs);
    errors[row] = (errors[row] as number) + (p - (target[i] as number)) ** 2 / outputs;
  });
  return errors;
}

/** The head that training starts from: the same, penalised as asked. */
export const startHead = async (runner: Runner, data: HeadData, penalty: number, rows: number) =>
  (await ridgeOnStates(runner, data, [penalty], rows)).head;

async function ridgeOnStates(runner: Runner, data: HeadData, penalties: readonly number[], limit: number) {
  const queries = drawn(data.queries("train"), limit);
  const train = { x: await runner.hidden(queries, readout), rows: drawn(data.rows("train"), limit) };
  const validation = { x: await features(runner, data, "validation"), rows: data.rows("validation") };
  const { head } = ridgeHead(train, validation, { penalties }, (row) => data.answer.encode(row));
  return { head, validation: validation.x };
}

/** A head fitted for use, and the hidden states that it was fitted and chosen on. */
export interface FittedHead {
  readonly head: HeadValues;
  /** null where the head was given. */
  readonly penalty: number | null;
  readonly train: Float32Array;
  readonly validation: Float32Array;
}

/** On all training rows; validation chooses the penalty. With `given`, that head instead. */
export async function fitHead(
  runner: Runner,
  data: HeadData,
  penalties: readonly number[],
  given: HeadValues | null = null,
): Promise<FittedHead> {
  const train = await features(runner, data, "train");
  const validation = await features(runner, data, "validation");
  const of = (side: Side, x: Float32Array) => ({ x, rows: data.rows(side) });
  const { head, penalty } = given
    ? { head: given, penalty: null }
    : data.answer.fit(of("train", train), of("validation", validation), { penalties });
  return { head, penalty, train, validation };
}

/** Predictions of a head for a side, [n, outputs]. */
export async function predictSide(
  runner: Runner,
  data: HeadData,
  side: Side,
  head: HeadValues,
): Promise<Float64Array> {
  return data.answer.predictions(await headPredictions(runner, data.queries(side), head));
}

/** What the tag's file must say for its answers to be read, doubted and refused. */
export function describeAnswers(
  data: HeadData,
  { head, train, validation }: FittedHead,
): AnswerDescription & { outliers: OutlierDetector | null } {
  // The tag is asked in the template of its last task, whose rows are the last.
  const { rows } = data.tasks.at(-1) as PreparedTask;
  const width = head.weight.length / head.outputs;
  const own = (x: Float32Array, side: Side) => x.subarray(x.length - rows[side].length * width);
  const states = own(validation, "validation");
  const predictions = data.answer.predictions(applyHead(states, head));
  return {
    ...data.answer.description(rows.validation, predictions),
    outliers: fitOutlierDetector(own(train, "train"), states, width),
  };
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
    validate: async () => mean(await validationErrors(runner, data, spec.penalties, spec.validationRows)),
  };
}
