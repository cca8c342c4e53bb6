/** Uses a trained function tag: rows in, numbers in their own unit or text out, in the order of the rows. */
import { applyHead } from "../batch/head.ts";
import { Runner, type RunnerOptions } from "../batch/runner.ts";
import type { BlockStore } from "../batch/store.ts";
import { TagllmError } from "../errors.ts";
import { classScore } from "../evaluate/conformal.ts";
import { outlierDistances } from "../evaluate/outliers.ts";
import type { Base } from "../models/base.ts";
import { type BoundTemplate, bindTemplate } from "../prompts/bind.ts";
import { readTemplate } from "../prompts/chat.ts";
import { type AnswerEnd, compilePrompt, type Prompt, questionPositions } from "../prompts/prompt.ts";
import type { Template, TemplateSource } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import { requireBase } from "../tags/base.ts";
import { requireTag, requireUsedTags } from "../tags/library.ts";
import { defaultAnswerTokens, longestPrompt, type Tag, tagSpec } from "../tags/tag.ts";
import { templateOf } from "../tags/template.ts";
import { readout } from "../train/tasks.ts";
import { probabilitiesOf } from "./answers.ts";
import { queryOf } from "./tasks.ts";
import { finishedAnswers } from "./text-answers.ts";

export interface Prediction {
  /** One per output of the tag. Numbers are in the unit of the training column. */
  readonly values: Readonly<Record<string, number | string>>;
  /** Numbers: by output, the interval that holds the truth of 90 % of rows like the tag's validation rows. */
  readonly intervals?: Readonly<Record<string, readonly [low: number, high: number]>>;
  /** Classes: how probable each is. */
  readonly probabilities?: Readonly<Record<string, number>>;
  /** Classes: those that hold the truth of 90 % of rows like the tag's validation rows, most probable first. */
  readonly classSet?: readonly string[];
  /** Unlike the rows that the tag was trained on (further than 99 % of its validation rows); absent in old tags. */
  readonly outOfDomain?: boolean;
  /** Answered in a prompt of the caller's (`compose`), in which the tag was never measured. */
  readonly composed?: true;
  /** The answer in text stops where it may have no more tokens, or the base no more positions. */
  readonly unfinished?: true;
  /** Why there is no answer for this row; only with `keepFailed`. */
  readonly error?: TagllmError;
  /**
   * Tokens cut from data fields because the prompt, and room for an answer in text, did not fit the base, or because
   * the prompt was longer than any of the tag's training.
   */
  readonly trimmed: readonly { readonly field: string; readonly tokens: number }[];
}

export interface PredictOptions {
  readonly signal?: AbortSignal;
  /** New tokens of one run of the engine; default 512. */
  readonly tokens?: number;
  /**
   * Longest text answer in tokens; default: as in the tag's training, or 64. Data fields are cut to leave it room, up
   * to half of the base.
   */
  readonly answerTokens?: number;
  /**
   * Keeps the keys and values of isolated spans that rows share from one call to the next, and of long ones (64 tokens)
   * from the second call that has them on. Default: of those that rows share, while this call lasts.
   */
  readonly store?: BlockStore;
  /** `none`: the plain path; every prompt runs whole and in a row of its own, and nothing is stored. */
  readonly reuse?: "auto" | "none";
  /** A row that makes no prompt gets an `error` and no values, instead of ending all with it. */
  readonly keepFailed?: boolean;
  /** How messages count the first row; default 1. */
  readonly firstRow?: number;
  /**
   * Zero-shot composition: a prompt of your own instead of the tag's template, with the function tag at its end
   * and any domain tags, also those that it was never trained beside. No test has measured the tag in this prompt,
   * so answers have no intervals and no class sets, which hold for the tag's own prompt only.
   */
  readonly compose?: TemplateSource;
}

/**
 * Asks a function tag about rows, in the prompt it was trained with.
 *
 * @param tags the function tag and the domain tags of its template, by name
 * @param rows fields of the template by name; other fields are ignored
 * @returns one prediction per row, in their order
 * @throws tag/unknown, tag/wrong-base, tag/changed (a domain tag in another version than the one it was trained
 * beside), store/base, predict/not-a-function, prompts/* (unknown-field, missing-field, empty-field, too-long; with `compose`
 * all that a template can have wrong), aborted
 */
export async function predict(
  base: Base,
  tags: ReadonlyMap<string, Tag>,
  functionTag: string,
  rows: readonly Record<string, string>[],
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const tag = requireTag(tags, functionTag);
  const { compose, store } = options;
  const { tokenizer } = base;
  store?.requireBase(base);
  const template = compose === undefined ? templateOf(tag, tokenizer) : readTemplate(compose, tokenizer);
  if (compose === undefined) requireUsedTags(tag, tags);
  else requireQuestion(template, tag);
  for (const piece of template.pieces)
    if (piece.kind === "tag") requireBase(requireTag(tags, piece.name), base.fingerprint);
  if (rows.length === 0) return [];
  const bound = bindTemplate(template, {
    tags: new Map([...tags].map(([name, t]) => [name, tagSpec(t)])),
    fields: Object.keys(rows[0] as Record<string, string>),
    ...(tag.outputs[0] !== undefined && { target: tag.outputs[0] }),
  });
  const { answerTokens = tag.answerTokens ?? defaultAnswerTokens, firstRow = 1 } = options;
  const compile = rowCompiler(bound, tag, base, answerTokens);
  const compiled = rows.map((row, i) => compile(row, i + firstRow));
  const failed = compiled.find((c) => c instanceof TagllmError);
  if (failed && !options.keepFailed) throw failed;
  const prompts = compiled.filter((c): c is Prompt => !(c instanceof TagllmError));
  const { tokens = 512, signal } = options;
  const way: Omit<RunnerOptions, "tokens" | "signal"> =
    options.reuse === "none"
      ? { reuse: "none", plain: true }
      : { reuse: "spans", sharedOnly: true, acrossCalls: store !== undefined };
  const vectorsOf = (name: string) => requireTag(tags, name).vectors;
  const runner = new Runner(base, vectorsOf, { ...way, tokens, signal }, store);
  try {
    const answers = tag.head
      ? await predictWithHead(runner, tag, prompts)
      : await predictText(runner, tag, prompts, bound, answerTokens);
    let next = 0;
    return compiled.map((c) =>
      c instanceof TagllmError
        ? { values: {}, trimmed: [], error: c }
        : { ...stated(answers[next++] as Answered, compose !== undefined), trimmed: c.trimmed },
    );
  } finally {
    if (!store) await runner.clear();
  }
}

