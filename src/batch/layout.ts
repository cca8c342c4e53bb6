/**
 * Which positions of a prompt are run and which are read from what was stored before. Everything in front of
 * the first changing position is constant; an isolated span among it depends on nothing but itself.
 */
import type { Prompt } from "../prompts/prompt.ts";

/**
 * `prefix`: spans and the text between them are stored, only what can change runs.
 * `spans`: spans are stored, the text between them runs again.
 * `none`: the whole prompt runs; the plain path.
 */
export type Reuse = "prefix" | "spans" | "none";

/** A prompt with what decides who attends to whom. */
export interface Query {
  readonly prompt: Prompt;
  /** Whether spans of domain tags that ask for it are isolated. */
  readonly isolate: boolean;
  /** Everything before this position stays the same while the query is used. */
  readonly cut: number;
}

/** Positions of the prompt that are stored together; their keys are rotated at (position - origin). */
export interface Block {
  readonly positions: Int32Array;
  readonly origin: number;
  /** A span depends on its own positions only; text depends on all blocks that stand before its end. */
  readonly kind: "span" | "text";
}

export interface Layout {
  readonly query: Query;
  readonly past: readonly Block[];
  /** Positions that run. */
  readonly fresh: Int32Array;
  /** Where the prompt stands in a longer one of which it is a span that runs alone, and how long that one is. */
  readonly whole: { readonly start: number; readonly length: number };
}

const range = (from: number, to: number): Int32Array =>
  Int32Array.from({ length: to - from }, (_, i) => from + i);

/** The isolated spans that lie before the cut. */
function storableSpans({ prompt, isolate, cut }: Query): Block[] {
  return prompt.spans
    .filter((s) => isolate && s.isolate && s.end <= cut)
    .map((s) => ({ kind: "span", origin: s.start, positions: range(s.start, s.end) }));
}

export function layOut(
  query: Query,
  reuse: Reuse,
  whole: Layout["whole"] = { start: 0, length: query.prompt.ids.length },
): Layout {
  const length = query.prompt.ids.length;
  if (reuse === "none") return { query, past: [], fresh: range(0, length), whole };
  return around(query, reuse, whole, storableSpans(query));
}

/** The same, with only those of its spans stored that are asked for; they run in their place. */
export function withSpans(layout: Layout, stores: (span: Block, b: number) => boolean): Layout {
  const spans = layout.past.filter((block, b) => block.kind === "span" && stores(block, b));
  if (spans.length === layout.past.length) return layout;
  return around(layout.query, "spans", layout.whole, spans);
}

function around(query: Query, reuse: Reuse, whole: Layout["whole"], spans: readonly Block[]): Layout {
  const length = query.prompt.ids.length;
  const inSpan = new Uint8Array(length);
  for (const s of spans) for (const p of s.positions) inSpan[p] = 1;
  const runs = range(0, length).filter((p) => !inSpan[p]);
  if (reuse === "spans") return { query, past: spans, fresh: runs, whole };
  const text = runs.filter((p) => p < query.cut);
  const past = [...spans, ...textBlocks(text, spans)];
  return { query, past, fresh: runs.filter((p) => p >= query.cut), whole };
}

/** Text before the last span by itself pays for a block of its own where it is as long as this. */
const LONG_TEXT = 32;

/**
 * The text in front of the last span depends on the spans before it only, so prompts that differ in the last span
 * share it; what follows depends on all of them.
 */
function textBlocks(text: Int32Array, spans: readonly Block[]): Block[] {
  const last = spans.at(-1)?.origin ?? 0;
  const before = text.filter((p) => p < last);
  const apart = before.length > 0 && (spans.length > 1 || before.length >= LONG_TEXT);
  const parts = apart ? [before, text.filter((p) => p > last)] : [text];
  return parts.filter((p) => p.length > 0).map((positions) => ({ kind: "text", origin: 0, positions }));
}
