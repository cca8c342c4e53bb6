/** Prompts of function tags: how much of a row they read. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GeneratePrompt, queriesOf } from "../../src/generate/prompts.ts";
import { Base } from "../../src/models/base.ts";
import { questionPositions } from "../../src/prompts/prompt.ts";
import type { Tag } from "../../src/tags/tag.ts";
import { polyglotFolder } from "../support/goldens.ts";

let base: Base;
before(async () => {
  base = await Base.load(polyglotFolder, { threads: 1 });
});
after(() => base.close());

const say = (): Tag => ({
  name: "Say",
  kind: "function",
  vectors: new Float32Array(2 * base.architecture.hiddenSize),
  length: 2,
  width: base.architecture.hiddenSize,
  head: null,
  splitCharacters: false,
  isolate: false,
  bos: true,
  scaling: null,
  template: "{text} means <Say>",
  outputs: ["answer"],
  usesTags: [],
  base: base.fingerprint,
  provenance: {},
});

test("a question that asks a function tag is cut so that its answer has room, other text is not", () => {
  const { maxPositions } = base.architecture;
  const positions = (template: string, answerTokens: number) => {
    const prompt: GeneratePrompt = { template, fields: { text: "word ".repeat(maxPositions) } };
    const [query] = queriesOf(base, [prompt], new Map([["Say", say()]]), undefined, answerTokens);
    return query?.prompt.ids.length;
  };
  for (const tokens of [1, 64, maxPositions])
    assert.equal(positions("{text} means <Say>", tokens), questionPositions(maxPositions, tokens));
  assert.equal(positions("{text}", 64), maxPositions - 1);
});
