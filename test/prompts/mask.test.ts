/** The attention bias against the formula of the method, position by position. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AttentionShape, MASKED, writeAttentionBias } from "../../src/prompts/mask.ts";

/** allowed(i, j) = j <= i and not pad(j) and not (span(i) is isolated and j < start(span(i))); pads see themselves. */
function allowed({ length, spans, isolate }: AttentionShape, i: number, j: number): boolean {
  if (i >= length) return i === j;
  const span = spans.find(({ start, end }) => start <= i && i < end);
  const blocked = isolate && span?.isolate === true && j < span.start;
  return j <= i && j < length && !blocked;
}

const shapes = fc
  .record({
    size: fc.integer({ min: 1, max: 24 }),
    padding: fc.nat(6),
    cuts: fc.uniqueArray(fc.nat(24), { maxLength: 6 }),
    isolated: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    isolate: fc.boolean(),
  })
  .map(({ size, padding, cuts, isolated, isolate }): AttentionShape => {
    const length = Math.max(1, size - padding);
    const edges = cuts.filter((cut) => cut <= length).sort((a, b) => a - b);
    const spans = [];
    for (let i = 0; i + 1 < edges.length; i += 2) {
      spans.push({ start: edges[i]!, end: edges[i + 1]!, isolate: isolated[i / 2]! });
    }
    return { length, size, spans, isolate };
  });

test("the bias is the formula, and nothing outside the block is touched", () => {
  fc.assert(
    fc.property(shapes, fc.nat(5), (shape, before) => {
      const { size } = shape;
      const out = new Float32Array(before + size * size + 3).fill(7);
      writeAttentionBias(out, before, shape);
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          assert.equal(out[before + i * size + j], allowed(shape, i, j) ? 0 : MASKED, `${i} ${j}`);
        }
      }
      assert.ok(out.subarray(0, before).every((value) => value === 7));
      assert.ok(out.subarray(before + size * size).every((value) => value === 7));
    }),
    { numRuns: 300 },
  );
});

test("an isolated span by hand", () => {
  const out = new Float32Array(25);
  writeAttentionBias(out, 0, {
    length: 4,
    size: 5,
    spans: [{ start: 1, end: 3, isolate: true }],
    isolate: true,
  });
  const rows = [...out].map((value) => (value === 0 ? "x" : ".")).join("");
  assert.deepEqual(rows.match(/.{5}/g), ["x....", ".x...", ".xx..", "xxxx.", "....x"]);
});

test("a masked score vanishes in an f32 softmax and stays finite", () => {
  assert.ok(Number.isFinite(Math.fround(MASKED - 1e4)));
  assert.equal(Math.fround(Math.exp(MASKED + 1e4)), 0);
});

test("a block that does not fit is refused", () => {
  const shape = { length: 2, size: 2, spans: [], isolate: false };
  assert.throws(() => writeAttentionBias(new Float32Array(5), 2, shape), RangeError);
  assert.throws(() => writeAttentionBias(new Float32Array(9), 0, { ...shape, length: 3 }), RangeError);
});
