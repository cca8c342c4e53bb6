/** `tagllm generate --data` with rows that make no prompt: they are marked by their number, and the others written. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generate } from "../../src/generate/generate.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { run, temporaryFolder } from "./command.ts";

let base: Base;
before(async () => {
  base = await Base.load(defaultBase);
});
after(() => base.close());

interface Line {
  start: string;
  generated: string | null;
  finish: string | null;
  error: string | null;
}

const asked = ["generate", "--template", "{start}", "--data", "starts.csv", "--max-tokens", "3"];

function starts(t: Parameters<typeof temporaryFolder>[0], rows: readonly string[]): string {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "starts.csv"), `id,start\n${rows.map((row, i) => `${i},${row}`).join("\n")}\n`);
  return folder;
}

const written = (folder: string): Line[] =>
  readFileSync(join(folder, "texts.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a row without a prompt is marked, and the others draw with the seeds of their rows", async (t) => {
  const folder = starts(t, ["And God said", "", "Et Dieu dit", "Und Gott sprach"]);
  const drawing = ["--temperature", "1", "--seed", "5"];
  const { code, stderr } = await run([...asked, ...drawing, "--out", "texts.jsonl"], folder);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /1 of 4 rows have no text \(rows 2\); their column error says why/);
  const lines = written(folder);
  const { generated, finish, error } = lines[1]!;
  assert.deepEqual([generated, finish], [null, null]);
  assert.match(error!, /^prompts\/empty-field: Row 2: .*"start"/);
  for (const i of [0, 2, 3]) {
    const [own] = await generate(base, [lines[i]!.start], { maxTokens: 3, temperature: 1, seed: 5 + i });
    assert.deepEqual(lines[i], { ...lines[i], generated: own!.text, finish: own!.finish, error: null });
  }
});

test("rows are counted through the whole table", async (t) => {
  const rows = Array.from({ length: 1003 }, (_, i) => (i === 1000 || i === 1002 ? "And God said" : ""));
  const folder = starts(t, rows);
  const { code, stderr } = await run([...asked, "--out", "texts.jsonl"], folder);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /1001 of 1003 rows have no text \(rows 1, 2, 3, 4, 5, \.\.\.\)/);
  const lines = written(folder);
  assert.match(lines[1001]!.error!, /^prompts\/empty-field: Row 1002: /);
  const [said] = await generate(base, ["And God said"], { maxTokens: 3 });
  assert.deepEqual(
    lines.flatMap(({ generated }, i) => (generated === null ? [] : [[i, generated]])),
    [
      [1000, said!.text],
      [1002, said!.text],
    ],
  );
});

test("--strict stops at such a row and leaves no file; --json has the error in its place", async (t) => {
  const folder = starts(t, ["And God said", ""]);
  const strict = await run([...asked, "--strict", "--out", "texts.jsonl"], folder);
  assert.equal(strict.code, 1);
  assert.match(strict.stderr, /^error\[prompts\/empty-field\]: Row 2: /);
  assert.equal(existsSync(join(folder, "texts.jsonl")), false);
  const { rows } = JSON.parse((await run([...asked, "--json"], folder)).stdout);
  assert.deepEqual([rows.length, rows[0].finish, rows[1].error.code], [2, "length", "prompts/empty-field"]);
  const lone = await run(["generate", "--prompt", "a", "--strict"], folder);
  assert.deepEqual([lone.code, /--strict is for tables/.test(lone.stderr)], [2, true]);
});

test("no row with a prompt is a failure, and a template that fits no row is one error", async (t) => {
  const folder = starts(t, ["", ""]);
  assert.equal((await run([...asked, "--out", "texts.jsonl"], folder)).code, 1);
  assert.equal(written(folder).length, 2);
  const unknown = await run([...asked, "--template", "{begin}"], folder);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /^error\[prompts\/unknown-field\]: (?!Row|Prompt)/);
});
