/** First numbers of tags against the definition: direction of the mean, norm of a typical row, seeded noise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import {
  type EmbeddingTable,
  embeddingStats,
  initialVectors,
  meanInit,
  type TagInit,
} from "../../src/tags/init.ts";
import fc from "../support/properties.ts";

function tableOf(vocab: number, width: number): EmbeddingTable {
  const rows = Float32Array.from(
    { length: vocab * width },
    (_, i) => Math.sin(i * 1.7) + 0.3 + (i % width) / width,
  );
  return { rows, vocab, width };
}
const rowsOf = (vectors: Float32Array, width: number) =>
  Array.from({ length: vectors.length / width }, (_, i) => [...vectors.subarray(i * width, (i + 1) * width)]);
const norm = (row: Iterable<number>) => Math.hypot(...row);
const close = (a: number, b: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${a} is not ${b}`);

const table = tableOf(50, 8);
const stats = embeddingStats(table);

test("by hand: rows (3, 0) and (0, 4) have the mean (1.5, 2) and the mean norm 3.5; tag rows are (2.1, 2.8)", () => {
  const byHand = embeddingStats({ rows: Float32Array.of(3, 0, 0, 4), vocab: 2, width: 2 });
  assert.deepEqual([...byHand.mean], [1.5, 2]);
  assert.equal(byHand.meanNorm, 3.5);
  const vectors = meanInit(byHand, 3);
  for (const [i, expected] of [2.1, 2.8, 2.1, 2.8, 2.1, 2.8].entries()) close(vectors[i]!, expected);
});

test("mean: every row is s * v with s = mean row norm / ||v||", () => {
  const direct = Array.from(
    { length: 8 },
    (_, i) => rowsOf(table.rows, 8).reduce((sum, row) => sum + row[i]!, 0) / 50,
  );
  const meanNorm = rowsOf(table.rows, 8).reduce((sum, row) => sum + norm(row), 0) / 50;
  close(stats.meanNorm, meanNorm);
  for (const row of rowsOf(initialVectors(table, stats, 10, { from: "mean", noise: 0 }, 1), 8)) {
    close(norm(row), meanNorm);
    for (const [i, value] of row.entries()) close(value, (direct[i]! * meanNorm) / norm(direct));
  }
});

test("vocabulary: different rows of the table, repeated only when there are too few", () => {
  const inTable = new Set(rowsOf(table.rows, 8).map(String));
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 120 }), (seed, length) => {
      const rows = rowsOf(
        initialVectors(table, stats, length, { from: "vocabulary", noise: 0 }, seed),
        8,
      ).map(String);
      assert.ok(rows.every((row) => inTable.has(row)));
      assert.equal(new Set(rows).size, Math.min(length, 50));
    }),
  );
});

test("text: the rows of its tokens, repeated or cut", () => {
  const row = (id: number) => [...table.rows.subarray(id * 8, id * 8 + 8)];
  const from = (length: number) =>
    rowsOf(initialVectors(table, stats, length, { from: "text", ids: [7, 0, 49], noise: 0 }, 1), 8);
  assert.deepEqual(from(5), [7, 0, 49, 7, 0].map(row));
  assert.deepEqual(from(2), [7, 0].map(row));
});

test("noise has the asked norm, no bias, and does not repeat between rows", () => {
  const wide = tableOf(20, 400);
  const wideStats = embeddingStats(wide);
  const plain = initialVectors(wide, wideStats, 200, { from: "mean", noise: 0 }, 5);
  const noisy = initialVectors(wide, wideStats, 200, { from: "mean", noise: 0.25 }, 5);
  const noise = rowsOf(
    noisy.map((value, i) => value - plain[i]!),
    400,
  );
  const squares = noise.reduce((sum, row) => sum + norm(row) ** 2, 0) / 200;
  close(Math.sqrt(squares), 0.25 * wideStats.meanNorm, 0.02);
  const average = noise.flat().reduce((sum, value) => sum + value, 0) / 80_000;
  const deviation = (0.25 * wideStats.meanNorm) / 20;
  assert.ok(Math.abs(average) < (4 * deviation) / Math.sqrt(80_000), String(average));
  assert.equal(new Set(noise.map(String)).size, 200);
});

test("one seed gives one result, another seed another", () => {
  for (const init of [
    { from: "mean", noise: 0.1 },
    { from: "vocabulary", noise: 0 },
    { from: "text", ids: [1], noise: 0.5 },
  ] satisfies TagInit[]) {
    const make = (seed: number) => [...initialVectors(table, stats, 6, init, seed)];
    assert.deepEqual(make(42), make(42));
    assert.notDeepEqual(make(42), make(43));
  }
});

test("what cannot be initialised is an error that names it", () => {
  const failing: [() => unknown, RegExp][] = [
    [() => initialVectors(table, stats, 3, { from: "text", ids: [], noise: 0 }, 1), /0 tokens/],
    [() => initialVectors(table, stats, 3, { from: "text", ids: [50], noise: 0 }, 1), /token 50: .* 50 rows/],
    [() => meanInit({ mean: new Float32Array(8), meanNorm: 1.5 }, 3), /no direction/],
  ];
  for (const [run, message] of failing) {
    assert.throws(
      run,
      (error) => error instanceof TagllmError && error.code === "tag/init" && message.test(error.message),
    );
  }
});
