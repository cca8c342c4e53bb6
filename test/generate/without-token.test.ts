/** Rows of a base's vocabulary without a token of the tokenizer (padding, as Qwen2.5 has it) are never written. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { BeamWriter } from "../../src/generate/beams.ts";
import { type GenerateOptions, generate } from "../../src/generate/generate.ts";
import { chooser } from "../../src/generate/sampling.ts";
import { Base } from "../../src/models/base.ts";
import type { TextTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { polyglotFolder } from "../support/goldens.ts";

let base: Base;
before(async () => {
  base = await Base.load(polyglotFolder, { threads: 1 });
});
after(() => base.close());

/** The same base with a tokenizer that lacks these ids. */
function lacking(ids: ReadonlySet<number>): Base {
  const whole = base.tokenizer;
  const requireTokens = (asked: readonly number[]) => {
    const stranger = asked.find((id) => ids.has(id));
    if (stranger !== undefined) throw new TagllmError("tokenizer/id", `No token ${stranger}.`, "");
  };
  const tokenizer: TextTokenizer = {
    vocabSize: whole.vocabSize,
    bosId: whole.bosId,
    eosId: whole.eosId,
    addBos: whole.addBos,
    chat: whole.chat,
    fingerprint: whole.fingerprint,
    encode: (text, options) => whole.encode(text, options),
    encodeCharacters: (text, options) => whole.encodeCharacters(text, options),
    encodeMarkup: (text, options) => whole.encodeMarkup(text, options),
    isControl: (id) => whole.isControl(id),
    tokenText: (id) => whole.tokenText(id),
    hasToken: (id) => !ids.has(id) && whole.hasToken(id),
    decode: (asked, options) => {
      requireTokens([...asked]);
      return whole.decode(asked, options);
    },
  };
  return Object.create(base, { tokenizer: { value: tokenizer } }) as Base;
}

const ways: Record<string, GenerateOptions> = {
  greedy: {},
  drawn: { temperature: 1.5, seed: 3, topP: 0.99 },
  beams: { beams: 3 },
};

describe("what the base would write without regard to tokens is not written", () => {
  for (const [name, way] of Object.entries(ways)) {
    test(name, async () => {
      const prompts = ["And God said, Let there be", "Et Dieu dit"];
      const options = { ...way, maxTokens: 12, eos: [] };
      const usual = await generate(base, prompts, options);
      const inPrompts = new Set(prompts.flatMap((p) => [...base.tokenizer.encode(p, { atStart: true })]));
      const gone = new Set(usual.flatMap(({ ids }) => ids).filter((id) => !inPrompts.has(id)));
      assert.ok(gone.size > 0);
      const found = await generate(lacking(gone), prompts, options);
      for (const { ids, finish } of found) {
        assert.equal(finish, "length");
        assert.deepEqual(
          ids.filter((id) => gone.has(id)),
          [],
        );
      }
    });
  }
});

test("an end token without a token still ends a text", async () => {
  const [usual] = await generate(base, ["And God said, Let there be"], { maxTokens: 4, eos: [] });
  const end = usual!.ids[2] as number;
  const [found] = await generate(lacking(new Set([end])), ["And God said, Let there be"], { eos: [end] });
  assert.equal(found!.finish, "eos");
});

test("the tokenizer says which ids have a token", () => {
  const { tokenizer } = base;
  assert.equal(tokenizer.hasToken(tokenizer.vocabSize - 1), true);
  for (const id of [tokenizer.vocabSize, -1, 0.5]) assert.equal(tokenizer.hasToken(id), false);
});

test("a draw among one possible token takes it, whatever the others' logits", () => {
  const logits = Float32Array.of(9, 1, 8, 7);
  for (const temperature of [0, 1]) {
    const sampling = { temperature, topK: 3, topP: 0.9, minP: 0.1, repetitionPenalty: 1.2 };
    assert.equal(chooser(sampling, 1, [0, 2, 3])(logits, new Set([1])), 1);
  }
  assert.deepEqual([...logits], [9, 1, 8, 7]);
});

test("more beams than possible tokens", () => {
  const options = { beams: 4, lengthPenalty: 1, earlyStopping: false, repetitionPenalty: 1 } as const;
  const ends = { maxTokens: 3, eos: new Set<number>(), room: 100 };
  const writer = new BeamWriter([1], options, ends, () => false, [0, 3, 4]);
  const logits = Float32Array.of(9, 1, 2, 8, 7);
  let next = writer.advance([logits]);
  assert.deepEqual(next.map(({ id }) => id).sort(), [1, 2]);
  while (next.length) next = writer.advance(next.map(() => logits));
  assert.deepEqual(writer.ids, [2, 2, 2]);
});
