/** Rows that a program reads as padding are none that a batch reads: the runtime adds gradients by row in parallel. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../src/batch/feeds.ts";
import { neededReads, wholeReads } from "../../src/batch/reads.ts";
import { roundLength } from "../../src/batch/sizes.ts";
import fc from "../support/properties.ts";
import { Random } from "../support/random.ts";

test("padding reads what nothing else does", () => {
  let [tails, cuts] = [0, 0];
  const shapes = fc.record({
    batch: fc.constantFrom(1, 2, 8),
    length: fc.constantFrom(2, 12, 32, 64),
    first: fc.nat(20),
    percent: fc.integer({ min: 1, max: 90 }),
    seed: fc.nat(),
    trains: fc.boolean(),
  });
  fc.assert(
    fc.property(shapes, ({ batch, length, first, percent, seed, trains }) => {
      const random = new Random(seed);
      const all = Array.from({ length: batch * length }, (_, i) => ({
        row: Math.floor(i / length),
        at: i % length,
      }));
      const places = all.filter(({ at }) => at >= first % length && random.int(0, 99) < percent);
      if (places.length === 0) return;
      const slots = [{ tag: "A", vector: 0, row: 0, at: length - 1 }];
      const own = { shape: { batch, length, past: [] }, placed: [], slots } as unknown as Batch;
      const size = roundLength(places.length);
      for (const { spec, feeds } of [wholeReads(own, places, size), neededReads(own, places, size, trains)]) {
        const cut = spec.constant?.length ?? 0;
        const real = places.map(({ row, at }) => row * (length - cut) + at - cut);
        const reads = [...(feeds.reads as BigInt64Array)].map(Number);
        const tail = feeds.tail && [...(feeds.tail as BigInt64Array)].map(Number);
        const own = reads.slice(0, places.length);
        assert.deepEqual(tail ? own.map((i) => tail[i]) : own, real);
        const rows = batch * (spec.tail ?? length - cut);
        if (rows > places.length)
          assert.ok(reads.slice(places.length).every((i) => i < rows && !own.includes(i)));
        const padding = tail?.filter((_, i) => !own.includes(i)) ?? [];
        assert.ok(padding.every((position) => !real.includes(position)));
        if (tail) tails++;
        if (cut) cuts++;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(tails > 20 && cuts > 20, `${tails} with a tail, ${cuts} cut`);
});
