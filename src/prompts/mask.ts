/**
 * Who attends to whom: causal, and a position of an isolated span to nothing before that span. What lies after
 * a span sees everything before it. Isolation needs no case anywhere else: a span's keys and values then depend
 * on the span alone.
 */
import type { Prompt } from "./prompt.ts";

/** Added to a score that must not count: large enough that exp() of it is 0 in f32, and finite. */
export const MASKED = -1e9;

/**
 * The first position that each position of a prompt sees; it sees all from there to itself. The read-out sees all of
 * the question, even where a function tag without vectors leaves it to the last position of a span.
 * @param isolate whether isolation applies to this prompt at all
 */
export function firstSeen(
  { ids, spans, readout }: Pick<Prompt, "ids" | "spans" | "readout">,
  isolate: boolean,
): Int32Array {
  const first = new Int32Array(ids.length);
  for (const span of spans) if (isolate && span.isolate) first.fill(span.start, span.start, span.end);
  if (readout !== null) first[readout] = 0;
  return first;
}
