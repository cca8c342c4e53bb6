/**
 * What a program is told of positions: who sees whom, how queries are rotated towards each block of keys, and
 * where the tokens stand. One mask for each window of the architecture, one rotation for each of its ropes.
 */
import type { Feed } from "../engine/engine.ts";
import type { Architecture, ForwardShape } from "../models/architecture.ts";
import { numbered } from "../models/attention.ts";
import { firstSeen, MASKED } from "../prompts/mask.ts";
import type { Layout } from "./layout.ts";

/** A layout and where its fresh positions begin. */
export interface Placed {
  readonly layout: Layout;
  readonly row: number;
  readonly offset: number;
}

export function sightFeeds(
  { windows, ropes, placement }: Architecture,
  placed: readonly Placed[],
  shape: ForwardShape,
): Record<string, Feed> {
  const feeds: Record<string, Feed> = {};
  windows.forEach((window, i) => {
    feeds[numbered("bias", i)] = attentionBias(placed, shape, window);
  });
  const origins: [string, (layout: Layout) => number][] = [
    ["self", () => 0],
    ...shape.past.map((_, b): [string, (layout: Layout) => number] => [
      String(b),
      (layout) => layout.past[b]?.origin ?? 0,
    ]),
  ];
  ropes.forEach((rope, i) => {
    const regimes = eachFresh(placed, shape, Uint8Array, (_, { whole }) => rope.regime(whole.length));
    for (const [block, originOf] of origins) {
      const distances = eachFresh(placed, shape, Float32Array, (p, layout) => p - originOf(layout));
      const { cos, sin } = rope.tables(distances, regimes);
      feeds[numbered(`cos.${block}`, i)] = cos;
      feeds[numbered(`sin.${block}`, i)] = sin;
    }
  });
  if (placement === "fixed")
    feeds.positions = eachFresh(placed, shape, Int32Array, (p, { whole }) => whole.start + p);
  return feeds;
}

/** A number for each of the B * S rows: of the fresh position that stands there, 0 for padding. */
function eachFresh<T extends Uint8Array | Int32Array | Float32Array>(
  placed: readonly Placed[],
  { batch, length }: ForwardShape,
  Type: new (size: number) => T,
  of: (position: number, layout: Layout) => number,
): T {
  const numbers = new Type(batch * length);
  for (const { layout, row, offset } of placed) {
    layout.fresh.forEach((p, i) => {
      numbers[row * length + offset + i] = of(p, layout);
    });
  }
  return numbers;
}

/**
 * [B, S, sum of past + S]: 0 where a fresh position sees a stored or fresh one, MASKED elsewhere; padding sees itself.
 * @param window how many positions are seen, the own included; null for all
 */
export function attentionBias(
  placed: readonly Placed[],
  { batch, length, past }: ForwardShape,
  window: number | null = null,
): Float32Array {
  const pastTotal = past.reduce((n, p) => n + p, 0);
  const keys = pastTotal + length;
  const reach = window ?? Number.POSITIVE_INFINITY;
  const bias = new Float32Array(batch * length * keys).fill(MASKED);
  for (let i = 0; i < batch * length; i++) bias[i * keys + pastTotal + (i % length)] = 0;
  for (const { layout, row, offset } of placed) {
    const first = firstSeen(layout.query.prompt, layout.query.isolate);
    layout.fresh.forEach((position, i) => {
      const at = (row * length + offset + i) * keys;
      const nearest = Math.max(first[position] as number, position - reach + 1);
      let stored = at;
      layout.past.forEach(({ positions }, b) => {
        show(bias, stored, positions, positions.length, nearest, position);
        stored += past[b] as number;
      });
      show(bias, at + pastTotal + offset, layout.fresh, i, nearest, position);
    });
  }
  return bias;
}

/** Of the first `count` positions, in any order: those from `nearest` to `last`. In the inner loop of all batches. */
function show(
  bias: Float32Array,
  begin: number,
  positions: Int32Array,
  count: number,
  nearest: number,
  last: number,
): void {
  for (let k = 0; k < count; k++) {
    const p = positions[k] as number;
    if (p <= last && p >= nearest) bias[begin + k] = 0;
  }
}
