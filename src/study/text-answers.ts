/** What a function tag without a head writes, and how well the base foretells what it should: for predict, and for the test rows of a run. */
import { Runner } from "../batch/runner.ts";
import { answersOfRows } from "../evaluate/of-rows.ts";
import { type TokenLosses, textMetrics } from "../evaluate/text.ts";
import { answerEnds } from "../generate/answer-ends.ts";
import { continued } from "../generate/prompts.ts";
import { fullSettings } from "../generate/settings.ts";
import { writeTexts } from "../generate/write.ts";
import type { Finish } from "../generate/writer.ts";
import type { AnswerEnd, Prompt } from "../prompts/prompt.ts";
import { targetLabels } from "../train/labels.ts";
import { drawn } from "../train/order.ts";
import { type TextExample, tokenLosses } from "../train/tasks.ts";
import type { LiveTag } from "./live.ts";
import type { Metrics } from "./methods.ts";
import type { StageRun } from "./stages.ts";
import { type PreparedTask, type PromptCompiler, queryOf, type TaskRow } from "./tasks.ts";

interface AnswerSettings {
  readonly isolate: boolean;
  readonly end: AnswerEnd;
  readonly maxTokens: number;
  readonly stop?: readonly string[];
}

export interface FinishedAnswer {
  readonly text: string;
  readonly finish: Finish;
}

/** @see finishedAnswers */
export const writeAnswers = async (...asked: Parameters<typeof finishedAnswers>): Promise<string[]> =>
  (await finishedAnswers(...asked)).map(({ text }) => text);

/**
 * The likeliest continuation of each prompt until a token that ends texts or, in chats, messages, or before one of the
 * texts `stop`; without the literal that closes the template, and without blanks at its ends. Throws aborted.
 */
export async function finishedAnswers(
  runner: Runner,
  prompts: readonly Prompt[],
  { isolate, end, maxTokens, stop = [] }: AnswerSettings,
): Promise<FinishedAnswer[]> {
  const closing = end.closing.trim();
  const ends = answerEnds(runner.base, end);
  const { vocabSize } = runner.base.architecture;
  const settings = fullSettings({ maxTokens, stop: [...stop, ...ends.stop] }, ends.eos, vocabSize);
  const queries = prompts.map((prompt) => continued(prompt, isolate));
  const withoutClosing = (answer: string) =>
    closing && answer.endsWith(closing) ? answer.slice(0, -closing.length).trim() : answer;
  const answers = new Array<FinishedAnswer>(prompts.length);
  for await (const event of writeTexts(runner, queries, settings)) {
    if (event.kind !== "end") continue;
    const { text, finish } = event.written;
    answers[event.row] = { text: withoutClosing(text.trim()), finish };
  }
  return answers;
}

/** An answer as it should be, and as it was written. */
export interface TextAnswer {
  /** 0-based data row of the file. */
  readonly row: number;
  readonly truth: string;
  readonly said: string;
}

/** What a task's test rows say of the tags as they are now. */
export interface TextScored {
  readonly metrics: Metrics;
  readonly losses: TokenLosses;
  /** Of some test rows. */
  readonly answers: readonly TextAnswer[];
}

/** @param compiler another way to ask the same */
export async function scoreText(
  run: StageRun,
  task: PreparedTask,
  compiler: PromptCompiler = task.compiler,
): Promise<TextScored> {
  const losses = await tokenLosses(run.runner, textExamples(run, task, task.rows.test, compiler));
  const answers = await testAnswers(run, task, compiler);
  return { metrics: { ...answerMetrics(answers), ...textMetrics(losses) }, losses, answers };
}

/** Rows with their answers. */
export function textExamples(
  { stage }: StageRun,
  task: PreparedTask,
  rows: readonly TaskRow[],
  compiler: PromptCompiler = task.compiler,
): TextExample[] {
  const trained = new Set(stage.stage.train);
  return rows.map((row) => {
    const prompt = compiler.compile(row, { withTarget: true });
    return { query: queryOf(prompt, task.isolate, trained), labels: targetLabels(prompt) };
  });
}

async function testAnswers(
  { prepared, stage, live, runner }: StageRun,
  task: PreparedTask,
  compiler: PromptCompiler,
): Promise<TextAnswer[]> {
  const { rows, tokens } = stage.stage.answers;
  const chosen = drawn(task.rows.test, rows);
  const writer = new Runner(prepared.base, (name) => (live.get(name) as LiveTag).vectors, {
    reuse: "spans",
    sharedOnly: true,
    tokens: prepared.loaded.study.tokensPerRun,
    signal: runner.options.signal,
  });
  const prompts = chosen.map((row) => compiler.compile(row, { withTarget: false, answerTokens: tokens }));
  const settings = { isolate: task.isolate, end: compiler.end, maxTokens: tokens };
  try {
    return textAnswers(task, chosen, await writeAnswers(writer, prompts, settings));
  } finally {
    await writer.clear();
  }
}

/** Beside what is true. */
export function textAnswers(
  { targets }: PreparedTask,
  rows: readonly TaskRow[],
  said: readonly string[],
): TextAnswer[] {
  const target = targets[0] as string;
  return rows.map(({ fields, rowNumber }, i) => ({
    row: rowNumber,
    truth: (fields[target] as string).trim(),
    said: said[i] as string,
  }));
}

export function answerMetrics(answers: readonly TextAnswer[]): Metrics {
  if (answers.length === 0) return {};
  const ofRows = answersOfRows(
    answers.map(({ truth }) => truth),
    answers.map(({ said }) => said),
  );
  return ofRows(Int32Array.from(answers.keys()));
}
