/**
 * Steps that the library does otherwise than Hugging Face's tokenizers, whose pieces these are (@anush008/tokenizers
 * 0.6.0, as in test/golden/make/tokenizers.ts).
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { tokenizerFrom, vocabulary } from "./folders.ts";

/** Cuts the text into just these pieces: any other would be the unknown token. */
async function assertPieces(step: object, text: string, pieces: readonly string[]): Promise<void> {
  const model = { type: "WordLevel", unk_token: "<unk>", vocab: vocabulary("<unk>", ...new Set(pieces)) };
  const tokenizer = await tokenizerFrom({ pre_tokenizer: step, model });
  const found = [...tokenizer.encode(text, { atStart: false })].map((id) => tokenizer.tokenText(id));
  assert.deepEqual(found, pieces, JSON.stringify(step));
}

const dash = { String: "-" };
const group = { Regex: "([-!])" };
const text = "the-final--count!!-";

const isolated = {
  dash: ["the", "-", "final", "-", "-", "count!!", "-"],
  group: ["the", "-", "final", "-", "-", "count", "!", "!", "-"],
};
const contiguous = {
  dash: ["the", "-", "final", "--", "count!!", "-"],
  group: ["the", "-", "final", "--", "count", "!!-"],
};
const withPrevious = {
  dash: ["the-", "final-", "-", "count!!-"],
  group: ["the-", "final-", "-", "count!", "!", "-"],
};
const withNext = {
  dash: ["the", "-final", "-", "-count!!", "-"],
  group: ["the", "-final", "-", "-count", "!", "!", "-"],
};
const splits: Record<string, [straight: typeof isolated, inverted: typeof isolated]> = {
  Isolated: [isolated, isolated],
  Contiguous: [contiguous, contiguous],
  MergedWithPrevious: [withPrevious, withNext],
  MergedWithNext: [withNext, withPrevious],
  Removed: [
    { dash: ["the", "final", "count!!"], group: ["the", "final", "count"] },
    { dash: ["-", "-", "-", "-"], group: ["-", "-", "-", "!", "!", "-"] },
  ],
};

for (const [behavior, expected] of Object.entries(splits)) {
  test(`Split, ${behavior}`, async () => {
    for (const [i, invert] of [false, true].entries()) {
      const step = { type: "Split", behavior, invert };
      await assertPieces({ ...step, pattern: dash }, text, expected[i]!.dash);
      await assertPieces({ ...step, pattern: group }, text, expected[i]!.group);
    }
  });
}

test("Split: signs of a text are no signs of a pattern, groups may have names, brackets stay", async () => {
  const split = { type: "Split", invert: false };
  const dotted = { ...split, pattern: { String: "(.|[" }, behavior: "MergedWithNext" };
  await assertPieces(dotted, "a(.|[b(.|", ["a", "(.|[b(.|"]);
  const named = { ...split, pattern: { Regex: "(?<mark>[(?]+)|\\(|\\s(?!b)" } };
  await assertPieces({ ...named, behavior: "MergedWithNext" }, "a(b a b", ["a", "(b", " a b"]);
  await assertPieces({ ...named, behavior: "Removed" }, "a(b a b", ["a", "b", "a b"]);
});

test("Split: a long text without a match takes no time", async () => {
  const long = "a".repeat(300_000);
  for (const behavior of Object.keys(splits))
    await assertPieces({ type: "Split", pattern: dash, behavior, invert: false }, long, [long]);
});

test("Gemma's split at blanks finds none, as its normalizer leaves none", async () => {
  const tokenizer = await tokenizerFrom({
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    pre_tokenizer: {
      type: "Split",
      pattern: { String: " " },
      behavior: "MergedWithPrevious",
      invert: false,
    },
    model: { type: "BPE", vocab: vocabulary("a", "▁", "▁a", "a▁a"), merges: ["▁ a", "a ▁a"] },
  });
  assert.deepEqual([...tokenizer.encode("a a", { atStart: false })], [3]);
});

const words = "cm² a_é́t12!?$d… a\u200db½Ⅸ\ufeffx\u0085y";

test("Punctuation: each sign alone, or as its behavior says", async () => {
  const rest = " a\u200db½Ⅸ\ufeffx\u0085y";
  await assertPieces({ type: "Punctuation" }, words, [
    ...["cm² a", "_", "é́t12", "!", "?", "$", "d", "…"],
    rest,
  ]);
  await assertPieces({ type: "Punctuation", behavior: "Contiguous" }, words, [
    ...["cm² a", "_", "é́t12", "!?$", "d", "…"],
    rest,
  ]);
  await assertPieces({ type: "Punctuation", behavior: "Removed" }, words, ["cm² a", "é́t12", "d", rest]);
});

