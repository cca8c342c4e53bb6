/** Every row on one side, groups whole, sizes as asked, the seed and the groups alone decide. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Table } from "../../src/data/source.ts";
import { leaks, moleculeGroups, type Sides, type SplitSpec, splitRows } from "../../src/data/split.ts";
import fc from "../support/properties.ts";

function tableOf(rows: Record<string, string>[], rowNumbers = rows.map((_, i) => i)): Table {
  return {
    columns: Object.keys(rows[0]!),
    rows,
    rowNumbers: Int32Array.from(rowNumbers),
    trimmed: 0,
    looseQuotes: [],
    files: [{ path: "table.csv", sha256: "", bytes: 0, rows: rows.length }],
    joined: [],
    dropped: [],
  };
}

const pairs = tableOf(
  Array.from({ length: 600 }, (_, i) => ({
    drug: `d${i % 20}`,
    protein: `p${Math.floor(i / 20)}`,
    fold: `${i % 6}`,
  })),
);
const sizes = (sides: Sides) => [sides.train.length, sides.validation.length, sides.test.length];
const split = (table: Table, spec: Partial<SplitSpec>, seed = 1) =>
  splitRows(table, { by: "row", test: 0.2, validation: 0.1, ...spec }, seed);
const coded = (code: string, part: string) => (error: { code?: string; message: string }) => {
  assert.equal(error.code, code);
  assert.ok(error.message.includes(part), error.message);
  return true;
};

test("by row: sizes are exact, as shares and as counts", () => {
  assert.deepEqual(sizes(split(pairs, {})), [420, 60, 120]);
  assert.deepEqual(sizes(split(pairs, { test: 7, validation: 1 })), [592, 1, 7]);
  assert.deepEqual(sizes(split(pairs, { test: 0, validation: 0 })), [600, 0, 0]);
});

test("the sides for a seed are fixed for good", () => {
  const ten = tableOf(Array.from({ length: 10 }, (_, i) => ({ x: String(i) })));
  const { train, validation, test: tested } = split(ten, { test: 3, validation: 2 }, 42);
  // As sorting by hashlib.sha256(f"test 42 {row}") and f"validation 42 {row}" in Python.
  const golden = [
    [0, 3, 5, 8, 9],
    [2, 4],
    [1, 6, 7],
  ];
  assert.deepEqual([[...train], [...validation], [...tested]], golden);
  assert.notDeepEqual([...split(ten, { test: 3, validation: 2 }, 43).test], [...tested]);
});

test("by group: no protein on two sides; all drugs leak", () => {
  const sides = split(pairs, { by: { group: ["protein"] } });
  assert.deepEqual(sizes(sides), [420, 60, 120]);
  assert.deepEqual(leaks(pairs, sides, ["protein", "drug"]), [
    { column: "protein", test: { shared: 0, of: 120 }, validation: { shared: 0, of: 60 } },
    { column: "drug", test: { shared: 120, of: 120 }, validation: { shared: 60, of: 60 } },
    { column: "protein + drug", test: { shared: 0, of: 120 }, validation: { shared: 0, of: 60 } },
  ]);
});

test("a published fold is taken as it is, validation comes out of what it leaves, by group", () => {
  const fold = { column: "fold", test: ["5", "3"] };
  const sides = split(pairs, { fold, by: { group: ["protein"] }, validation: 0.25 });
  assert.ok(Array.from(sides.test).every((i) => ["5", "3"].includes(pairs.rows[i]!.fold!)));
  assert.equal(sides.test.length, 200);
  assert.ok(Math.abs(sides.validation.length - 100) <= 7, String(sides.validation.length));
  assert.equal(leaks(pairs, sides, ["protein"])[0]!.validation.shared, 0);
  const named = split(pairs, { fold: { ...fold, validation: ["0"] } });
  assert.deepEqual(sizes(named), [300, 100, 200]);
});

test("property: rows on one side each, groups whole, independent of the order of rows", () => {
  const spec = fc.record({
    keys: fc.array(fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"), { minLength: 3, maxLength: 60 }),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(spec, ({ keys, seed }) => {
      fc.pre(new Set(keys).size >= 6);
      const table = tableOf(keys.map((key, i) => ({ key, i: String(i) })));
      const options: SplitSpec = { by: { group: ["key"] }, test: 0, validation: 0.4 };
      const keysOf = (of: Table, side: Int32Array) =>
        [...new Set(Array.from(side, (i) => of.rows[i]!.key!))].sort();
      let sides: Sides;
      try {
        sides = splitRows(table, options, seed);
      } catch (error) {
        assert.equal((error as { code: string }).code, "data/split");
        return;
      }
      assert.deepEqual(
        [...sides.train, ...sides.validation, ...sides.test].sort((a, b) => a - b),
        keys.map((_, i) => i),
      );
      assert.equal(leaks(table, sides, ["key"])[0]!.validation.shared, 0);
      const reversed = tableOf([...table.rows].reverse(), [...table.rowNumbers].reverse());
      assert.deepEqual(
        keysOf(reversed, splitRows(reversed, options, seed).validation),
        keysOf(table, sides.validation),
      );
    }),
  );
});

test("by row, the sides follow the row numbers of the file, not the places in the table", () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({ x: String(i) }));
  const numbers = rows.map((_, i) => 49 - i);
  const forward = split(tableOf(rows), {});
  const backward = split(tableOf([...rows].reverse(), numbers), {});
  assert.deepEqual(
    [...forward.test],
    Array.from(backward.test, (i) => 49 - i).sort((a, b) => a - b),
  );
});

test("adding rows keeps most rows where they were", () => {
  const make = (n: number) => tableOf(Array.from({ length: n }, (_, i) => ({ g: `g${i}` })));
  const before = new Set(split(make(1000), { by: { group: ["g"] } }).test);
  const after = new Set(split(make(1010), { by: { group: ["g"] } }).test);
  const stayed = [...before].filter((i) => after.has(i)).length;
  assert.ok(stayed > 190, String(stayed));
});

test("what cannot be split is refused by name", () => {
  const one = { by: { group: ["fold"] } };
  const same = tableOf([{ fold: "a" }, { fold: "a" }]);
  assert.throws(() => split(same, one), coded("data/split", "side of table.csv (2 rows)"));
  assert.throws(() => split(pairs, { test: 1.5 }), coded("data/split", "1.5"));
  assert.throws(() => split(pairs, { validation: -0.1 }), coded("data/split", "-0.1"));
  assert.throws(() => split(pairs, { test: Number.NaN }), coded("data/split", "NaN"));
  assert.throws(() => split(pairs, { test: 600 }), coded("data/split", "side"));
  assert.throws(() => split(pairs, { by: { group: ["protien"] } }), coded("data/column", '"protein"'));
  assert.throws(() => split(pairs, { fold: { column: "fold", test: ["55"] } }), coded("data/split", '"55"'));
  assert.throws(
    () => split(pairs, { fold: { column: "fold", test: ["5"], validation: ["5"] } }),
    coded("data/split", "both"),
  );
});

test("by scaffold: equal scaffolds stay together, molecules without rings with their equals", async () => {
  const tails = ["C", "CC", "CCC", "O", "N", "F", "CO", "CN"];
  const cores = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCOC1", "c1ccc2ccccc2c1"];
  const table = tableOf([
    ...cores.flatMap((core) => tails.map((tail) => ({ smiles: `${tail}${core}` }))),
    ...["CCO", "OCC", "CCCO", "CCCCO"].map((smiles) => ({ smiles })),
  ]);
  const groups = (await moleculeGroups(table, { by: { scaffold: "smiles" } }))!;
  const spec: SplitSpec = { by: { scaffold: "smiles" }, test: 9, validation: 8 };
  const sides = splitRows(table, spec, 4, groups);
  assert.equal(new Set(Array.from({ length: 8 }, (_, i) => groups(i))).size, 1);
  assert.equal(groups(40), groups(41), "the same molecule, written otherwise");
  assert.notEqual(groups(40), groups(42));
  const of = (side: Int32Array) => new Set(Array.from(side, groups));
  for (const key of of(sides.test)) assert.ok(!of(sides.train).has(key) && !of(sides.validation).has(key));
  assert.equal(sides.test.length, 9);
  await assert.rejects(
    moleculeGroups(tableOf([{ smiles: "MKV" }]), { by: { scaffold: "smiles" } }),
    coded("data/split", '"MKV"'),
  );
  await assert.rejects(moleculeGroups(table, { by: { scaffold: "smile" } }), coded("data/column", "smile"));
});

test("by time: the latest rows are test, those before them validation, equal times together", () => {
  const dates = tableOf(
    Array.from({ length: 20 }, (_, i) => ({
      day: `2024-01-${String(10 + ((i * 7) % 20)).padStart(2, "0")}`,
    })),
  );
  const sides = split(dates, { by: { time: "day" }, test: 4, validation: 4 });
  const days = (side: Int32Array) => Array.from(side, (i) => dates.rows[i]!.day!).sort();
  assert.ok(days(sides.train).at(-1)! < days(sides.validation)[0]!);
  assert.ok(days(sides.validation).at(-1)! < days(sides.test)[0]!);
  assert.deepEqual(sizes(sides), [12, 4, 4]);
  const years = tableOf(Array.from({ length: 30 }, (_, i) => ({ year: String(2000 + Math.floor(i / 6)) })));
  assert.deepEqual(sizes(split(years, { by: { time: "year" }, test: 7, validation: 5 })), [18, 6, 6]);
  assert.throws(
    () => split(tableOf([{ t: "May" }, { t: "1" }]), { by: { time: "t" } }),
    coded("data/split", '"May"'),
  );
});

test("by time: numbers and dates in one column have no order", () => {
  const by: SplitSpec["by"] = { time: "t" };
  for (const [first, other] of [
    ["2024", "2019-03-01"],
    ["2019-03-01", "2024"],
  ] as const) {
    const table = tableOf([{ t: first }, { t: first }, { t: other }]);
    assert.throws(
      () => split(table, { by, test: 1, validation: 0 }),
      coded("data/split", `Row 3 of table.csv has the t "${other}", row 1 "${first}"`),
    );
  }
});

test("by time: a date that no calendar has is refused by its row", () => {
  const days = ["2024-01-01", "2024-02-29", "2024-12-31", "0096-02-29"];
  const table = (day: string) => tableOf([...days, day].map((t) => ({ t })));
  const by: SplitSpec["by"] = { time: "t" };
  for (const day of ["2024-02-31", "2023-02-29 10:00", "1900-02-29", "2024-04-31T00:00:00Z", "2024-00-10"]) {
    assert.throws(() => split(table(day), { by }), {
      code: "data/split",
      message: new RegExp(`Row 5 .* "${day}"\\. .*dates such as 2024-05-31`),
    });
  }
  assert.equal(split(table("2000-02-29"), { by, test: 1, validation: 0 }).train.length, 4);
});

test("by time: a time without a zone is UTC, wherever the machine stands", () => {
  const times = [
    "2024-05-30 23:00",
    "2024-05-31",
    "2024-05-31T00:30",
    "2024-05-31 01:00:00.5",
    "2024-05-31 02:00 AM",
    "2024-05-31T05:00+02:00",
    "2024-05-31 09:00:00+05",
    "2024-05-31 05:00Z",
    "2024-05-31 06:00 UTC",
    "2024-05-31 02:00 EST",
  ];
  const table = tableOf(times.map((t) => ({ t })));
  const zone = process.env.TZ;
  try {
    for (const machine of ["America/New_York", "UTC", "Asia/Tokyo"]) {
      process.env.TZ = machine;
      for (const test of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
        const sides = split(table, { by: { time: "t" }, test, validation: 0 });
        assert.deepEqual([...sides.train], [...times.keys()].slice(0, -test), `${machine}, ${test}`);
      }
    }
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

test("a group may have more rows than a call has room for arguments", () => {
  const table = tableOf(Array.from({ length: 400_000 }, (_, i) => ({ g: String(i % 2) })));
  const by: SplitSpec["by"] = { group: ["g"] };
  for (const validation of [200_000, 150_000]) // the first group fits; it is the closest that there is
    assert.deepEqual(sizes(split(table, { by, test: 0, validation })), [200_000, 200_000, 0]);
  const fold = split(table, { by, validation: 0, folds: { k: 2, test: 1 } });
  assert.deepEqual(sizes(fold), [200_000, 0, 200_000]);
});

test("folds: every row is in the test side of exactly one, groups whole, sizes alike", () => {
  const spec = { by: { group: ["drug"] }, validation: 0.1 } as const;
  const folds = [0, 1, 2, 3].map((test) =>
    split(pairs, { ...spec, by: { group: ["drug"] }, folds: { k: 4, test } }),
  );
  const all = folds.flatMap((s) => [...s.test]).sort((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: 600 }, (_, i) => i),
  );
  for (const { test } of folds) assert.equal(test.length, 150);
  assert.throws(() => split(pairs, { folds: { k: 4, test: 4 } }), coded("data/split", "no fold 4 of 4"));
  assert.throws(
    () => split(pairs, { folds: { k: 4, test: 0 }, fold: { column: "fold", test: ["0"] } }),
    coded("data/split", "both fold and folds"),
  );
});
