/**
 * Rewrites the normalizer and pre-tokenizer of a tokenizer.json, as data, before the library is given them:
 * where the library differs from Hugging Face's reference it gets an equivalent step that it does right, and a text
 * that does not start a prompt gets no dummy prefix. One row per step type; a type without a row stays as it is.
 */

import type { JsonObject } from "../json-file.ts";
import { literal } from "./markup.ts";

type Rewrite = (step: JsonObject, atStart: boolean) => JsonObject | null;

const rewrites: Readonly<Record<string, Rewrite>> = {
  Prepend: (step, atStart) => (atStart ? step : null),
  Metaspace: (step, atStart) => {
    const own = { ...step, prepend_scheme: atStart ? prependScheme(step) : "never" };
    if (step.split === false) return own;
    const word = split(literal((step.replacement ?? "▁") as string), "MergedWithNext");
    return { type: "Sequence", pretokenizers: [own, word] };
  },
  ByteLevel: (step, atStart) => ({ ...step, add_prefix_space: atStart && step.add_prefix_space === true }),
  Digits: (step) => split("\\p{N}", step.individual_digits === true ? "Isolated" : "Contiguous"),
  Whitespace: () => split(`[${WORD}]+|[^${WORD}\\s]+`, "Removed", true),
  WhitespaceSplit: () => split("\\s", "Removed"),
  Punctuation: ({ behavior }) => split(PUNCTUATION, (behavior ?? "Isolated") as string),
  BertPreTokenizer: () => ({
    type: "Sequence",
    pretokenizers: [split("\\s", "Removed"), split(PUNCTUATION, "Isolated")],
  }),
  Lowercase: byLetter,
  BertNormalizer: (step) => (step.lowercase === false ? step : byLetter(step)),
  Split: ({ pattern, behavior, invert }) => split(regexOf(pattern), behavior as string, invert === true),
  Sequence: (step, atStart) => ({
    ...step,
    ...(Array.isArray(step.normalizers) && { normalizers: rewriteAll(step.normalizers, atStart) }),
    ...(Array.isArray(step.pretokenizers) && {
      pretokenizers: rewriteAll(step.pretokenizers, atStart),
    }),
  }),
};

/** A step that makes small letters, each by itself: JavaScript has another small sigma at the end of a word. */
function byLetter(step: JsonObject): JsonObject {
  const sigma = { type: "Replace", pattern: { String: "Σ" }, content: "σ" };
  return { type: "Sequence", normalizers: [sigma, step] };
}

/** The step as the library must get it, or null when nothing is left to do. */
export function rewriteStep(step: JsonObject | null, atStart: boolean): JsonObject | null {
  if (step === null) return null;
  const rewrite = rewrites[step.type as string];
  return rewrite === undefined ? step : rewrite(step, atStart);
}

function rewriteAll(steps: readonly JsonObject[], atStart: boolean): JsonObject[] {
  return steps.map((step) => rewriteStep(step, atStart)).filter((step) => step !== null);
}

/** Whether a step puts its prefix before every section of a text, be it the first or one after an added token. */
export function prefixesSections(step: JsonObject | null): boolean {
  switch (step?.type) {
    case "Prepend":
      return true;
    case "Metaspace":
      return prependScheme(step) === "always";
    case "ByteLevel":
      return step.add_prefix_space === true;
    case "Sequence": {
      const steps = (step.normalizers ?? step.pretokenizers ?? []) as readonly JsonObject[];
      return steps.some(prefixesSections);
    }
    default:
      return false;
  }
}

/** Letters of a word as the reference has them; the library's own take in fewer (Whitespace) or more (\w). */
const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
const PUNCTUATION = "[\\p{P}!-/:-@\\[-`{-~]";

/** The pattern that the library must remove, or isolate, for what each behavior makes of matches of another. */
const patterns: Readonly<Record<string, (match: string) => string>> = {
  Removed: withoutCaptures,
  Isolated: (match) => match,
  Contiguous: (match) => `(?:${match})+`,
  MergedWithPrevious: (match) => `[\\s\\S]*?(?:${match}|\\z)`,
  MergedWithNext: (match) => `(?:${match})[\\s\\S]*?(?=${withoutCaptures(match)}|\\z)`,
};

/** What makes the same of matches as these make of the text between them. */
const inverted: Readonly<Record<string, string>> = {
  MergedWithPrevious: "MergedWithNext",
  MergedWithNext: "MergedWithPrevious",
};

export const splitBehaviors: readonly string[] = Object.keys(patterns);

/** A Split as the library does it right: it can isolate matches, remove them and, inverted, keep nothing else. */
function split(match: string, behavior: string, invert = false): JsonObject {
  const isRemoved = behavior === "Removed";
  const pattern = patterns[(invert && inverted[behavior]) || behavior] as (match: string) => string;
  return {
    type: "Split",
    pattern: { Regex: pattern(match) },
    behavior: isRemoved ? "Removed" : "Isolated",
    invert: isRemoved && invert,
  };
}

function regexOf(pattern: unknown): string {
  const { String: text, Regex: regex } = pattern as { String?: string; Regex?: string };
  return text === undefined ? (regex as string) : literal(text);
}

/** JavaScript's split keeps what groups capture, and a group's name may stand once. Escapes and brackets stay. */
function withoutCaptures(regex: string): string {
  const groups = /(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\((?!\?)|\(\?<(?![=!])[^>]*>/gs;
  return regex.replace(groups, (_, other?: string) => other ?? "(?:");
}

/** Files from before `prepend_scheme` say `add_prefix_space`, which the library does not read. */
function prependScheme(step: JsonObject): unknown {
  return step.prepend_scheme ?? (step.add_prefix_space === false ? "never" : "always");
}
