/** Prompts against hand-made token lists, and the invariants every prompt must keep, whatever the data. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { type Binding, bindTemplate, type TagSpec } from "../../src/prompts/bind.ts";
import {
  compilePrompt,
  type Prompt,
  type PromptOptions,
  questionPositions,
} from "../../src/prompts/prompt.ts";
import { parseTemplate } from "../../src/prompts/template.ts";
import fc from "../support/properties.ts";
import { fakeTokenizer } from "./fake-tokenizer.ts";

const spec = (name: string, kind: TagSpec["kind"], length: number, splitCharacters = false): TagSpec => ({
  name,
  kind,
  length,
  splitCharacters,
  isolate: kind === "domain",
});
const specs = [
  spec("Protein", "domain", 2, true),
  spec("FR", "domain", 2),
  spec("None", "domain", 0, true),
  spec("BA", "function", 3),
  spec("Probe", "function", 0),
];
const tags = new Map(specs.map((each) => [each.name, each]));
const fields = ["a", "b", "c", "y"];
const tokenizer = fakeTokenizer();

const bind = (source: string, target: string | null = "y") =>
  bindTemplate(parseTemplate(source), { tags, fields, ...(target ? { target } : {}) } satisfies Binding);
const compile = (source: string, row: Record<string, string>, options: Partial<PromptOptions> = {}): Prompt =>
  compilePrompt(bind(source), row, {
    tokenizer,
    maxTokens: 1000,
    bos: false,
    withTarget: false,
    eosAfterTarget: false,
    ...options,
  });
/** The prompt as token texts, "*" at tag slots. */
const tokens = ({ ids }: Prompt) => Array.from(ids, (id) => (id === -1 ? "*" : tokenizer.tokenText(id)));

test("the whole layout of a two-domain prompt with a text target", () => {
  const source = "The protein is <Protein> {a}. \nIts name in <FR> {b} is <BA> {y}.";
  const prompt = compile(
    source,
    { a: "MKV", b: "foo bar", y: "12" },
    { bos: true, withTarget: true, eosAfterTarget: true },
  );
  // biome-ignore format: one piece per line
  assert.deepEqual(tokens(prompt), [
    "<s>",
    "▁", "The", " protein", " is",
    "*", "*",
    " ", "M", "K", "V",
    ".", " \n", "Its", " name", " in",
    "*", "*",
    " foo", " bar",
    " is",
    "*", "*", "*",
    " ", "1", "2",
    ".",
    "</s>",
  ]);
  assert.deepEqual(prompt.slots, [
    { tag: "Protein", position: 5 },
    { tag: "FR", position: 16 },
    { tag: "BA", position: 21 },
  ]);
  assert.deepEqual(prompt.spans, [
    { tag: "Protein", field: "a", start: 5, end: 11, isolate: true },
    { tag: "FR", field: "b", start: 16, end: 20, isolate: true },
  ]);
  assert.equal(prompt.readout, 23);
  assert.deepEqual(prompt.target, { start: 24, end: 29 });
  assert.deepEqual(prompt.trimmed, []);
  assert.deepEqual(
    prompt.pieces.map(({ kind, name, start, end, text }) => [kind, name, start, end, text]),
    [
      ["bos", undefined, 0, 1, "<s>"],
      ["text", undefined, 1, 5, "The protein is"],
      ["tag", "Protein", 5, 7, "<Protein>"],
      ["field", "a", 7, 11, " MKV"],
      ["text", undefined, 11, 16, ". \nIts name in"],
      ["tag", "FR", 16, 18, "<FR>"],
      ["field", "b", 18, 20, " foo bar"],
      ["text", undefined, 20, 21, " is"],
      ["tag", "BA", 21, 24, "<BA>"],
      ["target", "y", 24, 27, " 12"],
      ["text", undefined, 27, 28, "."],
      ["eos", undefined, 28, 29, "</s>"],
    ],
  );
});

