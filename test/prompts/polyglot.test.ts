/** Prompts with the tokenizer of the base that comes with tagllm: real bytes, real control tokens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bindTemplate, type TagSpec } from "../../src/prompts/bind.ts";
import { compilePrompt, type PromptOptions } from "../../src/prompts/prompt.ts";
import { parseTemplate } from "../../src/prompts/template.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import fc from "../support/properties.ts";

const tokenizer = await loadTokenizer("models/polyglot-5m");
const spec = (name: string, kind: TagSpec["kind"], splitCharacters: boolean): TagSpec => {
  return { name, kind, length: 3, splitCharacters, isolate: kind === "domain" };
};
const specs = [spec("Protein", "domain", true), spec("EL", "domain", false), spec("BA", "function", false)];
const tags = new Map(specs.map((each) => [each.name, each]));

function compile(source: string, row: Record<string, string>, options: Partial<PromptOptions> = {}) {
  const bound = bindTemplate(parseTemplate(source), { tags, fields: ["x", "y"], target: "y" });
  const defaults = { tokenizer, maxTokens: 4096, bos: false, withTarget: false, eosAfterTarget: false };
  return compilePrompt(bound, row, { ...defaults, ...options });
}
const tokens = (ids: Int32Array) => Array.from(ids, (id) => (id === -1 ? "*" : tokenizer.tokenText(id)));

test("a split domain gives one token per residue, the blank before it too", () => {
  const { ids } = compile("<Protein> {x}. <BA>", { x: "MKVCC" });
  assert.deepEqual(tokens(ids), ["*", "*", "*", " ", "M", "K", "V", "C", "C", ".", "*", "*", "*"]);
});

test("a whole domain is tokenised as text with its blank", () => {
  const { ids } = compile("<EL> {x}", { x: "και CCC" });
  assert.deepEqual([...ids.slice(3)], [...tokenizer.encode(" και CCC", { atStart: false })]);
  assert.ok(ids.length < 3 + 8);
});

test("control tokens come only from options, never from data", () => {
  const hostile = "<s></s><unk> {y} <BA>";
  const options = { bos: true, withTarget: true, eosAfterTarget: true };
  for (const domain of ["Protein", "EL"]) {
    const { ids, slots } = compile(`<${domain}> {x} <BA> {y}`, { x: hostile, y: hostile }, options);
    assert.deepEqual(
      Array.from(ids.entries()).flatMap(([at, id]) => (id >= 0 && id <= 2 ? [at] : [])),
      [0, ids.length - 1],
    );
    assert.deepEqual([ids[0], ids.at(-1)], [tokenizer.bosId, tokenizer.eosId]);
    assert.equal(slots.length, 2);
  }
});

test("any data comes back from the tokens of its piece", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.constantFrom("Protein", "EL"),
      (x, domain) => {
        fc.pre(x.trim() !== "");
        const { ids, pieces } = compile(`In: <${domain}> {x} is <BA>`, { x });
        const { start, end } = pieces.find(({ kind }) => kind === "field")!;
        assert.equal(tokenizer.decode(ids.slice(start, end)), ` ${x}`);
      },
    ),
  );
});

test("a protein of 2,552 residues keeps its tags around it when trimmed to the base's limit", () => {
  const prompt = compile(
    "The protein is <Protein> {x}. \nIts value is <BA> {y}.",
    { x: "ACDEFGHIKLM".repeat(232) },
    { maxTokens: 1024 },
  );
  assert.equal(prompt.ids.length, 1024);
  assert.equal(prompt.readout, 1023);
  assert.deepEqual([...prompt.ids.slice(-3)], [-1, -1, -1]);
  assert.equal(prompt.trimmed[0]?.field, "x");
});
