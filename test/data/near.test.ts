/** Near-duplicates against comparing all with all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NearBits } from "../../src/data/near-bits.ts";
import { boundedDistance, NearTexts } from "../../src/data/near-text.ts";
import fc from "../support/properties.ts";

/** Wagner and Fischer's whole table. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

const isNear = (a: string, b: string) => distance(a, b) * 10 <= Math.max(a.length, b.length);
const plenty = () => ({ left: Number.POSITIVE_INFINITY });

const word = fc.string({ unit: fc.constantFrom("A", "C", "D"), maxLength: 45, size: "max" });
/** Places, letters and what happens there. */
const change = fc.tuple(fc.nat(60), fc.constantFrom("A", "C", "E"), fc.constantFrom("in", "out", "other"));

function changed(text: string, changes: readonly [number, string, string][]): string {
  return changes.reduce((t, [at, letter, how]) => {
    const i = at % (t.length + 1);
    return t.slice(0, i) + (how === "out" ? "" : letter) + t.slice(how === "in" ? i : i + 1);
  }, text);
}

test("property: the bounded distance is the distance up to its bound", () => {
  fc.assert(
    fc.property(word, fc.array(change, { maxLength: 8 }), fc.nat(9), (a, changes, most) => {
      const b = changed(a, changes);
      assert.equal(boundedDistance(a, b, most), Math.min(distance(a, b), most + 1));
    }),
    { numRuns: 500 },
  );
});

test("property: a near text is found exactly when there is one", () => {
  const texts = fc.array(fc.tuple(word, fc.array(change, { maxLength: 5 })), { minLength: 1, maxLength: 12 });
  let [near, far] = [0, 0];
  fc.assert(
    fc.property(texts, fc.nat(11), fc.array(change, { maxLength: 5 }), (made, pick, changes) => {
      const known = made.map(([text, own]) => changed(text, own));
      const asked = changed(known[pick % known.length]!, changes);
      const found = new NearTexts(known).find(asked, plenty());
      const some = known.some((k) => isNear(k, asked));
      if (some) near++;
      else far++;
      assert.equal(found !== null, some);
      if (!found) return;
      assert.ok(isNear(known[found.index]!, asked));
      const longer = Math.max(known[found.index]!.length, asked.length);
      if (longer) assert.equal(found.similarity, 1 - distance(known[found.index]!, asked) / longer);
    }),
    { numRuns: 3000 },
  );
  assert.ok(near > 300 && far > 300, `${near} near, ${far} far`);
});

test("a search that would take too long says that it does not know", () => {
  const index = new NearTexts(
    Array.from({ length: 50 }, (_, i) => `${"A".repeat(30)}${"C".repeat(i % 9)}${i}`),
  );
  assert.equal(index.find("D".repeat(35), { left: 10 }), undefined);
});

test("no more is spent than there is, and a comparison that costs more is not begun", () => {
  const long = "ACDEFGHIK".repeat(2000);
  for (const asked of [`${long.slice(1)}W`, "W".repeat(long.length)]) {
    const budget = { left: 100_000 };
    assert.equal(new NearTexts([long]).find(asked, budget), undefined);
    assert.ok(budget.left >= 0, String(budget.left));
  }
  const pieces = { left: 20_000 };
  const alike = Array.from({ length: 500 }, (_, i) => `${"A".repeat(99)}${i}`.slice(-100));
  assert.equal(new NearTexts(alike).find(`${"C".repeat(80)}${"A".repeat(20)}`, pieces), undefined);
  assert.ok(pieces.left >= 0, String(pieces.left));
});

test("texts beyond what the index holds, and those that may be near one, are not told of", () => {
  const short = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ";
  const long = (i: number) => `${i}`.padStart(4000, "ACDEFGHIKLMNPQRSTVWY");
  const index = new NearTexts([...Array.from({ length: 8000 }, (_, i) => long(i)), short]);
  assert.equal(index.find(`${short.slice(0, 9)}W${short.slice(10)}`, plenty())?.index, 8000);
  assert.equal(index.find("W".repeat(3000), plenty()), null);
  for (const length of [3600, 4000, 5000])
    assert.equal(index.find("W".repeat(length), plenty()), undefined, String(length));
});

test("property: near fingerprints, against Tanimoto in sets", () => {
  const bits = fc.uniqueArray(fc.nat(63), { minLength: 0, maxLength: 64 });
  const bytes = (set: readonly number[]) => {
    const out = new Uint8Array(8);
    for (const b of set) out[b >> 3]! |= 1 << (b & 7);
    return out;
  };
  const tanimoto = (a: readonly number[], b: readonly number[]) => {
    const both = a.filter((x) => b.includes(x)).length;
    return both / new Set([...a, ...b]).size;
  };
  let near = 0;
  fc.assert(
    fc.property(
      fc.array(bits, { minLength: 1, maxLength: 8 }),
      fc.nat(7),
      fc.uniqueArray(fc.nat(63), { maxLength: 3 }),
      (known, pick, flipped) => {
        const start = known[pick % known.length]!;
        const asked = [
          ...start.filter((b) => !flipped.includes(b)),
          ...flipped.filter((b) => !start.includes(b)),
        ];
        const found = new NearBits(known.map(bytes)).find(bytes(asked), plenty());
        const some = asked.length > 0 && known.some((k) => tanimoto(k, asked) >= 0.95);
        if (some) near++;
        assert.equal(found !== null, some);
        if (found) assert.equal(found.similarity, tanimoto(known[found.index]!, asked));
      },
    ),
    { numRuns: 1500 },
  );
  assert.ok(near > 200, `${near} near`);
});
