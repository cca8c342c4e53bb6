/** Tokenizers of each kind, small enough that the expected ids can be read off their vocabulary. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { sentencePiece, tokenizerFrom, unigram, vocabulary, wordLevel } from "./folders.ts";

const start = { atStart: true };
const later = { atStart: false };

test("SentencePiece: the dummy prefix comes only at the start of a prompt", async () => {
  const tokenizer = await tokenizerFrom(sentencePiece);
  assert.deepEqual([...tokenizer.encode("ab ab", start)], [9, 9]);
  assert.deepEqual([...tokenizer.encode("ab ab", later)], [8, 9]);
  assert.deepEqual([...tokenizer.encode(" ab", later)], [9]);
  assert.deepEqual([...tokenizer.encode("", start)], []);
  assert.deepEqual([...tokenizer.encodeCharacters("abb", start)], [5, 6, 7, 7]);
  assert.deepEqual([...tokenizer.encodeCharacters("abb", later)], [6, 7, 7]);
});

test("SentencePiece: characters without a token become bytes, or the unknown token once", async () => {
  const tokenizer = await tokenizerFrom(sentencePiece);
  assert.deepEqual([...tokenizer.encode("aα", later)], [6, 3, 4]);
  assert.equal(tokenizer.decode(tokenizer.encode("abα ab", start)), "abα ab");
  assert.deepEqual([...tokenizer.encode("aя", later)], [6, 0]);
});

test("SentencePiece: a control token in text is its characters, although merges lead to it", async () => {
  const tokenizer = await tokenizerFrom(sentencePiece);
  assert.deepEqual([...tokenizer.encode("</s>", later)], [15, 12]);
  assert.deepEqual([...tokenizer.encode("a<s>b", later)], [6, 10, 11, 12, 7]);
  assert.equal(tokenizer.decode(tokenizer.encode("a</s>b<s>", start)), "a</s>b<s>");
});

test("WordLevel: a word is one token, an unknown one its longest pieces", async () => {
  const tokenizer = await tokenizerFrom(wordLevel);
  assert.deepEqual([...tokenizer.encode("[C@@H]", later)], [4]);
  assert.deepEqual([...tokenizer.encode("C(Cl)[C@@H]C", start)], [2, 5, 3, 6, 4, 2]);
  assert.deepEqual([...tokenizer.encodeCharacters("CCl", start)], [2, 2, 12]);
  assert.deepEqual([...tokenizer.encode("<BOS>", start)], [7, 8, 9, 10, 11]);
  assert.equal(tokenizer.decode([0, 2, 3, 4, 1]), "<BOS>CCl[C@@H]<EOS>");
  assert.equal(tokenizer.decode([0, 2, 3, 4, 1], { skipSpecial: true }), "CCl[C@@H]");
});

test("WordLevel: with an unknown token in the vocabulary, unknown words are that token, its own name too", async () => {
  const model = {
    type: "WordLevel",
    unk_token: "<unk>",
    vocab: vocabulary("<unk>", "the", "naïve", "δοκιμή"),
  };
  const tokenizer = await tokenizerFrom({ pre_tokenizer: { type: "Whitespace" }, model });
  assert.deepEqual([...tokenizer.encode("the naïve  δοκιμή failed", later)], [1, 2, 3, 0]);
  assert.deepEqual([...tokenizer.encode("<unk>", later)], [0, 0, 0]);
});

test("Unigram: the best pieces by score, never the piece of a control token", async () => {
  const tokenizer = await tokenizerFrom(unigram);
  assert.deepEqual([...tokenizer.encode("a a", start)], [4, 4]);
  assert.deepEqual([...tokenizer.encode("a a", later)], [3, 4]);
  assert.deepEqual([...tokenizer.encode("</s>", later)], [5, 6, 7, 8]);
  assert.deepEqual([...tokenizer.encode("é", later)], [0]);
  assert.equal(tokenizer.decode([4, 4]), "a a");
});

test("added tokens that are not special match inside text, as in Hugging Face's tokenizers", async () => {
  const added_tokens = [
    ...(sentencePiece.added_tokens as object[]),
    { id: 16, content: "<think>", special: false },
  ];
  const tokenizer = await tokenizerFrom({ ...sentencePiece, added_tokens });
  assert.deepEqual([...tokenizer.encode("a<think>b", later)], [6, 16, 7]);
  assert.equal(tokenizer.tokenText(16), "<think>");
});

test("a token is a control token when any file says so", async () => {
  const added_tokens = [
    { id: 16, content: "<pad>", special: false },
    { id: 17, content: "<end>", special: false },
  ];
  const config = {
    eos_token: { content: "<end>", lstrip: false },
    added_tokens_decoder: { 16: { content: "<pad>", special: true } },
  };
  const tokenizer = await tokenizerFrom({ ...sentencePiece, added_tokens }, config);
  assert.equal(tokenizer.eosId, 17);
  for (const text of ["a<pad>b", "a<end>b", "<s>", "<unk>"]) {
    const ids = [...tokenizer.encode(text, later)];
    assert.ok(!ids.some((id) => id === 1 || id >= 16), `${text}: ${ids}`);
  }
});

test("a text that shares its id with a control token is not encoded as that token", async () => {
  const added_tokens = [{ id: 9, content: "<stop>", special: true }];
  const tokenizer = await tokenizerFrom({ ...sentencePiece, added_tokens });
  assert.deepEqual([...tokenizer.encode(" ab", later)], [5, 8]);
});

test("BOS: from the config, from the template, or none; an object or text", async () => {
  const facts = async (config?: Record<string, unknown>, tokenizer = sentencePiece) => {
    const { bosId, eosId, addBos } = await tokenizerFrom(tokenizer, config);
    return [bosId, eosId, addBos];
  };
  assert.deepEqual(await facts(), [1, null, true]);
  assert.deepEqual(await facts({ bos_token: "<s>", eos_token: "</s>" }), [1, 2, true]);
  assert.deepEqual(await facts({ bos_token: { content: "<s>" }, add_bos_token: false }), [1, null, false]);
  assert.deepEqual(await facts({ bos_token: "</s>" }), [2, null, false]);
  const processors = [{ type: "ByteLevel" }, sentencePiece.post_processor];
  assert.deepEqual(await facts({}, { ...sentencePiece, post_processor: { type: "Sequence", processors } }), [
    1,
    null,
    true,
  ]);
  const roberta = { type: "RobertaProcessing", cls: ["<s>", 1], sep: ["</s>", 2] };
  assert.deepEqual(await facts({ bos_token: "<s>" }, { ...sentencePiece, post_processor: roberta }), [
    1,
    null,
    true,
  ]);
  assert.deepEqual(await facts({ bos_token: null }, { ...sentencePiece, post_processor: null }), [
    null,
    null,
    false,
  ]);
  assert.deepEqual(await facts({ bos_token: "<s>" }, { ...sentencePiece, post_processor: null }), [
    1,
    null,
    false,
  ]);
});

test("the prefix space of a byte-level tokenizer comes only at the start of a prompt", async () => {
  const model = { type: "BPE", vocab: vocabulary("a", "Ġ", "Ġa"), merges: ["Ġ a"] };
  const step = { type: "ByteLevel", add_prefix_space: true };
  const tokenizer = await tokenizerFrom({ pre_tokenizer: step, decoder: step, model });
  assert.deepEqual([...tokenizer.encode("a a", start)], [2, 2]);
  assert.deepEqual([...tokenizer.encode("a a", later)], [0, 2]);
  assert.equal(tokenizer.tokenText(2), " a");
});

/** "<x>" (16) and the control tokens; what else is said of them all. */
const withTokens = (said: object) => ({
  ...sentencePiece,
  added_tokens: [...(sentencePiece.added_tokens as object[]), { id: 16, content: "<x>", special: false }].map(
    (token) => ({ ...token, normalized: false, ...said }),
  ),
});