/** Without what holds for the tag's own prompt only. */
function stated(answer: Answered, composed: boolean): Answered {
  if (!composed) return answer;
  const { intervals: _intervals, classSet: _classSet, ...rest } = answer;
  return { ...rest, composed };
}

/** A prompt of the caller's that does not ask the tag would be answered all the same. */
function requireQuestion({ source, pieces }: Template, { name, kind }: Tag): void {
  if (kind === "function" && pieces.some((p) => p.kind === "tag" && p.name === name)) return;
  throw new TagllmError(
    "predict/not-a-function",
    kind === "function"
      ? `The prompt ${quote(source)} does not ask <${name}>.`
      : `${quote(name)} is a domain tag: it computes nothing by itself.`,
    "End the prompt with the function tag that is to answer.",
  );
}

/** Makes the prompt of a row, or the error that says which row makes none. */
function rowCompiler(
  bound: BoundTemplate,
  tag: Tag,
  { tokenizer, architecture: { maxPositions } }: Base,
  answerTokens: number,
): (row: Record<string, string>, number: number) => Prompt | TagllmError {
  const limits = tag.head
    ? { maxTokens: longestPrompt(tag, maxPositions) }
    : // An answer in text needs at least one position more.
      {
        maxTokens: longestPrompt(tag, maxPositions - 1),
        cutTo: questionPositions(maxPositions, answerTokens),
      };
  const options = { tokenizer, ...limits, bos: tag.bos, withTarget: false, eosAfterTarget: false };
  return (row, number) => {
    try {
      return compilePrompt(bound, row, options);
    } catch (e) {
      if (!(e instanceof TagllmError)) throw e;
      return new TagllmError(e.code, `Row ${number}: ${e.problem}`, e.cure, { cause: e });
    }
  };
}

type Answered = Omit<Prediction, "trimmed">;

async function predictWithHead(runner: Runner, tag: Tag, prompts: readonly Prompt[]): Promise<Answered[]> {
  const head = tag.head as NonNullable<Tag["head"]>;
  const bias = head.bias ?? new Float32Array(head.outputs);
  const queries = prompts.map((p) => queryOf(p, tag.isolate, new Set([tag.name])));
  const hidden = await runner.hidden(queries, readout);
  const raw = applyHead(hidden, { ...head, bias });
  const of = tag.classes ? classesFrom(tag, tag.classes, raw) : numbersFrom(tag, raw);
  const { outliers } = tag;
  if (!outliers) return prompts.map((_, i) => of(i));
  const distances = outlierDistances(outliers, hidden, tag.width);
  return prompts.map((_, i) => ({ ...of(i), outOfDomain: (distances[i] as number) > outliers.threshold }));
}

function numbersFrom({ outputs, scaling, conformal }: Tag, raw: Float32Array): (i: number) => Answered {
  return (i) => {
    const values = outputs.map((_, k) => {
      const { mean, scale } = scaling?.[k] ?? { mean: 0, scale: 1 };
      return mean + scale * (raw[i * outputs.length + k] as number);
    });
    const named = <T>(of: (k: number) => T) => Object.fromEntries(outputs.map((name, k) => [name, of(k)]));
    const half = outputs.map((_, k) => conformal?.[k] ?? null);
    if (half.includes(null)) return { values: named((k) => values[k] as number) };
    return {
      values: named((k) => values[k] as number),
      intervals: named((k): [number, number] => {
        const [value, width] = [values[k] as number, half[k] as number];
        return [value - width, value + width];
      }),
    };
  };
}

function classesFrom(
  { outputs, conformal }: Tag,
  classes: readonly string[],
  raw: Float32Array,
): (i: number) => Answered {
  const probabilities = probabilitiesOf(raw, classes.length);
  const limit = conformal?.[0] ?? null;
  return (i) => {
    const own = classes.map((name, c) => ({ name, p: probabilities[i * classes.length + c] as number }));
    const ranked = own.toSorted((a, b) => b.p - a.p);
    return {
      values: { [outputs[0] as string]: (ranked[0] as { name: string }).name },
      probabilities: Object.fromEntries(own.map(({ name, p }) => [name, p])),
      ...(limit !== null && {
        classSet: ranked.filter(({ p }) => classScore(p) <= limit).map((r) => r.name),
      }),
    };
  };
}

async function predictText(
  runner: Runner,
  tag: Tag,
  prompts: readonly Prompt[],
  end: AnswerEnd,
  maxTokens: number,
): Promise<Answered[]> {
  const answers = await finishedAnswers(runner, prompts, { isolate: tag.isolate, end, maxTokens });
  return answers.map(({ text, finish }) => ({
    values: { [tag.outputs[0] ?? "text"]: text },
    ...((finish === "length" || finish === "context") && { unfinished: true }),
  }));
}
