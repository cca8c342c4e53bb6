/**
 * What is learned: examples with a loss. A task is one data set under one template; several tasks may train
 * the same tags (multi-task). Examples are prompts, ready to run.
 */
import { applyHead, type HeadValues } from "../batch/head.ts";
import type { Label } from "../batch/labels.ts";
import type { Query } from "../batch/layout.ts";
import type { Runner } from "../batch/runner.ts";
import { type TokenLosses, textMetrics } from "../evaluate/text.ts";

export interface TextExample {
  readonly query: Query;
  readonly labels: readonly Label[];
}

export interface HeadExample {
  readonly query: Query;
  /** Standardised, one per output of the head. */
  readonly target: readonly number[];
}

interface TaskOf<Kind extends string, Example> {
  readonly kind: Kind;
  readonly name: string;
  readonly train: readonly Example[];
  readonly validation: readonly Example[];
  /**
   * Enrichment: texts of the domains whose tags are trained along, for training example i; their loss is
   * added with the weight lambda.
   */
  readonly domainTexts?: (i: number) => readonly TextExample[];
}

export type TextTask = TaskOf<"text", TextExample>;
export type HeadTask = TaskOf<"head", HeadExample>;
export type Task = TextTask | HeadTask;

/** The read-out of a head: the last vector of the function tag. */
export function readout({ prompt }: Query): number {
  if (prompt.readout === null) throw new Error("a prompt without a function tag has no read-out");
  return prompt.readout;
}

/** Nats of the labels of each example, and how many there are. */
export async function tokenLosses(runner: Runner, examples: readonly TextExample[]): Promise<TokenLosses> {
  const losses = await runner.nll(
    examples.map((e) => e.query),
    examples.map((e) => e.labels),
  );
  return {
    nats: Float64Array.from(losses, (row) => row.reduce((sum, nll) => sum + nll, 0)),
    tokens: Float64Array.from(losses, (row) => row.length),
  };
}

/** Mean nats a label over the examples. */
export const meanTextLoss = async (runner: Runner, examples: readonly TextExample[]): Promise<number> =>
  textMetrics(await tokenLosses(runner, examples)).nats;

/** Predictions of a head at the examples' read-outs, [n, outputs], in standardised units. */
export async function headPredictions(
  runner: Runner,
  queries: readonly Query[],
  head: HeadValues,
): Promise<Float32Array> {
  return applyHead(await runner.hidden(queries, readout), head);
}

/** Mean squared error of standardised targets. */
export function meanSquaredError(predictions: Float32Array, examples: readonly HeadExample[]): number {
  const outputs = predictions.length / examples.length;
  let sum = 0;
  for (let i = 0; i < predictions.length; i++) {
    const target = (examples[Math.floor(i / outputs)] as HeadExample).target[i % outputs] as number;
    sum += ((predictions[i] as number) - target) ** 2;
  }
  return sum / predictions.length;
}
