/** Rows too long for the base: answers that never fit are dropped before a run, questions are cut so that answers do. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readRows } from "../../src/data/source.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { evaluateTag } from "../../src/study/evaluate.ts";
import { loadStudy } from "../../src/study/load.ts";
import { predict } from "../../src/study/predict.ts";
import { prepareStudy } from "../../src/study/prepare.ts";
import { runStudy } from "../../src/study/run.ts";
import { openTags } from "../../src/tags/library.ts";

/** Of the base of these tests: polyglot-5m, made short. */
const positions = 64;

let base: Base;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "long-"));
  const short = join(folder, "base");
  await cp(defaultBase, short, { recursive: true });
  const config = JSON.parse(await readFile(join(short, "config.json"), "utf8"));
  await writeFile(
    join(short, "config.json"),
    JSON.stringify({ ...config, max_position_embeddings: positions }),
  );
  base = await Base.load(short);
});
after(async () => {
  await base.close();
  await rm(folder, { recursive: true });
});

const sides = ["train", "validation", "test"] as const;
type Row = readonly [text: string, answer: string];

const rowsOf = (side: string): Row[] => [0, 1, 2, 3].map((i) => [`${side} ${i}`, `answer ${i}`]);

async function prepared(rows: Record<string, readonly Row[]>, task = "", template = "{text} <Say> {answer}") {
  const lines = sides.flatMap((side) => (rows[side] ?? rowsOf(side)).map((row) => [...row, side].join(",")));
  await writeFile(join(folder, "rows.csv"), `text,answer,side\n${lines.join("\n")}\n`);
  await writeFile(
    join(folder, "study.yaml"),
    `name: long
data: { rows: { file: rows.csv, split: { fold: { column: side, test: [test], validation: [validation] } } } }
tags: { Say: { kind: function, answer: text, length: 2 } }
stages:
  - name: say
    train: [Say]
    steps: 10
    rate: 0.3
    batch: 2
    answers: { tokens: 8 }
    tasks: [{ data: rows, template: "${template}", target: answer ${task} }]
`,
  );
  return prepareStudy(await loadStudy(join(folder, "study.yaml")), base);
}

const endless = "up and down ".repeat(positions).trim();
const reason = `answer is too long for a prompt of ${positions} positions`;

test("an answer that no prompt has room for is dropped and told, on every side", async () => {
  const rows = Object.fromEntries(
    sides.map((side) => [side, [...rowsOf(side).slice(0, 2), [side, endless], ...rowsOf(side).slice(2)]]),
  ) as Record<string, Row[]>;
  const { stages } = await prepared(rows);
  const task = stages[0]!.tasks[0]!;
  assert.deepEqual(
    sides.map((side) => task.rows[side].map(({ fields }) => fields.answer)),
    sides.map(() => ["answer 0", "answer 1", "answer 2", "answer 3"]),
  );
  assert.deepEqual(task.dropped, [{ reason, rows: [2, 7, 12] }]);
  const told = task.findings.find(({ what }) => what === reason);
  assert.deepEqual(told, { kind: "fault", what: reason, rows: [2, 7, 12], handled: "dropped" });

  await assert.rejects(prepared(rows, ", rows: { unwritable: error }"), (e: Error) => {
    assert.equal((e as { code?: string }).code, "study/rows");
    assert.match(e.message, /3 rows with answer is too long.*\(rows 3, 8, 13\)/);
    return true;
  });
});

test("long questions are no such rows, and a question that never fits is the template's fault", async () => {
  const { stages } = await prepared({ test: rowsOf("test").map(([, answer]) => [endless, answer]) });
  assert.deepEqual(stages[0]!.tasks[0]!.dropped, []);
  await assert.rejects(prepared({}, "", `${endless} {text} <Say> {answer}`), { code: "prompts/too-long" });
});

