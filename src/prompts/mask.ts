/**
 * Who attends to whom: causal, never to padding, and a position of an isolated span to nothing before that
 * span. What lies after a span sees everything before it. Written as additive bias for the attention scores.
 * Isolation needs no case anywhere else: a span's keys and values then depend on the span alone.
 */
import type { Span } from "./prompt.ts";

/** Added to a score that must not count: large enough that exp() of it is 0 in f32, and finite. */
export const MASKED = -1e9;

export interface AttentionShape {
  /** Positions that hold a token or vector; the rest up to `size` is padding at the right. */
  length: number;
  size: number;
  spans: readonly Pick<Span, "start" | "end" | "isolate">[];
  /** Whether isolation applies to this prompt at all. */
  isolate: boolean;
}

/**
 * Fill the [size, size] block of `out` that begins at element `offset`: row i, column j is 0 where i may
 * attend to j and MASKED elsewhere. Padding attends to itself, so that every softmax stays finite.
 */
export function writeAttentionBias(out: Float32Array, offset: number, shape: AttentionShape): void {
  const { length, size } = shape;
  if (length > size || offset + size * size > out.length) {
    throw new RangeError(
      `no room for [${size}, ${size}] with ${length} positions at ${offset} of ${out.length}`,
    );
  }
  const first = firstSeen(shape);
  out.fill(MASKED, offset, offset + size * size);
  for (let i = 0; i < size; i++) {
    const row = offset + i * size;
    out.fill(0, row + first[i]!, row + i + 1);
  }
}

/** The first position that each position sees, [size]; it sees all from there to itself. Padding sees itself. */
export function firstSeen({ length, size, spans, isolate }: AttentionShape): Int32Array {
  const first = Int32Array.from({ length: size }, (_, i) => (i < length ? 0 : i));
  for (const span of spans) {
    if (isolate && span.isolate) first.fill(span.start, span.start, span.end);
  }
  return first;
}