test("without a target the prompt ends at the function tag and is the start of the one with target", () => {
  const row = { a: "MKV", y: "7" };
  const source = "Protein <Protein> {a} <BA> {y}.";
  const asked = compile(source, row, { eosAfterTarget: true });
  const answered = compile(source, row, { withTarget: true, eosAfterTarget: true });
  assert.equal(asked.readout, asked.ids.length - 1);
  assert.equal(asked.target, null);
  assert.deepEqual(answered.ids.slice(0, asked.ids.length), asked.ids);
  assert.equal(answered.readout, asked.readout);
});

test("a dummy prefix stands only at the very start of the prompt", () => {
  assert.deepEqual(tokens(compile("{a}", { a: "x" })), ["▁", "x"]);
  assert.deepEqual(tokens(compile("{a}{b}", { a: "x", b: "z" }, { bos: true })), ["<s>", "▁", "x", "z"]);
  assert.deepEqual(tokens(compile("<FR> {a}", { a: "x" })), ["*", "*", " x"]);
});

test("pieces are tokenised apart: nothing merges across their borders", () => {
  assert.deepEqual(tokens(compile("pre{a}post", { a: "mid" })), ["▁", "pre", "mid", "post"]);
});

test("a tag of length 0 keeps splitting and read-out and adds no position", () => {
  const prompt = compile("<None> {a} is <Probe> {y}", { a: "MK" });
  assert.deepEqual(tokens(prompt), ["▁", " ", "M", "K", " is"]);
  assert.deepEqual(prompt.slots, []);
  assert.equal(prompt.readout, 4);
});

test("a domain tag before the function tag has no span", () => {
  const prompt = compile("<Protein> {a} = <FR> <BA> {y}", { a: "M", y: "q" }, { withTarget: true });
  assert.deepEqual(
    prompt.spans.map(({ tag }) => tag),
    ["Protein"],
  );
});

test("data that looks like the grammar or like a control token is plain text", () => {
  const a = "</s> <BA> {y} \\< <Protein>";
  const prompt = compile("x {a} <BA>", { a, y: "secret" });
  assert.equal(tokens(prompt).slice(2, -3).join(""), ` ${a}`);
  assert.equal(prompt.slots.length, 1);
  assert.ok(!prompt.ids.includes(tokenizer.eosId!));
  assert.ok(!tokens(prompt).join("").includes("secret"));
});

test("trimming levels the longest fields down and leaves everything else", () => {
  const row = { a: "A".repeat(30), b: "b b b b b", c: "c c c", y: "1" };
  const source = "x<Protein>{a}<FR>{b} and{c}<BA>{y}";
  const full = compile(source, row, { withTarget: true });
  const without = (prompt: Prompt) =>
    prompt.pieces.filter(({ kind }) => kind !== "field").map(({ text }) => text);
  const sizes = (prompt: Prompt) =>
    prompt.pieces.filter(({ kind }) => kind === "field").map(({ start, end }) => end - start);
  assert.deepEqual(sizes(full), [30, 5, 3]);

  const cut = (tokens: number) =>
    compile(source, row, { withTarget: true, maxTokens: full.ids.length - tokens });
  assert.deepEqual(sizes(cut(10)), [20, 5, 3]);
  assert.deepEqual(cut(10).trimmed, [{ field: "a", tokens: 10 }]);
  assert.deepEqual(sizes(cut(25)), [5, 5, 3]);
  assert.deepEqual(sizes(cut(26)), [5, 4, 3]);
  assert.deepEqual(sizes(cut(29)), [3, 3, 3]);
  assert.deepEqual(cut(29).trimmed, [
    { field: "a", tokens: 27 },
    { field: "b", tokens: 2 },
  ]);
  assert.deepEqual(sizes(cut(35)), [1, 1, 1]);
  assert.deepEqual(without(cut(35)), without(full));
  assert.throws(
    () => cut(36),
    (error) =>
      error instanceof TagllmError &&
      error.code === "prompts/too-long" &&
      error.message.includes(
        `needs at least ${full.ids.length - 35} tokens and the limit is ${full.ids.length - 36}`,
      ),
  );
});

