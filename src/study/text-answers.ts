/** What a function tag without a head writes: for predict, and for the test rows of a run. */
import { Runner } from "../batch/runner.ts";
import { answersOfRows } from "../evaluate/of-rows.ts";
import { continued } from "../generate/prompts.ts";
import { fullSettings } from "../generate/settings.ts";
import { writeTexts } from "../generate/write.ts";
import { type AnswerEnd, endToken, type Prompt } from "../prompts/prompt.ts";
import type { LiveTag } from "./live.ts";
import type { Metrics } from "./methods.ts";
import type { StageRun } from "./stages.ts";
import type { PreparedTask } from "./tasks.ts";

/**
 * The likeliest continuation of each prompt until a token that ends texts or, in chats, messages; without the literal
 * that closes the template, and without blanks at its ends. Throws aborted.
 */
export async function writeAnswers(
  runner: Runner,
  prompts: readonly Prompt[],
  { isolate, end, maxTokens }: { isolate: boolean; end: AnswerEnd; maxTokens: number },
): Promise<string[]> {
  const { endTokens, tokenizer, architecture } = runner.base;
  const closing = end.closing.trim();
  const message = endToken(end, tokenizer);
  const eos = message === null ? endTokens : [...endTokens, message];
  // Where training had nothing else to end an answer with, the literal is all that ends it.
  const stop = tokenizer.eosId === null && message === null && end.closing ? [end.closing] : [];
  const settings = fullSettings({ maxTokens, stop }, eos, architecture.vocabSize);
  const queries = prompts.map((prompt) => continued(prompt, isolate));
  const texts = new Array<string>(prompts.length);
  for await (const event of writeTexts(runner, queries, settings))
    if (event.kind === "end") texts[event.row] = event.written.text;
  return texts.map((text) => {
    const answer = text.trim();
    return closing && answer.endsWith(closing) ? answer.slice(0, -closing.length).trim() : answer;
  });
}

/** An answer as it should be, and as it was written. */
export interface TextAnswer {
  readonly truth: string;
  readonly said: string;
}

/** Of the stage's function tag as it is now, for the first test rows of a task. */
export async function testAnswers(
  { prepared, stage, live, runner }: StageRun,
  task: PreparedTask,
): Promise<TextAnswer[]> {
  const { rows, tokens } = stage.stage.answers;
  const chosen = task.rows.test.slice(0, rows);
  const writer = new Runner(prepared.base, (name) => (live.get(name) as LiveTag).vectors, {
    reuse: "spans",
    sharedOnly: true,
    tokens: prepared.loaded.study.tokensPerRun,
    signal: runner.options.signal,
  });
  const said = await writeAnswers(
    writer,
    chosen.map((row) => task.compiler.compile(row, { withTarget: false })),
    { isolate: task.isolate, end: task.compiler.end, maxTokens: tokens },
  );
  await writer.clear();
  const target = task.targets[0] as string;
  return chosen.map(({ fields }, i) => ({
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
