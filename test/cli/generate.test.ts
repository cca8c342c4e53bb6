/** `tagllm generate` as a user runs it: what goes to stdout, what a table becomes, what Ctrl-C leaves. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generate } from "../../src/generate/generate.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { run, start, temporaryFolder } from "./command.ts";

let base: Base;
before(async () => {
  base = await Base.load(defaultBase);
});
after(() => base.close());

const textOf = async (...prompts: string[]): Promise<string[]> =>
  (await generate(base, prompts, { maxTokens: 12 })).map(({ text }) => text);

test("a prompt's text is stdout, and --json has the same", async () => {
  const words = ["generate", "--prompt", "And God said <x> {y}", "--max-tokens", "12"];
  const [text] = await textOf("And God said <x> {y}");
  const plain = await run(words);
  assert.deepEqual([plain.code, plain.stdout, plain.stderr], [0, `${text}\n`, ""]);
  const json = JSON.parse((await run([...words, "--json"])).stdout);
  assert.deepEqual(json, { text, tokens: 12, finish: "length", trimmed: [] });
});

test("a prompt may come from a pipe", async () => {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const words = [
    "--import",
    import.meta.resolve("tsx"),
    main,
    "generate",
    "--prompt",
    "-",
    "--max-tokens",
    "12",
  ];
  const child = spawn(process.execPath, words);
  let stdout = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stdin.end("And God said\n");
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.equal(stdout, `${(await textOf("And God said"))[0]}\n`);
});

test("a table gets a text for every row", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "starts.csv"), "id,start\n1,And God said\n2,Et Dieu dit\n");
  const words = ["generate", "--template", "{start}", "--data", "starts.csv", "--max-tokens", "12"];
  const { code, stderr } = await run([...words, "--out", "texts.jsonl"], folder);
  assert.equal(code, 0, stderr);
  const rows = readFileSync(join(folder, "texts.jsonl"), "utf8").trim().split("\n");
  const texts = await textOf("And God said", "Et Dieu dit");
  assert.deepEqual(
    rows.map((row) => JSON.parse(row)),
    [
      { id: "1", start: "And God said", generated: texts[0], finish: "length", error: null },
      { id: "2", start: "Et Dieu dit", generated: texts[1], finish: "length", error: null },
    ],
  );
});

test("a prompt that was cut to fit the base is said", async (t) => {
  const folder = temporaryFolder(t);
  const long = "And God said ".repeat(600).trim();
  writeFileSync(join(folder, "starts.csv"), `start\n${long}\nAnd God said\n`);
  const asked = ["generate", "--template", "{start}", "--max-tokens", "3", "--json"];
  const one = await run([...asked, "--field", `start=${long}`], folder);
  assert.equal(one.code, 0, one.stderr);
  const [cut] = (JSON.parse(one.stdout) as { trimmed: { field: string; tokens: number }[] }).trimmed;
  assert.equal(cut?.field, "start");
  assert.equal(one.stderr, `The row was cut by ${cut?.tokens} tokens to fit the base.\n`);
  const many = await run([...asked, "--data", "starts.csv"], folder);
  const { rows } = JSON.parse(many.stdout) as { rows: { trimmed: object[] }[] };
  assert.deepEqual(
    rows.map(({ trimmed }) => trimmed),
    [[cut], []],
  );
  assert.equal(many.stderr, "1 of 2 rows were cut to fit the base.\n");
  const file = await run([...asked, "--data", "starts.csv", "--out", "texts.csv"], folder);
  assert.deepEqual(JSON.parse(file.stdout), { rows: 2, failed: 0, trimmed: 1, out: "texts.csv" });
});

test("Ctrl-C leaves what was written and ends with 130", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "starts.csv"), "start\nAnd God said\n");
  const long = ["--max-tokens", "900", "--stop", "never said"];
  const { child, ended } = start(["generate", "--prompt", "And God said", ...long], folder);
  child.stdout?.once("data", () => child.kill("SIGINT"));
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 130);
  assert.match(stderr, /^Stopping after this step/);
  const [whole] = await generate(base, ["And God said"], { maxTokens: 900 });
  assert.ok(stdout.length > 1 && whole?.text.startsWith(stdout.trimEnd()), stdout);
});

test("what cannot be is refused with a cure", async () => {
  for (const [words, code, said] of [
    [["generate"], 2, /either a prompt or a template/],
    [["generate", "--prompt", "a", "--template", "b"], 2, /either a prompt or a template/],
    [["generate", "--prompt", "a", "--data", "x.csv"], 2, /--template/],
    [["generate", "--prompt", "a", "--top-p", "high"], 2, /must be a number/],
    [["generate", "--prompt", "a", "--temperature", "-1"], 1, /temperature is -1[\s\S]*0 or more/],
    [
      ["generate", "--prompt", "a", "--temperature", "1", "--top-p", "1.5"],
      1,
      /top-p is 1.5[\s\S]*at most 1/,
    ],
    [["generate", "--prompt", "a", "--top-k", "5"], 1, /top-k is for drawing[\s\S]*temperature/],
    [["generate", "--template", "<Nope> a"], 1, /Nope/],
  ] as [string[], number, RegExp][]) {
    const ended = await run(words);
    assert.equal(ended.code, code, words.join(" "));
    assert.match(ended.stderr, said);
    assert.equal(ended.stdout, "");
  }
});
