/** The attention bias against the formula of the method, position by position, however a prompt is laid out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Layout, layOut, type Query } from "../../src/batch/layout.ts";
import { attentionBias } from "../../src/batch/sight.ts";
import { MASKED } from "../../src/prompts/mask.ts";
import fc from "../support/properties.ts";

/** allowed(i, j) = j <= i and not (span(i) is isolated and j < start(span(i))) and not i - j >= window */
function allowed({ prompt, isolate }: Query, i: number, j: number, window: number | null): boolean {
  const span = prompt.spans.find(({ start, end }) => start <= i && i < end);
  const blocked = isolate && span?.isolate === true && j < span.start;
  return j <= i && !blocked && (window === null || i - j < window);
}

function queryOf(
  length: number,
  edges: readonly number[],
  isolated: readonly boolean[],
  isolate: boolean,
  cut: number,
) {
  const spans = [];
  for (let i = 0; i + 1 < edges.length; i += 2) {
    const [start, end] = [edges[i] as number, edges[i + 1] as number];
    spans.push({ tag: "T", field: "x", start, end, isolate: isolated[i / 2] as boolean });
  }
  const empty = { slots: [], pieces: [], readout: null, target: null, trimmed: [] };
  return { prompt: { ids: new Int32Array(length), spans, ...empty }, isolate, cut };
}

const queries = fc
  .record({
    length: fc.integer({ min: 1, max: 24 }),
    cuts: fc.uniqueArray(fc.nat(24), { maxLength: 6 }),
    isolated: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    isolate: fc.boolean(),
    cut: fc.nat(23),
  })
  .map(({ length, cuts, isolated, isolate, cut }): Query => {
    const edges = cuts.filter((c) => c <= length).sort((a, b) => a - b);
    return queryOf(length, edges, isolated, isolate, Math.min(cut, length - 1));
  });

/** The prompt position of every key of a program row; null for padding. */
function keyPositions(layout: Layout, past: readonly number[], length: number): (number | null)[] {
  const padded = (positions: Int32Array, size: number) =>
    Array.from({ length: size }, (_, k) => positions[k] ?? null);
  return [
    ...past.flatMap((size, b) => padded(layout.past[b]?.positions as Int32Array, size)),
    ...padded(layout.fresh, length),
  ];
}

const reuses = fc.constantFrom("none", "spans", "prefix");
const windowSizes = fc.option(fc.integer({ min: 1, max: 26 }));

test("the bias is the formula for whole prompts, stored spans and stored prefixes, with padding and windows", () => {
  fc.assert(
    fc.property(queries, reuses, fc.nat(3), windowSizes, (query, reuse, padding, window) => {
      const layout = layOut(query, reuse);
      const past = layout.past.map((b) => b.positions.length + padding);
      const length = layout.fresh.length + padding;
      const bias = attentionBias([{ layout, row: 0, offset: 0 }], { batch: 1, length, past }, window);
      const keys = keyPositions(layout, past, length);
      const pastTotal = keys.length - length;
      for (let i = 0; i < length; i++) {
        const position = layout.fresh[i];
        keys.forEach((other, k) => {
          const self = k === pastTotal + i;
          const sees =
            self || (position !== undefined && other !== null && allowed(query, position, other, window));
          assert.equal(bias[i * keys.length + k], sees ? 0 : MASKED, `${reuse} ${i} ${k}`);
        });
      }
    }),
    { numRuns: 400 },
  );
});

test("every position of a prompt is stored once or runs", () => {
  fc.assert(
    fc.property(queries, fc.constantFrom("none", "spans", "prefix"), (query, reuse) => {
      const { past, fresh } = layOut(query, reuse);
      const all = [...past.flatMap((b) => [...b.positions]), ...fresh].sort((a, b) => a - b);
      assert.deepEqual(
        all,
        Array.from(query.prompt.ids, (_, i) => i),
      );
    }),
  );
});

test("an isolated span by hand", () => {
  const layout = layOut(queryOf(4, [1, 3], [true], true, 0), "none");
  const bias = attentionBias([{ layout, row: 0, offset: 0 }], { batch: 1, length: 5, past: [] });
  const rows = [...bias].map((value) => (value === 0 ? "x" : ".")).join("");
  assert.deepEqual(rows.match(/.{5}/g), ["x....", ".x...", ".xx..", "xxxx.", "....x"]);
});

test("a masked score vanishes in an f32 softmax and stays finite", () => {
  assert.ok(Number.isFinite(Math.fround(MASKED - 1e4)));
  assert.equal(Math.fround(Math.exp(MASKED + 1e4)), 0);
});
