/** Binding: names, suggestions, the place of function tag and target, blanks and character splitting. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { bindTemplate, type TagSpec } from "../../src/prompts/bind.ts";
import { parseTemplate } from "../../src/prompts/template.ts";

const domain = (name: string, splitCharacters = false): TagSpec => ({
  name,
  kind: "domain",
  length: 2,
  splitCharacters,
  isolate: true,
});
const fn = (name: string): TagSpec => ({
  name,
  kind: "function",
  length: 3,
  splitCharacters: false,
  isolate: false,
});
const specs = [domain("SMILES", true), domain("EN"), domain("FR"), fn("QED"), fn("Translate")];
const tags = new Map(specs.map((spec) => [spec.name, spec]));
const fields = ["smiles", "source", "target", "y"];
const bind = (source: string, target?: string) =>
  bindTemplate(parseTemplate(source), { tags, fields, ...(target === undefined ? {} : { target }) });

test("blanks before a tag are dropped, blanks before a field are the field's, others stay text", () => {
  const bound = bind("a \t<EN>  {source} b {y}\n<FR>");
  assert.deepEqual(bound.question, [
    { kind: "text", text: "a" },
    { kind: "tag", tag: tags.get("EN") },
    { kind: "field", name: "source", blanks: "  ", splitCharacters: false, domain: tags.get("EN") },
    { kind: "text", text: " b" },
    { kind: "field", name: "y", blanks: " ", splitCharacters: false, domain: null },
    { kind: "text", text: "\n" },
    { kind: "tag", tag: tags.get("FR") },
  ]);
});

test("a line break or text between a domain tag and a field parts them", () => {
  for (const source of ["<SMILES>\n{smiles}", "<SMILES>: {smiles}", "<SMILES> <QED>"]) {
    for (const part of bind(source).question) {
      if (part.kind === "field") assert.equal(part.domain, null, source);
      if (part.kind === "field") assert.equal(part.splitCharacters, false, source);
    }
  }
});

test("the target, its blanks and the closing literal are apart from the question", () => {
  const bound = bind("The score of <SMILES> {smiles} is <QED> {y}.", "y");
  assert.equal(bound.functionTag, tags.get("QED"));
  assert.deepEqual(bound.target, { name: "y", blanks: " ", splitCharacters: false });
  assert.equal(bound.closing, ".");
  assert.deepEqual(bound.question.at(-1), { kind: "tag", tag: tags.get("QED") });
});

test("a domain tag before the function tag announces the answer's domain", () => {
  assert.equal(bind("<EN> {source} <SMILES> <Translate> {target}", "target").target?.splitCharacters, true);
  assert.equal(bind("<EN> {source} <FR> <Translate> {target}", "target").target?.splitCharacters, false);
});

test("a head's template may end at the function tag or in a literal", () => {
  for (const [source, closing] of [
    ["{smiles} <QED>", ""],
    ["{smiles} <QED>.", "."],
  ] as const) {
    const bound = bind(source);
    assert.equal(bound.target, null);
    assert.equal(bound.closing, closing);
  }
});

test("the target need not be a column: there are no answers when predicting", () => {
  const bound = bindTemplate(parseTemplate("{smiles} <QED> {y}"), { tags, fields: ["smiles"], target: "y" });
  assert.equal(bound.target?.name, "y");
});

const mistakes: [source: string, target: string | undefined, code: string, includes: string][] = [
  ["<SMILE> {smiles}", undefined, "prompts/unknown-tag", 'Did you mean "SMILES"?'],
  ["<Zzzzzz> {smiles}", undefined, "prompts/unknown-tag", "Known tags: SMILES, EN, FR, QED, Translate."],
  ["a\n <SMILES> {Smiles}", undefined, "prompts/unknown-field", 'Did you mean "smiles"?'],
  ["a\n <SMILES> {Smiles}", undefined, "prompts/unknown-field", "(line 2, column 11)"],
  ["{smiles} <QED> <Translate>", undefined, "prompts/two-function-tags", '"QED" and "Translate"'],
  ["<QED> {smiles}", undefined, "prompts/function-tag", "{smiles} stands after the function tag <QED>"],
  ["<QED> {smiles}", "y", "prompts/function-tag", "{y}"],
  ["{smiles} <QED> <SMILES>", undefined, "prompts/function-tag", "<SMILES> stands after"],
  ["{smiles} <QED> {y} and {source}", "y", "prompts/function-tag", "{source}"],
  ["{smiles} <QED> is {y}", "y", "prompts/target", '"<QED> {y}"'],
  ["{y} <QED> {y}", "y", "prompts/target", "(line 1, column 1)"],
  ["{smiles} <QED> {y}{y}", "y", "prompts/target", "(line 1, column 19)"],
  ["{smiles} is {y}", "y", "prompts/target", "End the template with a function tag"],
];

for (const [source, target, code, includes] of mistakes) {
  test(`${code}: ${JSON.stringify(source)} says ${includes}`, () => {
    assert.throws(
      () => bind(source, target),
      (error) => error instanceof TagllmError && error.code === code && error.message.includes(includes),
    );
  });
}
