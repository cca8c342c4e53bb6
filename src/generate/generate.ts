/** Text from prompts: plain ones, or templates with tags and fields. */
import type { Query } from "../batch/layout.ts";
import { Runner } from "../batch/runner.ts";
import type { BlockStore } from "../batch/store.ts";
import type { Base } from "../models/base.ts";
import { requireTag } from "../tags/library.ts";
import type { Tag } from "../tags/tag.ts";
import { answerEnds } from "./answer-ends.ts";
import { type GeneratePrompt, queriesOf } from "./prompts.ts";
import { fullSettings, type TextSettings } from "./settings.ts";
import { type WrittenText, writeTexts } from "./write.ts";

export interface GenerateOptions extends TextSettings {
  /** The tags that templates name. */
  readonly tags?: ReadonlyMap<string, Tag>;
  /** Whether prompts begin with BOS; default: as the tags were trained, and for plain text as the tokenizer says. */
  readonly bos?: boolean;
  /** New tokens of one run of the engine, where prompts are read; default 512. */
  readonly tokens?: number;
  /**
   * Every text runs in shapes that depend on it alone: then it is the same to the last bit whatever is written beside
   * it, at the price of padding. Without, numbers differ in the last digits, as those of sums in another order.
   */
  readonly fixedShapes?: boolean;
  /** Keeps the keys and values of isolated spans from one call to the next; default: of those that prompts share (with `fixedShapes`, or weights in few bits: of prompts with a long one), while this call lasts. */
  readonly store?: BlockStore;
  readonly signal?: AbortSignal | undefined;
}

export interface Generated extends WrittenText {
  /** Tokens cut from data fields because the prompt did not fit the base. */
  readonly trimmed: readonly { readonly field: string; readonly tokens: number }[];
}

export type GenerateEvent =
  /** What comes next of a row's text: whole characters, and nothing of a stop string. */
  | { readonly kind: "text"; readonly row: number; readonly text: string }
  | { readonly kind: "end"; readonly row: number; readonly result: Generated };

/**
 * Continues prompts; without any setting with the likeliest tokens.
 *
 * @returns one result per prompt, in their order
 * @throws generate/setting, generate/answer, store/base, tag/unknown, tag/wrong-base, tag/changed, prompts/*, aborted
 */
export async function generate(
  base: Base,
  prompts: readonly GeneratePrompt[],
  options: GenerateOptions = {},
): Promise<Generated[]> {
  const results: Generated[] = new Array(prompts.length);
  for await (const event of generateStream(base, prompts, options)) {
    if (event.kind === "end") results[event.row] = event.result;
  }
  return results;
}

/**
 * The same, piece by piece as it is written. Whoever ends the loop ends the writing; `signal` does so between two
 * steps, with the error `aborted`.
 */
export async function* generateStream(
  base: Base,
  prompts: readonly GeneratePrompt[],
  options: GenerateOptions = {},
): AsyncGenerator<GenerateEvent> {
  const tags = options.tags ?? new Map<string, Tag>();
  options.store?.requireBase(base);
  const settings = fullSettings(options, base.endTokens, base.architecture.vocabSize);
  const queries = queriesOf(base, prompts, tags, options.bos, settings.maxTokens);
  const ends = queries.map(({ end }) => {
    if (options.eos) return settings;
    const { eos, stop } = answerEnds(base, end);
    return { eos: new Set(eos), stop: [...settings.stop, ...stop] };
  });
  const runner = new Runner(
    base,
    (name) => requireTag(tags, name).vectors,
    {
      reuse: "spans",
      sharedOnly: options.store === undefined,
      tokens: options.tokens ?? 512,
      fixedShapes: options.fixedShapes ?? false,
      signal: options.signal,
    },
    options.store,
  );
  try {
    for await (const event of writeTexts(runner, queries, settings, ends)) {
      if (event.kind === "text") yield event;
      else {
        const { trimmed } = (queries[event.row] as Query).prompt;
        yield { kind: "end", row: event.row, result: { ...event.written, trimmed } };
      }
    }
  } finally {
    if (!options.store) await runner.clear();
  }
}
