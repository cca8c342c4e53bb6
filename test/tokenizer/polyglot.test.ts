/** The tokenizer of the shipped base: against the library where no control token is in play, and by round trips. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { KnownTexts } from "../../src/tokenizer/known-texts.ts";
import { Tokenizer } from "../../src/tokenizer/library.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import fc from "../support/properties.ts";

const folder = new URL("../../models/polyglot-5m/", import.meta.url).pathname;
const tokenizer = await loadTokenizer(folder);
const json = (name: string) => JSON.parse(readFileSync(folder + name, "utf8"));
const library = new Tokenizer(json("tokenizer.json"), json("tokenizer_config.json"));

const places = [{ atStart: true }, { atStart: false }];
const CONTROL_IDS = [0, 1, 2];

/** Any text, and texts made of pieces of control tokens, digits, blanks and the scripts that the base knows. */
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc
    .array(
      fc.constantFrom(
        "<s>",
        "</s>",
        "<unk>",
        "<",
        "/",
        "s",
        ">",
        " ",
        "\n",
        "12",
        "² ½",
        "να",
        "Привет",
        "🧪",
        "\ufeff",
      ),
    )
    .map((parts) => parts.join("")),
);

test("facts", () => {
  const { vocabSize, bosId, eosId, addBos } = tokenizer;
  assert.deepEqual([vocabSize, bosId, eosId, addBos], [4096, 1, 2, true]);
});

test("any text comes back as it was, whole or by characters, and never holds a control token", () => {
  fc.assert(
    fc.property(anyText, fc.constantFrom(...places), (text, place) => {
      for (const ids of [tokenizer.encode(text, place), tokenizer.encodeCharacters(text, place)]) {
        assert.equal(tokenizer.decode(ids), text);
        for (const id of CONTROL_IDS) assert.ok(!ids.includes(id));
      }
    }),
    { numRuns: 1000 },
  );
});

test("without control tokens and foreign digits the ids are the library's", () => {
  const plain = anyText.filter((text) => !/<s>|<\/s>|<unk>|(?![0-9])\p{N}/u.test(text));
  fc.assert(
    fc.property(plain, fc.constantFrom(...places), (text, place) => {
      const expected = text === "" ? [] : library.encode(text, { add_special_tokens: false }).ids;
      assert.deepEqual([...tokenizer.encode(text, place)], expected);
    }),
    { numRuns: 1000 },
  );
});

test("characters are encoded alone", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const alone = [...text].flatMap((character) => [...tokenizer.encode(character, { atStart: false })]);
      assert.deepEqual([...tokenizer.encodeCharacters(text, { atStart: false })], alone);
    }),
  );
});

test("control tokens in data are letters, where the library alone would give the control token", () => {
  assert.deepEqual(library.encode("a</s>b", { add_special_tokens: false }).ids, [100, 2, 101]);
  assert.deepEqual([...tokenizer.encode("a</s>b", { atStart: true })], [100, 63, 50, 118, 65, 101]);
});

test("every numeric character is a token sequence of its own, as in the reference, where the library knows ASCII only", () => {
  const texts = ([id]: readonly number[]) => tokenizer.tokenText(id!);
  assert.equal(texts([...tokenizer.encode(" ²", { atStart: false })]), " ");
  assert.equal(texts(library.encode(" ²", { add_special_tokens: false }).ids as number[]), "<0x20><0xC2>");
});

test("lone surrogates count as U+FFFD", () => {
  assert.equal(tokenizer.decode(tokenizer.encode("a\ud83d", { atStart: true })), "a\ufffd");
  assert.equal(tokenizer.decode(tokenizer.encodeCharacters("\udc00<s>", { atStart: true })), "\ufffd<s>");
});

test("a protein of 2,549 letters takes under 50 ms", () => {
  const letters = "ACDEFGHIKLMNPQRSTVWY";
  const times = [1, 2, 3].map((seed) => {
    let state = seed;
    const next = () => {
      state = (state * 48271) % 2147483647;
      return letters[state % 20];
    };
    const word = Array.from({ length: 2549 }, next).join("");
    const started = performance.now();
    const ids = tokenizer.encode(word, { atStart: true });
    const time = performance.now() - started;
    assert.equal(tokenizer.decode(ids), word);
    return time;
  });
  assert.ok(Math.min(...times) < 50, `${times} ms`);
});

test("tokens for people to read", () => {
  const shown = (text: string) =>
    [...tokenizer.encode(text, { atStart: true })].map((id) => tokenizer.tokenText(id));
  assert.deepEqual(shown("Ελληνικά Привет"), ["Ε", "λλ", "ην", "ικά", " П", "р", "ив", "ет"]);
  assert.deepEqual(shown("€"), ["<0xE2>", "<0x82>", "<0xAC>"]);
  assert.equal(tokenizer.tokenText(1), "<s>");
});

test("decoding leaves control tokens out when asked to", () => {
  const ids = [1, ...tokenizer.encode("<s> x", { atStart: true }), 2];
  assert.equal(tokenizer.decode(ids), "<s><s> x</s>");
  assert.equal(tokenizer.decode(ids, { skipSpecial: true }), "<s> x");
  assert.equal(tokenizer.decode([]), "");
});

test("a text met before has the same ids, and they are the caller's own", () => {
  const texts = ["MKKFFDSRREQGG", "CCO", "", "MKKFFDSRREQGG"];
  const first = texts.map((text) => places.map((place) => [...tokenizer.encode(text, place)]));
  for (const place of places) tokenizer.encode("CCO", place).fill(7);
  assert.deepEqual(
    texts.map((text) => places.map((place) => [...tokenizer.encode(text, place)])),
    first,
  );
});

test("texts are remembered up to a number of characters, then all forgotten", () => {
  const known = new KnownTexts(10);
  const ids = Int32Array.of(1, 2);
  known.set("abcdef", ids);
  known.set("abcd", ids);
  known.set("abcd", ids);
  assert.equal(known.get("abcdef"), ids);
  known.set("x", ids);
  assert.deepEqual([known.get("abcdef"), known.get("abcd"), known.get("x")], [undefined, undefined, ids]);
});