test("words and blanks are those of Unicode", async () => {
  await assertPieces({ type: "Whitespace" }, words, [
    ...["cm", "²", "a_é́t12", "!?$", "d", "…", "a\u200db", "½", "Ⅸ", "\ufeff", "x", "y"],
  ]);
  await assertPieces({ type: "WhitespaceSplit" }, words, [
    ...["cm²", "a_é́t12!?$d…", "a\u200db½Ⅸ\ufeffx", "y"],
  ]);
  await assertPieces({ type: "BertPreTokenizer" }, words, [
    ...["cm²", "a", "_", "é́t12", "!", "?", "$", "d", "…", "a\u200db½Ⅸ\ufeffx", "y"],
  ]);
});

test("a behavior that does not exist is refused", async () => {
  const model = { type: "WordLevel", unk_token: "a", vocab: vocabulary("a") };
  for (const step of [
    { type: "Split", pattern: dash, behavior: "isolated" },
    { type: "Split", pattern: dash },
    { type: "Punctuation", behavior: "Kept" },
  ]) {
    const pre_tokenizer = { type: "Sequence", pretokenizers: [step] };
    await assert.rejects(tokenizerFrom({ pre_tokenizer, model }), {
      code: "tokenizer/invalid",
      message:
        /the behavior of (Split|Punctuation) is ("isolated"|missing|"Kept"), none of Removed, Isolated/,
    });
  }
});

test("Metaspace cuts before each of its signs, unless it says otherwise", async () => {
  const vocab = vocabulary("<unk>", "▁", "a", "b", "▁a", "▁b", "▁▁");
  const model = { type: "BPE", unk_token: "<unk>", vocab, merges: ["▁ ▁", "▁ a", "▁ b"] };
  const idsOf = async (settings: object, own: string) => {
    const step = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", ...settings };
    const tokenizer = await tokenizerFrom({ pre_tokenizer: step, model });
    return [...tokenizer.encode(own, { atStart: true })];
  };
  for (const settings of [{}, { split: true }]) {
    assert.deepEqual(await idsOf(settings, "a  b"), [4, 1, 5]);
    assert.deepEqual(await idsOf({ ...settings, prepend_scheme: "never" }, "a  b"), [2, 1, 5]);
    assert.deepEqual(await idsOf(settings, "a b"), [4, 5]);
  }
  assert.deepEqual(await idsOf({ split: false }, "a  b"), [4, 6, 3]);
});

test("unknown tokens of one word are one, those of several are not", async () => {
  const steps = { pre_tokenizer: { type: "WhitespaceSplit" } };
  const bpe = {
    type: "BPE",
    unk_token: "<unk>",
    fuse_unk: true,
    vocab: vocabulary("<unk>", "a"),
    merges: [],
  };
  const unigram = {
    type: "Unigram",
    unk_id: 0,
    vocab: [
      ["<unk>", 0],
      ["a", -1],
    ],
  };
  for (const model of [bpe, unigram]) {
    const tokenizer = await tokenizerFrom({ ...steps, model });
    const idsOf = (own: string) => [...tokenizer.encode(own, { atStart: true })];
    assert.deepEqual(idsOf("漢 字"), [0, 0], model.type);
    assert.deepEqual(idsOf("漢字 a"), [0, 1], model.type);
    assert.deepEqual(idsOf("漢 a字字"), [0, 1, 0], model.type);
  }
});

test("Lowercase and BertNormalizer go letter by letter", async () => {
  const model = { type: "WordLevel", unk_token: "<unk>", vocab: vocabulary("<unk>", "οδος", "οδοσ", "i̇") };
  const bert = { type: "BertNormalizer", lowercase: true, clean_text: true, handle_chinese_chars: true };
  const other = await tokenizerFrom({ normalizer: bert, model });
  assert.deepEqual([...other.encode("ΟΔΟΣ", { atStart: true })], [2]);
  const tokenizer = await tokenizerFrom({ normalizer: { type: "Lowercase" }, model });
  assert.deepEqual([...tokenizer.encode("ΟΔΟΣ", { atStart: true })], [2]);
  assert.deepEqual([...tokenizer.encode("İ", { atStart: true })], [3]);
});