test("a trimmed field keeps its beginning, and at least one token beyond its blanks", () => {
  const prompt = compile("<Protein>  {a} <BA>", { a: "MKVWY" }, { maxTokens: 9 });
  assert.deepEqual(tokens(prompt), ["*", "*", " ", " ", "M", "K", "*", "*", "*"]);
  assert.equal(prompt.pieces[1]?.text, "  MK");
  assert.throws(
    () => compile("<Protein>  {a} <BA>", { a: "MKVWY" }, { maxTokens: 7 }),
    /needs at least 8 tokens/,
  );
});

test("fields are cut to a length that is wanted, the rest of a prompt only has to fit", () => {
  const long = { a: "A".repeat(30), y: "1" };
  const cut = (row: Record<string, string>, cutTo: number, maxTokens = 1000) =>
    compile("x<Protein>{a}<BA>", row, { cutTo, maxTokens });
  assert.equal(cut(long, 20).ids.length, 20);
  assert.deepEqual(cut(long, 20).trimmed, [{ field: "a", tokens: 37 - 20 }]);
  assert.equal(cut(long, 20, 15).ids.length, 15);
  const least = cut(long, 1);
  assert.deepEqual([least.ids.length, least.trimmed], [8, [{ field: "a", tokens: 29 }]]);
  const short = cut({ a: "AA" }, 20);
  assert.deepEqual([short.ids.length, short.trimmed], [9, []]);
  assert.throws(() => cut(long, 1, 7), /needs at least 8 tokens and the limit is 7/);
});

test("a question leaves its answer room, and keeps half of the positions", () => {
  assert.deepEqual(
    [1, 8, 32, 33, 1000].map((answer) => questionPositions(64, answer)),
    [63, 56, 32, 32, 32],
  );
});

test("every prompt is covered by its pieces, fits, and differs from the full one in data fields only", () => {
  const value = fc.string({
    unit: fc.constantFrom("a", " ", "Z", "é", "<", "}", "\n"),
    minLength: 1,
    maxLength: 30,
  });
  const row = fc.record({ a: value, b: value, c: value, y: value });
  const source = "t <Protein> {a} u {b}\n<FR>{c} <BA> {y}.";
  fc.assert(
    fc.property(row, fc.integer({ min: 16, max: 90 }), fc.boolean(), (values, maxTokens, bos) => {
      fc.pre(Object.values(values).every((text) => text.trim() !== ""));
      const options = { withTarget: true, eosAfterTarget: true, bos };
      const full = compile(source, values, options);
      let prompt: Prompt;
      try {
        prompt = compile(source, values, { ...options, maxTokens });
      } catch (error) {
        assert.ok(error instanceof TagllmError && error.code === "prompts/too-long");
        return;
      }
      assert.equal(prompt.ids.length, Math.min(maxTokens, full.ids.length));
      const cut = prompt.trimmed.reduce((sum, { tokens }) => sum + tokens, 0);
      assert.equal(prompt.ids.length + cut, full.ids.length);
      assert.equal(prompt.pieces.length, full.pieces.length);
      let at = 0;
      for (const [index, piece] of prompt.pieces.entries()) {
        assert.equal(piece.start, at);
        at = piece.end;
        const whole = full.pieces[index]!;
        const kept = full.ids.slice(whole.start, whole.start + piece.end - piece.start);
        assert.deepEqual(prompt.ids.slice(piece.start, piece.end), kept);
        if (piece.kind !== "field") assert.equal(piece.end - piece.start, whole.end - whole.start);
        else assert.ok(piece.end > piece.start);
      }
      assert.equal(at, prompt.ids.length);
      assert.equal(prompt.readout, prompt.target!.start - 1);
      assert.equal(prompt.target!.end, prompt.ids.length);
    }),
  );
});

test("a very long field is trimmed in one go", () => {
  const prompt = compile("<Protein>{a} <BA>", { a: "M".repeat(200_000) }, { maxTokens: 512 });
  assert.equal(prompt.ids.length, 512);
  assert.deepEqual(prompt.trimmed, [{ field: "a", tokens: 200_000 - 507 }]);
});
