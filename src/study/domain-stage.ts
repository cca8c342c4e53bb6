/**
 * Stage 1: a domain tag learns unlabelled text of its domain. Scored in bits per character on the test side,
 * beside the same text without a tag in every way the base could read it.
 */
import type { Runner } from "../batch/runner.ts";
import type { TextScores } from "../evaluate/text.ts";
import type { Base } from "../models/base.ts";
import type { Prompt } from "../prompts/prompt.ts";
import { hasTokens } from "../tokenizer/tokenizer.ts";
import { textLabels } from "../train/labels.ts";
import { type TextExample, type TextTask, tokenLosses } from "../train/tasks.ts";
import type { PreparedTask, TaskRow } from "./tasks.ts";

/** The whole prompt carries loss and its first positions train, so nothing of it can be stored. */
const textExample = (prompt: Prompt, isolate: boolean): TextExample => ({
  query: { prompt, isolate, cut: 0 },
  labels: textLabels(prompt),
});

const promptsOf = (task: PreparedTask, rows: readonly TaskRow[]): Prompt[] =>
  rows.map((row) => task.compiler.compile(row, { withTarget: false }));

export function textTask(task: PreparedTask): TextTask {
  const examples = (rows: readonly TaskRow[]) =>
    promptsOf(task, rows).map((prompt) => textExample(prompt, task.isolate));
  return {
    kind: "text",
    name: task.name,
    train: examples(task.rows.train),
    validation: examples(task.rows.validation),
  };
}

/** What a prompt holds of the data. */
const dataText = ({ pieces }: Prompt): string =>
  pieces.flatMap((p) => (p.kind === "field" ? [p.text.trim()] : [])).join("");

export const textsOf = (prompts: readonly Prompt[]): string[] => prompts.map(dataText);

export const dataTexts = (task: PreparedTask, rows: readonly TaskRow[]): string[] =>
  textsOf(promptsOf(task, rows));

/** The text after the tag, as the trained prompts have it. */
export const scoreWithTag = (
  runner: Runner,
  task: PreparedTask,
  rows: readonly TaskRow[],
): Promise<TextScores> => scorePrompts(runner, promptsOf(task, rows), task.isolate);

export async function scorePrompts(
  runner: Runner,
  prompts: readonly Prompt[],
  isolate: boolean,
): Promise<TextScores> {
  const { nats } = await tokenLosses(
    runner,
    prompts.map((prompt) => textExample(prompt, isolate)),
  );
  return textScores(textsOf(prompts), nats);
}

export interface PlainReading {
  readonly name: string;
  readonly bos: boolean;
  /** Tokens of each text. */
  readonly ids: readonly Int32Array[];
}

/**
 * Texts without a tag, in every way for which the base has tokens, and room for each text as a whole; the best of them
 * is the baseline. Empty where a text has no room in any.
 */
export function plainReadings(
  { tokenizer, architecture }: Base,
  texts: readonly string[],
): readonly PlainReading[] {
  const readings: PlainReading[] = [];
  for (const { name, bos, split, blank } of waysToRead) {
    if (bos && tokenizer.bosId === null) continue;
    const before = bos ? [tokenizer.bosId as number] : [];
    const encode = split ? tokenizer.encodeCharacters : tokenizer.encode;
    const tokensOf = (text: string) =>
      Int32Array.from([...before, ...encode.call(tokenizer, (blank ? " " : "") + text, { atStart: true })]);
    let ids: readonly Int32Array[] = [];
    const known = hasTokens(() => {
      ids = texts.map(tokensOf);
    });
    if (known && ids.every(({ length }) => length <= architecture.maxPositions))
      readings.push({ name, bos, ids });
  }
  return readings;
}

const waysToRead = [true, false].flatMap((bos) =>
  [false, true].flatMap((split) =>
    [false, true].map((blank) => ({
      name: `${bos ? "BOS" : "no BOS"}, ${split ? "split" : "natural"} tokens${blank ? ", blank first" : ""}`,
      bos,
      split,
      blank,
    })),
  ),
);

/**
 * Texts without a tag. Without BOS nothing predicts the first token, which then costs a uniform choice from the
 * vocabulary.
 */
export async function scorePlain(
  base: Base,
  runner: Runner,
  texts: readonly string[],
  reading: PlainReading,
): Promise<TextScores> {
  const bare = { slots: [], spans: [], pieces: [], readout: null, target: null, trimmed: [] };
  const examples = reading.ids.map((ids): TextExample => textExample({ ids, ...bare }, false));
  const { nats } = await tokenLosses(runner, examples);
  const first = reading.bos ? 0 : Math.log(base.architecture.vocabSize);
  return textScores(
    texts,
    nats.map((n) => n + first),
  );
}

const textScores = (texts: readonly string[], nats: Float64Array): TextScores => ({
  bits: nats.map((n) => n / Math.LN2),
  characters: Float64Array.from(texts, (text) => [...text].length),
});
