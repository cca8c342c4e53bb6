/**
 * A text question without tags: a template of fields and words that ends in the target, alone or after training rows
 * that are answered in the same way. What the base makes of it is what tags must beat. Which template, and how many
 * rows, validation chooses.
 */
import { Runner } from "../batch/runner.ts";
import { drawn, permutation } from "../train/order.ts";
import type { Metrics } from "./methods.ts";
import type { PlainPrompt } from "./plain-template.ts";
import type { StageRun } from "./stages.ts";
import { type PreparedTask, plainCompiler, type TaskRow } from "./tasks.ts";
import { answerMetrics, type TextAnswer, textAnswers, writeAnswers } from "./text-answers.ts";

/**
 * `copied field` and `no tags`, which no seed changes, with the first one; and `few-shot prompt`, whose rows are drawn
 * anew for each. Nothing of prompts for a task without plain templates.
 */
export async function plainBaselines(run: StageRun, task: PreparedTask): Promise<Record<string, Metrics>> {
  const { plain } = task.spec;
  const copied = run.first && copiedField(run, task);
  if (!plain) return { ...copied };
  const { examples, rows } = run.stage.stage.answers;
  const shuffled = [...permutation(task.rows.train.length, run.seed)].map(
    (i) => task.rows.train[i] as TaskRow,
  );
  const prompts = (counts: readonly number[]): PlainPrompt[] =>
    counts.flatMap((count) => plain.map((template) => ({ template, examples: shuffled.slice(0, count) })));
  const scored = async (candidates: readonly PlainPrompt[]) =>
    answerMetrics(await answers(run, task, await best(run, task, candidates), drawn(task.rows.test, rows)));
  return {
    ...copied,
    ...(run.first && { "no tags": await scored(prompts([0])) }),
    "few-shot prompt": await scored(prompts(examples)),
  };
}

/** A field of the question as the answer: the one that does best on the validation side. */
function copiedField({ stage }: StageRun, task: PreparedTask): Record<string, Metrics> {
  const fields = task.fields.filter((field) => !task.targets.includes(field));
  const { validation, test } = task.rows;
  const copying = (field: string, rows: readonly TaskRow[]) => {
    const said = rows.map((row) => (row.fields[field] as string).trim());
    return answerMetrics(textAnswers(task, rows, said));
  };
  const ranked = fields.map((field) => ({ field, chrf: copying(field, validation).chrf ?? 0 }));
  const [chosen] = ranked.toSorted((a, b) => b.chrf - a.chrf);
  return chosen ? { "copied field": copying(chosen.field, drawn(test, stage.stage.answers.rows)) } : {};
}

/** By chrF on validation rows. */
async function best(
  run: StageRun,
  task: PreparedTask,
  candidates: readonly PlainPrompt[],
): Promise<PlainPrompt> {
  const rows = drawn(task.rows.validation, run.stage.stage.answers.validationRows);
  let chosen = { prompt: candidates[0] as PlainPrompt, chrf: Number.NEGATIVE_INFINITY };
  for (const prompt of candidates) {
    const { chrf = 0 } = answerMetrics(await answers(run, task, prompt, rows));
    if (chrf > chosen.chrf) chosen = { prompt, chrf };
  }
  return chosen.prompt;
}

/** An answer ends with the text, or where training answers have no line break, with the line. */
async function answers(
  { prepared, stage, runner }: StageRun,
  task: PreparedTask,
  prompt: PlainPrompt,
  rows: readonly TaskRow[],
): Promise<TextAnswer[]> {
  const { base, loaded } = prepared;
  const target = task.targets[0] as string;
  const maxTokens = stage.stage.answers.tokens;
  const { source, compiler } = task;
  const form = { source, bos: compiler.bos };
  const compile = plainCompiler(loaded.study, base, form, prompt, maxTokens);
  const separate = prompt.template.includes("\n") ? "\n\n" : "\n";
  const lines = task.rows.train.some(({ fields }) => fields[target]?.includes("\n"));
  const writer = new Runner(base, noTag, {
    reuse: "none",
    tokens: loaded.study.tokensPerRun,
    signal: runner.options.signal,
  });
  const said = await writeAnswers(writer, rows.map(compile), {
    isolate: false,
    end: { closing: "", endOfTurn: "" },
    stop: [lines ? separate : "\n"],
    maxTokens,
  });
  return textAnswers(task, rows, said);
}

const noTag = (name: string): never => {
  throw new Error(`a plain prompt has no tag ${name}`);
};
