/**
 * A tokenizer small enough to know by heart: one token per run of letters (with the blank before it), per run
 * of blanks, and per other character. Ids are handed out in order of first sight. At the start it adds a dummy
 * prefix "▁" as SentencePiece does. It is not a model of any real tokenizer.
 */
import type { TextTokenizer } from "../../src/tokenizer/tokenizer.ts";

export function fakeTokenizer(): TextTokenizer {
  const texts = ["<s>", "</s>"];
  const idOf = (text: string) => {
    const known = texts.indexOf(text, 2);
    return known === -1 ? texts.push(text) - 1 : known;
  };
  const encodeAs =
    (pattern: RegExp) =>
    (text: string, { atStart }: { atStart: boolean }) =>
      Int32Array.from(((atStart ? "▁" : "") + text).match(pattern) ?? [], idOf);
  return {
    vocabSize: 1000,
    bosId: 0,
    eosId: 1,
    addBos: true,
    encode: encodeAs(/ ?\p{L}+|\s+|[\s\S]/gu),
    encodeCharacters: encodeAs(/[\s\S]/gu),
    encodeMarkup: encodeAs(/ ?\p{L}+|\s+|[\s\S]/gu),
    isControl: (id) => id < 2,
    hasToken: (id) => id in texts,
    chat: null,
    decode: (ids) => Array.from(ids, (id) => texts[id]).join(""),
    tokenText: (id) => texts[id] ?? "",
    fingerprint: "fake",
  };
}
