/** The template grammar: what parses, and what each mistake says and where it points. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { parseTemplate } from "../../src/prompts/template.ts";
import fc from "../support/properties.ts";

const caught = (source: string): TagllmError => {
  try {
    parseTemplate(source);
  } catch (error) {
    assert.ok(error instanceof TagllmError);
    return error;
  }
  return assert.fail(`${JSON.stringify(source)} parsed`);
};

test("text, tags and fields, in order and with their places", () => {
  assert.deepEqual(parseTemplate("In: <SMILES> {Drug name}.\n<QED>").pieces, [
    { kind: "text", text: "In: " },
    { kind: "tag", name: "SMILES", position: 4 },
    { kind: "text", text: " " },
    { kind: "field", name: "Drug name", position: 13 },
    { kind: "text", text: ".\n" },
    { kind: "tag", name: "QED", position: 26 },
  ]);
});

test("escaped characters are text and join the text around them", () => {
  assert.deepEqual(parseTemplate("a \\<b\\> \\{c\\} \\\\ d").pieces, [
    { kind: "text", text: "a <b> {c} \\ d" },
  ]);
});

test("every text survives being escaped", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
      const source = text.replace(/[<>{}\\]/g, "\\$&");
      assert.deepEqual(parseTemplate(source).pieces, [{ kind: "text", text }]);
    }),
  );
});

test("parsing any string gives pieces or a marked error, and pieces rebuild the source", () => {
  const unit = fc.constantFrom("<", ">", "{", "}", "\\", "a", "B", " ", "\n", "é", "😀");
  fc.assert(
    fc.property(fc.string({ unit, minLength: 1, maxLength: 20 }), (source) => {
      let rebuilt = "";
      try {
        for (const piece of parseTemplate(source).pieces) {
          if (piece.kind === "text") rebuilt += piece.text.replace(/[<>{}\\]/g, "\\$&");
          else if (piece.kind !== "chat")
            rebuilt += piece.kind === "tag" ? `<${piece.name}>` : `{${piece.name}}`;
        }
      } catch (error) {
        assert.ok(error instanceof TagllmError);
        assert.match(error.problem, /\(line \d+, column \d+\):\n {2}.*\n +\^\n$/);
        return;
      }
      assert.equal(rebuilt, source);
    }),
    { numRuns: 500 },
  );
});

const mistakes: [source: string, code: string, line: number, column: number][] = [
  ["", "prompts/empty", 0, 0],
  ["a <b", "prompts/unclosed", 1, 3],
  ["a <b\n>", "prompts/unclosed", 1, 3],
  ["ok\nvalue {x\n", "prompts/unclosed", 2, 7],
  ["{a {b}", "prompts/unclosed", 1, 1],
  ["<a <b>", "prompts/unclosed", 1, 1],
  ["a > b", "prompts/stray", 1, 3],
  ["one\ntwo\n}", "prompts/stray", 3, 1],
  ["<>", "prompts/name", 1, 1],
  ["{}", "prompts/name", 1, 1],
  ["{ \t}", "prompts/name", 1, 1],
  ["if 1 < 2 and 3 > 2", "prompts/name", 1, 6],
  ["<../../etc>", "prompts/name", 1, 1],
  [`<${"x".repeat(65)}>`, "prompts/name", 1, 1],
  ["a\\", "prompts/escape", 1, 2],
  ["a\\n", "prompts/escape", 1, 2],
  ["😀\\q", "prompts/escape", 1, 2],
];

for (const [source, code, line, column] of mistakes) {
  test(`${code}: ${JSON.stringify(source)}`, () => {
    const error = caught(source);
    assert.equal(error.code, code);
    if (line > 0) assert.ok(error.message.includes(`(line ${line}, column ${column})`), error.message);
  });
}

test("the caret stands under the mistake", () => {
  const error = caught("first\n# Input: <SMILES {x}");
  assert.deepEqual(error.problem.split("\n").slice(1, 3), ["  # Input: <SMILES {x}", "           ^"]);
});

test("a long line is cut around the mistake", () => {
  const error = caught(`${"x".repeat(5000)}<${"y".repeat(5000)}`);
  assert.ok(error.message.length < 400, String(error.message.length));
  const [, shown, caret] = error.problem.split("\n");
  assert.equal(shown?.[caret?.indexOf("^") ?? -1], "<");
});
