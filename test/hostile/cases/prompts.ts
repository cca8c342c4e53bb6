/** Templates and rows made to break prompts. */
import { bindTemplate, type TagSpec } from "../../../src/prompts/bind.ts";
import { compilePrompt, type PromptOptions } from "../../../src/prompts/prompt.ts";
import { parseTemplate } from "../../../src/prompts/template.ts";
import { fakeTokenizer } from "../../prompts/fake-tokenizer.ts";
import type { HostileCase } from "./case.ts";

type Attack = Omit<HostileCase, "category">;

const specs: TagSpec[] = [
  { name: "SMILES", kind: "domain", length: 10, splitCharacters: true, isolate: true },
  { name: "QED", kind: "function", length: 10, splitCharacters: false, isolate: false },
  { name: "LogP", kind: "function", length: 10, splitCharacters: false, isolate: false },
];
const tags = new Map(specs.map((spec) => [spec.name, spec]));
const goodRow = { smiles: "CCO", y: "0.4" };

function attack(source: string, row: Record<string, string> = goodRow, options: Partial<PromptOptions> = {}) {
  return async () => {
    const bound = bindTemplate(parseTemplate(source), { tags, fields: ["smiles", "y"], target: "y" });
    const defaults = {
      tokenizer: fakeTokenizer(),
      maxTokens: 64,
      bos: true,
      withTarget: true,
      eosAfterTarget: true,
    };
    return compilePrompt(bound, row, { ...defaults, ...options });
  };
}

const good = "<SMILES> {smiles} <QED> {y}";
const withoutBos = { ...fakeTokenizer(), bosId: null };

const cases: Attack[] = [
  { name: "empty template", code: "prompts/empty", mentions: ["empty"], run: attack("") },
  {
    name: "template of nothing but vectorless parts",
    code: "prompts/empty",
    mentions: ['"<Nil>"'],
    run: nothingToRead,
  },
  {
    name: "tag never closed",
    code: "prompts/unclosed",
    mentions: ["line 2, column 6"],
    run: attack("# In:\nx is <SMILES {smiles}"),
  },
  {
    name: "field never closed",
    code: "prompts/unclosed",
    mentions: ["{smiles <QED>"],
    run: attack("{smiles <QED>"),
  },
  {
    name: "a megabyte of unclosed brackets",
    code: "prompts/unclosed",
    mentions: ["column 1"],
    run: attack("<".repeat(1 << 20)),
  },
  { name: "stray closing bracket", code: "prompts/stray", mentions: ['">"'], run: attack("a -> b") },
  {
    name: "tag name that is a path",
    code: "prompts/name",
    mentions: ['"../../etc/passwd"'],
    run: attack("<../../etc/passwd>"),
  },
  {
    name: "tag name with a look-alike letter",
    code: "prompts/name",
    mentions: ["SМILES"],
    run: attack("<SМILES> {smiles}"),
  },
  { name: "field without a name", code: "prompts/name", mentions: ['"{}"'], run: attack("<SMILES> {}") },
  { name: "unknown escape", code: "prompts/escape", mentions: ['"t"'], run: attack("a\\tb") },
  {
    name: "lone backslash at the end",
    code: "prompts/escape",
    mentions: ["lone backslash"],
    run: attack("{smiles}\\"),
  },
  {
    name: "tag that does not exist",
    code: "prompts/unknown-tag",
    mentions: ['Did you mean "SMILES"?'],
    run: attack("<SMILE> {smiles}"),
  },
  {
    name: "tag named like an object's method",
    code: "prompts/unknown-tag",
    mentions: ['"constructor"'],
    run: attack("<constructor> {smiles}"),
  },
  {
    name: "field that does not exist",
    code: "prompts/unknown-field",
    mentions: ['"smiels"'],
    run: attack("<SMILES> {smiels}"),
  },
  {
    name: "two function tags",
    code: "prompts/two-function-tags",
    mentions: ['"QED" and "LogP"'],
    run: attack("<QED> <LogP> {y}"),
  },
  {
    name: "function tag before the data",
    code: "prompts/function-tag",
    mentions: ["{smiles}"],
    run: attack("<QED> {smiles}"),
  },
  {
    name: "target in the question",
    code: "prompts/target",
    mentions: ["{y}"],
    run: attack("It is {y}. <QED> {y}"),
  },
  {
    name: "text target asked of a template without one",
    code: "prompts/no-target",
    mentions: ['"{smiles} <QED>"'],
    run: attack("{smiles} <QED>"),
  },
  {
    name: "row without a field",
    code: "prompts/missing-field",
    mentions: ['"smiles"'],
    run: attack(good, { y: "1" }),
  },
  {
    name: "field only on the prototype",
    code: "prompts/missing-field",
    mentions: ['"smiles"'],
    run: attack(good, Object.create(goodRow)),
  },
  {
    name: "blank value",
    code: "prompts/empty-field",
    mentions: ['" \\n\\t"'],
    run: attack(good, { smiles: " \n\t", y: "1" }),
  },
  {
    name: "limit below tags and text",
    code: "prompts/too-long",
    mentions: ["limit is 20"],
    run: attack(good, goodRow, { maxTokens: 20 }),
  },
  {
    name: "target longer than the limit",
    code: "prompts/too-long",
    mentions: ["1000 of target"],
    run: attack(good, { smiles: "C", y: "-".repeat(999) }),
  },
  {
    name: "limit that is not a number",
    code: "prompts/too-long",
    mentions: ["NaN"],
    run: attack(good, goodRow, { maxTokens: Number.NaN }),
  },
  {
    name: "BOS of a tokenizer that has none",
    code: "prompts/control-token",
    mentions: ["BOS"],
    run: attack(good, goodRow, { tokenizer: withoutBos }),
  },
];

async function nothingToRead(): Promise<unknown> {
  const nil: TagSpec = { name: "Nil", kind: "function", length: 0, splitCharacters: false, isolate: false };
  const bound = bindTemplate(parseTemplate("<Nil>"), { tags: new Map([["Nil", nil]]), fields: [] });
  const tokenizer = fakeTokenizer();
  return compilePrompt(
    bound,
    {},
    { tokenizer, maxTokens: 8, bos: false, withTarget: false, eosAfterTarget: false },
  );
}

export const promptCases: HostileCase[] = cases.map((each) => ({ category: "templates and rows", ...each }));