test("a side with nothing but such answers is refused", async () => {
  const validation = rowsOf("validation").map(([text]): Row => [text, endless]);
  await assert.rejects(prepared({ validation }), (e: Error) => {
    assert.equal((e as { code?: string }).code, "study/data");
    assert.ok(e.message.includes(`the validation side has 0 usable rows (4 dropped: ${reason})`), e.message);
    return true;
  });
});

test("a question is cut so that its answer has room, in a run as in predict and eval", async () => {
  const answer = "left right left right";
  const short = (side: string) => rowsOf(side).map(([text]): Row => [text, answer]);
  const study = await prepared({
    train: short("train"),
    validation: short("validation"),
    test: [0, 1, 2].map((i) => [`${i} ${endless}`, answer]),
  });
  const out = join(folder, "run");
  const report = await runStudy(study, { out });
  const { compiler, rows: sides } = study.stages[0]!.tasks[0]!;
  const cutBy = (withTarget: boolean) =>
    sides.test
      .flatMap((row) => compiler.compile(row, { withTarget }).trimmed)
      .reduce((n, t) => n + t.tokens, 0);
  assert.ok(cutBy(true) > cutBy(false));
  assert.deepEqual(report.stages[0]!.tasks[0]!.trimmed, [{ field: "text", prompts: 3, tokens: cutBy(true) }]);
  const tags = await openTags(join(out, "tags"));
  const rows = study.stages[0]!.tasks[0]!.rows.test.map(({ fields }) => fields);
  const asked = async (answerTokens: number, of = rows) => predict(base, tags, "Say", of, { answerTokens });

  const whole = base.tokenizer.encode(`0 ${endless}`, { atStart: true }).length;
  const bos = tags.get("Say")!.bos ? 1 : 0;
  const trimmedTo = (room: number) => [{ field: "text", tokens: whole + bos + 2 - (positions - room) }];
  const eight = await asked(8);
  assert.deepEqual(eight[0]!.trimmed, trimmedTo(8));
  // However long answers may be, half of the base is the question's.
  assert.deepEqual((await asked(1000))[0]!.trimmed, trimmedTo(positions / 2));
  const [brief] = await asked(1000, [{ text: "train 1" }]);
  assert.deepEqual(brief!.trimmed, []);

  const said = (await readFile(join(out, "losses.jsonl"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { said: string }).said);
  assert.deepEqual(
    said,
    eight.map(({ values }) => values.answer),
  );
  for (const text of said)
    assert.ok(base.tokenizer.encode(text, { atStart: false }).length > 1, JSON.stringify(said));

  const lines = rows.map(({ text, answer: truth }) => `${text},${truth}`);
  await writeFile(join(folder, "new.csv"), `text,answer\n${lines.join("\n")}\n`);
  const table = await readRows({ file: join(folder, "new.csv") });
  const evaluation = await evaluateTag(base, tags, "Say", table, { resamples: 10, answerTokens: 8 });
  assert.equal(evaluation.trimmed, 3);
  // With its answer this one fits; with as many tokens as an answer may have it does not.
  await writeFile(join(folder, "new.csv"), `text,answer\n${"up and down ".repeat(13).trim()},${answer}\n`);
  const fits = await readRows({ file: join(folder, "new.csv") });
  const counted = async (answerTokens: number) =>
    (await evaluateTag(base, tags, "Say", fits, { resamples: 10, answerTokens })).trimmed;
  assert.deepEqual([await counted(8), await counted(32)], [0, 1]);
});

test("a prompt that leaves an answer little room and cannot be cut is answered as far as there is room", async () => {
  const tags = await openTags(join(folder, "run", "tags"));
  const literal = "up ".repeat(positions - 6).trim();
  const [prediction] = await predict(base, tags, "Say", [{ text: "a" }], {
    answerTokens: 8,
    compose: `${literal} <Say>`,
  });
  assert.equal(prediction!.error, undefined);
  assert.equal(typeof prediction!.values.answer, "string");
});
