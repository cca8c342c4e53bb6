/** What a study finds in its rows: faults handled as it says, repeats, leaks on both sides; clean ones are not accused. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { auditStudy, refuseLeaks } from "../../src/study/audit.ts";
import { leakRows, qualityText } from "../../src/study/audit-text.ts";
import { parseLoaded } from "../../src/study/load.ts";
import { type PreparedStudy, prepareStudy } from "../../src/study/prepare.ts";
import { leakWarnings } from "../../src/study/warnings.ts";
import { unknownText } from "../../src/tokenizer/models.ts";

let base: Base;
let folder: string;

before(async () => {
  base = await Base.load(defaultBase);
  folder = await mkdtemp(join(tmpdir(), "audit-"));
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

interface Made {
  rows: readonly (readonly string[])[];
  columns: string;
  template: string;
  task?: string;
  split?: string;
  study?: string;
  on?: Base;
}

/** A study of one function tag on these rows; the column `side` says on which side a row is. */
async function prepare({
  rows,
  columns,
  template,
  task = "",
  split,
  study = "",
  on = base,
}: Made): Promise<PreparedStudy> {
  await writeFile(join(folder, "rows.csv"), `${columns}\n${rows.map((r) => r.join(",")).join("\n")}\n`);
  const text = `name: audited
${study}
data:
  rows: { file: rows.csv, split: ${split ?? "{ fold: { column: side, test: [test], validation: [validation] } }"} }
tags: { Value: { kind: function, answer: number } }
stages:
  - name: value
    train: [Value]
    tasks: [{ data: rows, template: "${template} <Value>", target: y${task} }]
`;
  return prepareStudy(parseLoaded(text, join(folder, "study.yaml")), on);
}

const only = async (prepared: PreparedStudy) => {
  const [found] = [...(await auditStudy(prepared))];
  return { task: found![0], ...found![1] };
};

const train = [
  ["CCO", "1", "train"],
  ["c1ccccc1O", "2", "train"],
  ["CC(=O)Oc1ccccc1C(=O)O", "3", "train"],
  ["CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "4", "train"],
];
const molecules = { columns: "smiles,y,side", template: "{smiles}" };

test("molecules: the same, written otherwise, other ones", async () => {
  const rows = [
    ...train,
    ["CCO", "1", "test"],
    ["Oc1ccccc1", "2", "test"], // phenol again
    ["OC(=O)C1=CC=CC=C1OC(C)=O", "3", "test"], // aspirin again, Kekule
    ["CCCCN", "5", "test"],
    ["CN1C(=O)N(C)c2ncn(C)c2C1=O", "4", "validation"], // caffeine again
    ["Nc1ccccc1", "7", "validation"], // another benzene
  ];
  const prepared = await prepare({ ...molecules, rows });
  const { leakage } = await only(prepared);
  const { readAs, test: tested, validation } = leakage[0]!;
  assert.equal(readAs, "molecule");
  assert.deepEqual([tested.of, tested.same, tested.rewritten, tested.near], [4, 1, 2, 0]);
  assert.deepEqual([validation.of, validation.same, validation.rewritten], [2, 0, 1]);
  assert.deepEqual([tested.scaffold, validation.scaffold], [2, 2]);
  assert.deepEqual(
    [...tested.examples].sort((a, b) => a.row - b.row),
    [
      { row: 4, like: 0 },
      { row: 5, like: 1 },
      { row: 6, like: 2 },
    ],
  );
  const [warning] = leakWarnings({ task: "value/rows", leakage });
  assert.match(warning!, /3 of 4 test rows .*1 as they are, 2 the same molecule written otherwise/);
  assert.match(warning!, /row 5 repeats row 1; 1 of 2 validation rows/);
  assert.match(warning!, /group: \[smiles\], molecules: \[smiles\]/);
  assert.doesNotThrow(() => refuseLeaks(prepared, new Map()));

  const strict = await prepare({ ...molecules, rows, study: "leaks: error" });
  const audit = await auditStudy(strict);
  assert.throws(() => refuseLeaks(strict, audit), { code: "study/leaks", message: /3 of 4 test rows/ });
});

test("a split by molecules keeps every writing of one on one side", async () => {
  const writings = ["c1ccccc1O", "Oc1ccccc1", "C1=CC=CC=C1O", "c1cc(O)ccc1"];
  const others = ["CCO", "CCN", "CCC", "CCCC", "CCCCO", "CCCN", "CNC", "COC", "CCOC", "CC(C)C"];
  const rows = [...writings, ...others, ...others].map((smiles, i) => [smiles, String(i), "-"]);
  const by = (text: string) => ({
    ...molecules,
    rows,
    study: "leaks: error",
    split: `{ by: ${text}, test: 5, validation: 5 }`,
  });
  for (const seed of [0, 1, 2]) {
    const spec = by(`{ group: [smiles], molecules: [smiles] }, seed: ${seed}`);
    const prepared = await prepare(spec);
    refuseLeaks(prepared, await auditStudy(prepared));
  }
  const prepared = await prepare(by("row"));
  const audit = await auditStudy(prepared);
  assert.throws(() => refuseLeaks(prepared, audit), { code: "study/leaks" });
  await assert.rejects(prepare(by("{ group: [smiles], molecules: [y] }")), { code: "data/split" });
});

test("texts: case and blanks, nearly the same; numbers and codes are compared as they are", async () => {
  const protein = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ";
  const made = { columns: "seq,y,side", template: "{seq}" };
  const rows = [
    [protein, "1", "train"],
    ["GSSDIEITVEGKEQADKVIEEMKRRNLEVHVEE", "2", "train"],
    [protein.toLowerCase(), "1", "test"],
    [`${protein.slice(0, 10)}W${protein.slice(11)}`, "1", "test"],
    [protein.split("").reverse().join(""), "5", "test"],
    ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "3", "validation"],
    ["CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC", "4", "validation"],
  ];
  const { leakage } = await only(await prepare({ ...made, rows }));
  const { readAs, test: tested, validation } = leakage[0]!;
  assert.equal(readAs, "text");
  assert.deepEqual([tested.same, tested.rewritten, tested.near, tested.nearChecked], [0, 1, 1, 2]);
  assert.deepEqual([validation.same, validation.rewritten, validation.near], [0, 0, 0]);
  assert.deepEqual(leakRows(leakage)[0], ["seq", "text", "test", "3", "0", "1", "1", "–"]);
  assert.match(
    leakWarnings({ task: "t", leakage })[1]!,
    /1 of 2 other test rows have a seq that is nearly one/,
  );

  const codes = [
    ["C1CCCCC1", "1", "train"],
    ["C1CCOCC1", "2", "train"],
    ["c1ccccc1", "3", "test"],
    ["c1ccncc1", "3", "test"],
    ["C1CCNCC1", "3", "validation"],
    ["C1CCSCC1", "3", "validation"],
  ];
  const found = await only(await prepare({ ...made, rows: codes }));
  assert.deepEqual(leakWarnings({ task: "t", leakage: found.leakage }), []);
});

