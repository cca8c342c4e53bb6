/**
 * Rewrites the normalizer and pre-tokenizer of a tokenizer.json, as data, before the library is given them:
 * where the library differs from Hugging Face's reference it gets an equivalent step that it does right, and a text
 * that does not start a prompt gets no dummy prefix. One row per step type; a type without a row stays as it is.
 */

import type { JsonObject } from "../json-file.ts";

type Rewrite = (step: JsonObject, atStart: boolean) => JsonObject | null;

const rewrites: Readonly<Record<string, Rewrite>> = {
  Prepend: (step, atStart) => (atStart ? step : null),
  Metaspace: (step, atStart) => ({ ...step, prepend_scheme: atStart ? prependScheme(step) : "never" }),
  ByteLevel: (step, atStart) => ({ ...step, add_prefix_space: atStart && step.add_prefix_space === true }),
  Digits: (step) => isolate(step.individual_digits === true ? "\\p{N}" : "\\p{N}+"),
  Whitespace: () => ({ ...isolate("\\w+|[^\\w\\s]+"), invert: true }),
  Sequence: (step, atStart) => ({
    ...step,
    ...(Array.isArray(step.normalizers) && { normalizers: rewriteAll(step.normalizers, atStart) }),
    ...(Array.isArray(step.pretokenizers) && {
      pretokenizers: rewriteAll(step.pretokenizers, atStart),
    }),
  }),
};

/** The step as the library must get it, or null when nothing is left to do. */
export function rewriteStep(step: JsonObject | null, atStart: boolean): JsonObject | null {
  if (step === null) return null;
  const rewrite = rewrites[step.type as string];
  return rewrite === undefined ? step : rewrite(step, atStart);
}

function rewriteAll(steps: readonly JsonObject[], atStart: boolean): JsonObject[] {
  return steps.map((step) => rewriteStep(step, atStart)).filter((step) => step !== null);
}

/** The library knows only ASCII digits and letters in Digits and Whitespace, but all of Unicode in a pattern. */
function isolate(regex: string): JsonObject {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}

/** Files from before `prepend_scheme` say `add_prefix_space`, which the library does not read. */
function prependScheme(step: JsonObject): unknown {
  return step.prepend_scheme ?? (step.add_prefix_space === false ? "never" : "always");
}
