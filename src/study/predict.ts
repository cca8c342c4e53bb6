/** Uses a trained function tag: rows in, numbers in their own unit or text out, in the order of the rows. */
import type { Query } from "../batch/layout.ts";
import { Runner } from "../batch/runner.ts";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { type BoundTemplate, bindTemplate } from "../prompts/bind.ts";
import { compilePrompt, type Prompt } from "../prompts/prompt.ts";
import { parseTemplate } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import { requireBase } from "../tags/base.ts";
import { requireTag, requireUsedTags } from "../tags/library.ts";
import { type Tag, tagSpec } from "../tags/tag.ts";
import { headPredictions } from "../train/tasks.ts";

export interface Prediction {
  /** One per output of the tag. Numbers are in the unit of the training column. */
  readonly values: Readonly<Record<string, number | string>>;
  /** Tokens cut from data fields because the prompt did not fit the base. */
  readonly trimmed: Prompt["trimmed"];
}

export interface PredictOptions {
  readonly signal?: AbortSignal;
  /** New tokens of one run of the engine; default 512. */
  readonly tokens?: number;
  /** Longest text answer in tokens; default 64. */
  readonly answerTokens?: number;
}

/**
 * @param tags the function tag and the domain tags of its template, by name
 * @throws tag/wrong-base, tag/unknown, tag/changed, predict/not-a-function, prompts/missing-field, prompts/empty-field
 */
export async function predict(
  base: Base,
  tags: ReadonlyMap<string, Tag>,
  functionTag: string,
  rows: readonly Record<string, string>[],
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const tag = requireTag(tags, functionTag);
  requireBase(tag, base.fingerprint);
  const template = requireTemplate(tag);
  requireUsedTags(tag, tags);
  for (const { name } of tag.usesTags) requireBase(requireTag(tags, name), base.fingerprint);
  if (rows.length === 0) return [];
  const bound = bindTemplate(parseTemplate(template), {
    tags: new Map([...tags].map(([name, t]) => [name, tagSpec(t)])),
    fields: Object.keys(rows[0] as Record<string, string>),
    ...(tag.outputs[0] !== undefined && { target: tag.outputs[0] }),
  });
  const prompts = rows.map((row, i) => compileRow(bound, row, i, tag, base));
  const runner = new Runner(base, (name) => requireTag(tags, name).vectors, {
    reuse: tag.head ? "spans" : "none",
    tokens: options.tokens ?? 512,
    signal: options.signal,
  });
  try {
    const values = tag.head
      ? await predictNumbers(runner, tag, prompts)
      : await predictText(runner, tag, prompts, options.answerTokens ?? 64);
    return prompts.map((prompt, i) => ({
      values: values[i] as Prediction["values"],
      trimmed: prompt.trimmed,
    }));
  } finally {
    await runner.clear();
  }
}

function requireTemplate(tag: Tag): string {
  if (tag.kind === "function" && tag.template !== null) return tag.template;
  throw new TagllmError(
    "predict/not-a-function",
    `${quote(tag.name)} is a ${tag.kind} tag${tag.kind === "function" ? " without a template" : ""}: it computes nothing by itself.`,
    "Predict with a function tag that a study has trained.",
  );
}

function compileRow(
  bound: BoundTemplate,
  row: Record<string, string>,
  i: number,
  tag: Tag,
  base: Base,
): Prompt {
  try {
    return compilePrompt(bound, row, {
      tokenizer: base.tokenizer,
      maxTokens: base.architecture.maxPositions,
      bos: tag.bos,
      withTarget: false,
      eosAfterTarget: false,
    });
  } catch (e) {
    if (!(e instanceof TagllmError)) throw e;
    throw new TagllmError(e.code, `Row ${i + 1}: ${e.problem}`, e.cure, { cause: e });
  }
}

const queryFor = (prompt: Prompt, isolate: boolean): Query => ({ prompt, isolate, cut: prompt.readout ?? 0 });

async function predictNumbers(
  runner: Runner,
  tag: Tag,
  prompts: readonly Prompt[],
): Promise<Prediction["values"][]> {
  const head = tag.head as NonNullable<Tag["head"]>;
  const bias = head.bias ?? new Float32Array(head.outputs);
  const queries = prompts.map((p) => queryFor(p, tag.isolate));
  const raw = await headPredictions(runner, queries, { ...head, bias });
  return prompts.map((_, i) =>
    Object.fromEntries(
      tag.outputs.map((name, k) => {
        const { mean, scale } = tag.scaling?.[k] ?? { mean: 0, scale: 1 };
        return [name, mean + scale * (raw[i * head.outputs + k] as number)];
      }),
    ),
  );
}

/** Greedy continuation until EOS; every step runs the prompts that are not finished whole. */
async function predictText(
  runner: Runner,
  tag: Tag,
  prompts: readonly Prompt[],
  limit: number,
): Promise<Prediction["values"][]> {
  const { tokenizer, architecture } = runner.base;
  const answers: number[][] = prompts.map(() => []);
  let open = prompts.map((_, i) => i);
  for (let step = 0; step < limit && open.length; step++) {
    const queries = open.map((i) => {
      const prompt = prompts[i] as Prompt;
      const ids = Int32Array.of(...prompt.ids, ...(answers[i] as number[]));
      return queryFor({ ...prompt, ids, readout: ids.length - 1 }, tag.isolate);
    });
    const best = await runner.nextTokens(queries);
    open = open.filter((i, k) => {
      const id = best[k] as number;
      const answer = answers[i] as number[];
      if (id === tokenizer.eosId) return false;
      answer.push(id);
      return (prompts[i] as Prompt).ids.length + answer.length < architecture.maxPositions;
    });
  }
  const name = tag.outputs[0] ?? "text";
  return answers.map((ids) => ({ [name]: tokenizer.decode(ids, { skipSpecial: true }).trim() }));
}