test("pairs leak when both sides do; each side says how cold it is", async () => {
  const rows = [
    ["CCO", "MKV", "1", "train"],
    ["CCN", "GSS", "2", "train"],
    ["OCC", "MKV", "1", "test"], // the pair again
    ["CCN", "MKV", "3", "test"], // both known, not together
    ["CCCC", "GSS", "4", "validation"],
    ["CCCS", "AAA", "5", "validation"],
  ];
  const made = { columns: "drug,seq,y,side", template: "{drug} {seq}", rows };
  const { leakage } = await only(await prepare(made));
  assert.deepEqual(leakRows(leakage), [
    ["drug", "molecule", "test", "2", "1", "1", "0", "0"],
    ["drug", "molecule", "validation", "2", "0", "0", "0", "0"],
    ["seq", "text", "test", "2", "2", "0", "0", "–"],
    ["seq", "text", "validation", "2", "1", "0", "0", "–"],
    ["drug + seq", "all together", "test", "2", "0", "1", "–", "–"],
    ["drug + seq", "all together", "validation", "2", "0", "0", "–", "–"],
  ]);
});

test("faulty rows are dropped with their numbers, or refused", async () => {
  const side = (i: number) => (i % 3 === 0 ? "train" : i % 3 === 1 ? "test" : "validation");
  const good = Array.from({ length: 18 }, (_, i) => [
    `word${"abcdefghijklmnopqr"[i]}`,
    String(i % 7),
    side(i),
  ]);
  const bad = [
    ["", "1", "train"],
    ["x1", "", "train"],
    ["x2", "NA", "test"],
    ["x3", "nan", "train"],
    ["x4", "inf", "validation"],
    ["x5", ">5", "train"],
    ["x6", "1e9", "train"],
  ];
  const made = { columns: "word,y,side", template: "{word}", rows: [...good, ...bad] };
  const { task, quality } = await only(await prepare(made));
  assert.deepEqual(quality.map(qualityText), [
    "1 row dropped: empty word (row 19)",
    "1 row dropped: y is empty (row 20)",
    "1 row dropped: y is missing (row 21)",
    "1 row dropped: y is NaN (row 22)",
    "1 row dropped: y is infinite (row 23)",
    "1 row dropped: y is not a number (row 24)",
    "1 row kept: y is more than 10 robust deviations from its median (row 25)",
  ]);
  assert.equal(task.rows.train.length + task.rows.test.length + task.rows.validation.length, 19);
  const where = { empty: "row 19", missing: "row 20", notFinite: "row 22", notNumber: "row 24" };
  for (const [key, row] of Object.entries(where)) {
    await assert.rejects(prepare({ ...made, task: `, rows: { ${key}: error }` }), (error: Error) => {
      assert.equal((error as Error & { code: string }).code, "study/rows");
      assert.ok(error.message.includes(row) && error.message.includes(`${key}: drop`), error.message);
      return true;
    });
  }
});