test("a prefix before every section of a text comes again after an added token", async () => {
  const metaspace = (prepend_scheme: string) => ({
    ...withTokens({}),
    normalizer: null,
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme, split: false },
  });
  for (const [json, again] of [
    [withTokens({}), 9],
    [metaspace("always"), 9],
    [metaspace("first"), 8],
    [metaspace("never"), 8],
  ] as const) {
    const tokenizer = await tokenizerFrom(json);
    const markup = (text: string, place = later) => [...tokenizer.encodeMarkup(text, place)];
    assert.deepEqual(markup("<s>ab<x>ab", start), [1, again, 16, again]);
    assert.deepEqual(markup("ab</s>ab"), [8, 2, again]);
    assert.deepEqual([...tokenizer.encode("ab<x>ab<s>", later)].slice(0, 3), [8, 16, again]);
    for (const [after, expected] of [
      [1, again],
      [16, again],
      [8, 8],
    ] as const) {
      const place = { atStart: false, after };
      assert.deepEqual([...tokenizer.encode("ab", place)], [expected]);
      assert.deepEqual(markup("ab<s>", place), [expected, 1]);
    }
    const characters = [...tokenizer.encodeCharacters("ab", { atStart: false, after: 1 })];
    assert.deepEqual(characters, again === 9 ? [5, 6, 7] : [6, 7]);
  }
});