/** The base with a tokenizer that has no tokens for what a pattern finds, as one of a domain has not. */
function refusing(pattern: RegExp): Base {
  const tokenizer = new Proxy(base.tokenizer, {
    get(target, key) {
      const own = target[key as keyof typeof target] as unknown;
      if (typeof own !== "function") return own;
      return (text: string, ...rest: unknown[]) => {
        const character = key === "encode" ? pattern.exec(text)?.[0] : undefined;
        if (character !== undefined) throw unknownText(character, text);
        return own.call(target, text, ...rest);
      };
    },
  });
  return Object.create(base, { tokenizer: { value: tokenizer } }) as Base;
}

test("rows with text that the base has no token for are dropped and counted, or refused", async () => {
  const rows = [
    ...Array.from({ length: 10 }, (_, i) => [`C${"C".repeat(i)}O`, String(i), "train"]),
    ["CCN", "3", "validation"],
    ["CCCN", "4", "validation"],
    ["[Na+].[Cl-]", "4", "train"],
    ["CCF", "5", "test"],
    ["CCCF", "6", "test"],
    ["[K+]", "6", "test"],
  ];
  const made = { ...molecules, rows, on: refusing(/[^\w ]/) };
  const { task, quality } = await only(await prepare({ ...made, template: "{smiles}" }));
  const said = "2 rows dropped: a part of smiles that the base has no token for (rows 13, 16)";
  assert.ok(quality.map(qualityText).includes(said), quality.map(qualityText).join("; "));
  assert.deepEqual([task.rows.train.length, task.rows.validation.length, task.rows.test.length], [10, 2, 2]);
  await assert.rejects(prepare({ ...made, task: ", rows: { unwritable: error }" }), {
    code: "study/rows",
    message: /smiles that the base has no token for \(rows 13, 16\).*unwritable: drop/s,
  });
  assert.equal((await only(await prepare({ ...made, on: base }))).task.rows.test.length, 3);
});

test("repeated inputs: kept, merged, averaged, dropped or refused", async () => {
  const rows = [
    ["a", "1", "train"],
    ["b", "2", "train"],
    ["c", "3", "train"],
    ["a", "1.0", "train"], // agrees
    ["b", "5", "test"], // contradicts, across sides
    ["d", "4", "test"],
    ["e", "5", "test"],
    ["f", "6", "validation"],
    ["g", "7", "validation"],
    ["h", "8", "train"],
  ];
  const made = { columns: "word,y,side", template: "{word}", rows };
  const kept = async (handling: string) => {
    const { task, quality } = await only(await prepare({ ...made, task: `, rows: { ${handling} }` }));
    const of = (side: "train" | "test") =>
      task.rows[side].map((r) => `${r.fields.word}${r.numbers[0]}`).join(" ");
    const dropped = task.dropped.flatMap((d) => [...d.rows]);
    return { train: of("train"), test: of("test"), dropped, said: quality.map(qualityText) };
  };
  const plain = await kept("");
  assert.deepEqual([plain.train, plain.test, plain.dropped], ["a1 b2 c3 a1 h8", "b5 d4 e5", []]);
  assert.deepEqual(plain.said, [
    "2 rows kept: equal word and y (1 group) (rows 1, 4)",
    "2 rows kept: equal word with different y (1 group, up to 3 apart) (rows 2, 5)",
  ]);
  const first = await kept("duplicates: first, conflicts: first");
  assert.deepEqual([first.train, first.test, first.dropped], ["a1 b2 c3 h8", "d4 e5", [3, 4]]);
  const mean = await kept("conflicts: mean");
  assert.deepEqual([mean.train, mean.test, mean.dropped], ["a1 b3.5 c3 a1 h8", "d4 e5", [4]]);
  const none = await kept("duplicates: drop, conflicts: drop");
  assert.deepEqual([none.train, none.test, none.dropped], ["c3 h8", "d4 e5", [0, 3, 1, 4]]);
});

test("what a function tag learns from another column of the table counts as training", async () => {
  const rows = [
    ["CCO", "CCN", "1", "2", "train"],
    ["CCC", "CCCC", "3", "4", "train"],
    ["CCN", "COC", "2", "5", "test"],
    ["CNC", "CCCN", "6", "7", "test"],
    ["CCS", "CSC", "1", "3", "validation"],
    ["CCF", "CCCl", "2", "5", "validation"],
  ];
  const text = (second: string) => `name: pairs
data: { rows: { file: pairs.csv, split: { fold: { column: side, test: [test], validation: [validation] } } } }
tags: { Value: { kind: function, answer: number } }
stages:
  - name: value
    train: [Value]
    tasks:
      - { data: rows, template: "{a} <Value>", target: y }
      - ${second}
`;
  await writeFile(join(folder, "pairs.csv"), `a,b,y,z,side\n${rows.map((r) => r.join()).join("\n")}\n`);
  const same = async (second: string) => {
    const study = parseLoaded(text(second), join(folder, "study.yaml"));
    const audit = await auditStudy(await prepareStudy(study, base));
    return [...audit.values()].map(({ leakage }) => leakage.at(-1)?.test.same);
  };
  assert.deepEqual(await same('{ data: rows, template: "{b} <Value>", target: z }'), [1, 0]);
  assert.deepEqual(await same('{ data: rows, template: "Of {a} <Value>", target: z }'), [0, 0]);
});

test("rows that are only scored leak where something else was trained on them", async () => {
  const row = (text: string, side: string) => [text, `${text}s`, side];
  const rows = [
    ...["cat", "dog", "cow", "hen"].map((text) => row(text, "train")),
    ...["cat", "fox"].map((text) => row(text, "test")),
    ...["ant", "bee"].map((text) => row(text, "validation")),
  ];
  await writeFile(join(folder, "plurals.csv"), `one,many,side\n${rows.map((r) => r.join()).join("\n")}\n`);
  await writeFile(
    join(folder, "others.csv"),
    "one,many,side\nox,oxen,train\nyak,yaks,train\nfox,foxes,test\ngnu,gnus,test\nape,apes,validation\neel,eels,validation\n",
  );
  const split = "split: { fold: { column: side, test: [test], validation: [validation] } }";
  const scored = '{ data: plurals, template: "{one} <Many> {many}", target: many, scoreOnly: true }';
  const same = async (learned: string) => {
    const study = parseLoaded(
      `name: plurals
data: { plurals: { file: plurals.csv, ${split} }, others: { file: others.csv, ${split} } }
tags: { Many: { kind: function, answer: text } }
stages: [{ name: many, train: [Many], tasks: [${learned}, ${scored}] }]
`,
      join(folder, "study.yaml"),
    );
    const audit = await auditStudy(await prepareStudy(study, base));
    return [...audit.values()].at(-1)?.leakage.at(-1)?.test.same;
  };
  assert.equal(await same('{ data: others, template: "{one} <Many> {many}", target: many }'), 0);
  assert.equal(await same('{ data: plurals, template: "The {one}, <Many> {many}", target: many }'), 1);
});

test("what a function tag learns from another table counts as training", async () => {
  const table = async (name: string, field: string, sides: readonly string[]) => {
    const rows = sides.map((side, i) => `${"CCO".repeat(i + 1)}N,${i},${side}`);
    await writeFile(join(folder, `${name}.csv`), `${field},y,side\n${rows.join("\n")}\n`);
  };
  await table("first", "words", [
    "train",
    "train",
    "train",
    "train",
    "validation",
    "validation",
    "test",
    "test",
  ]);
  await table("second", "other", [
    "test",
    "test",
    "train",
    "train",
    "validation",
    "validation",
    "train",
    "train",
  ]);
  const split = "split: { fold: { column: side, test: [test], validation: [validation] } }";
  const task = (name: string, field: string) =>
    `{ data: ${name}, template: "Say {${field}} <Value>", target: y, rows: { duplicates: keep } }`;
  const [first, second] = [task("first", "words"), task("second", "other")];
  const study = (stages: string) => `name: two
data: { first: { file: first.csv, ${split} }, second: { file: second.csv, ${split} } }
tags: { Value: { kind: function, answer: number } }
stages: [${stages}]
`;
  const same = async (stages: string) => {
    const text = study(stages);
    const prepared = await prepareStudy(parseLoaded(text, join(folder, "two.yaml")), base);
    const audit = [...(await auditStudy(prepared)).values()];
    return audit.map(({ leakage }) => leakage.at(-1)?.test);
  };
  const together = await same(`{ name: value, train: [Value], tasks: [${first}, ${second}] }`);
  assert.deepEqual(
    together.map((side) => [side?.same, side?.examples.length]),
    [
      [2, 0],
      [2, 0],
    ],
  );
  const [alone] = await same(`{ name: value, train: [Value], tasks: [${first}] }`);
  assert.equal(alone?.same, 0);
  const stages = [first, second].map((own, i) => `{ name: value${i}, train: [Value], tasks: [${own}] }`);
  const after = await same(stages.join());
  assert.deepEqual(
    after.map((side) => side?.same),
    [0, 2],
    "the second stage's tag has learned the first table",
  );
});