test("a prefix that a normalizer writes does not come again after a token that is found behind it", async () => {
  const tokenizer = await tokenizerFrom(withTokens({ normalized: true }));
  assert.deepEqual([...tokenizer.encode("ab", { atStart: false, after: 16 })], [8]);
});

test("blanks go to the added token before them where it says so", async () => {
  const tokenizer = await tokenizerFrom(withTokens({ rstrip: true }));
  const place = { atStart: false, after: 2 };
  assert.deepEqual([...tokenizer.encode(" \n ab ab", place)], [9, 9]);
  assert.deepEqual([...tokenizer.encodeCharacters("  ab", place)], [5, 6, 7]);
  assert.deepEqual([...tokenizer.encodeMarkup(" </s> ab<x>  ab", place)], [2, 9, 16, 9]);
  assert.deepEqual([...tokenizer.encode(" ab", { atStart: false, after: 9 })], [9]);
});

test("a byte-level prefix space comes again after an added token, too", async () => {
  const model = { type: "BPE", vocab: vocabulary("a", "Ġ", "Ġa", "<e>"), merges: ["Ġ a"] };
  const added_tokens = [{ id: 3, content: "<e>", special: true }];
  const ids = async (add_prefix_space: boolean) => {
    const step = { type: "ByteLevel", add_prefix_space };
    const tokenizer = await tokenizerFrom({ added_tokens, pre_tokenizer: step, decoder: step, model });
    return [...tokenizer.encodeMarkup("a<e>a", start)];
  };
  assert.deepEqual(await ids(true), [2, 3, 2]);
  assert.deepEqual(await ids(false), [0, 3, 0]);
});

test("an old Metaspace step without a prefix never gets one", async () => {
  const step = { type: "Metaspace", replacement: "▁", add_prefix_space: false };
  const tokenizer = await tokenizerFrom({ ...unigram, pre_tokenizer: step });
  assert.deepEqual([...tokenizer.encode("a", start)], [3]);
});

test("the fingerprint follows meaning: key order and spelling are free, vocabulary and BOS are not", async () => {
  const base = (await tokenizerFrom(sentencePiece, { bos_token: "<s>" })).fingerprint;
  const reversed = Object.fromEntries(Object.entries(sentencePiece).reverse());
  const same = await tokenizerFrom(reversed, { bos_token: { content: "<s>" }, model_max_length: 5 });
  assert.equal(same.fingerprint, base);
  assert.match(base, /^[0-9a-f]{64}$/);
  const model = { ...(sentencePiece.model as object), merges: ["a b"] };
  assert.notEqual((await tokenizerFrom({ ...sentencePiece, model }, { bos_token: "<s>" })).fingerprint, base);
  assert.notEqual((await tokenizerFrom(sentencePiece, { bos_token: "</s>" })).fingerprint, base);
  assert.notEqual((await tokenizerFrom(sentencePiece, { add_bos_token: false })).fingerprint, base);
});

test("an added token without a row in the embedding is refused as text, also between sections with a prefix", async () => {
  const entry = { id: 7, content: "[X]", special: false, normalized: false };
  const added = { ...sentencePiece, added_tokens: [...(sentencePiece.added_tokens as object[]), entry] };
  const tokenizer = (rows?: number) => tokenizerFrom(added, undefined, { ...(rows && { rows }) });
  const { vocab } = sentencePiece.model as { vocab: Record<string, number> };
  entry.id = 1 + Math.max(...Object.values(vocab));
  const whole = await tokenizer();
  assert.ok([...whole.encode("a[X]b", { atStart: true })].includes(entry.id));
  const cut = await tokenizer(entry.id);
  assert.equal(cut.vocabSize, entry.id);
  assert.throws(() => cut.encode("a[X]b", { atStart: true }), { code: "tokenizer/unknown-text" });
});

test("an added token that matches whole words only is not supported, and said so", async () => {
  const entry = { id: 99, content: "ab", single_word: true, special: false, normalized: false };
  const added = { ...sentencePiece, added_tokens: [...(sentencePiece.added_tokens as object[]), entry] };
  await assert.rejects(tokenizerFrom(added), { code: "tokenizer/invalid", message: /"ab".*single_word/ });
});
