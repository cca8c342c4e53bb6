/**
 * The model inside a tokenizer (text piece to tokens), made so that it can never produce a control token: in its
 * vocabulary each control token carries a name that no well-formed text contains. Where the library, and the
 * reference, would drop a character or fail, these models say which character has no token.
 */

import { TagllmError } from "../errors.ts";
import type { JsonObject } from "../json-file.ts";
import { quote } from "../suggest.ts";
import type { TokenizerFiles } from "./files.ts";
import { BPE, type LibraryModel, Model, Unigram, WordPiece } from "./library.ts";

/** The longest token that is looked for inside a word that is itself no token. */
const LONGEST_PIECE = 64;

/** Builds the model of `files`; `control` are the tokens that text must never become. */
export function makeModel(files: TokenizerFiles, control: ReadonlySet<string>): LibraryModel {
  const model = hideControlTokens(files, control);
  switch (files.modelType) {
    case "BPE":
      return new StrictBpe(model);
    case "WordLevel":
      return new WordLevel(model);
    case "WordPiece":
      return new WordPiece(model);
    case "Unigram":
      return new UnigramByWord(model, "");
  }
}

/** A lone surrogate cannot come out of well-formed text, so no text matches this name. */
function hiddenName(token: string): string {
  return `\udc00${token}`;
}

function hideControlTokens(files: TokenizerFiles, control: ReadonlySet<string>): JsonObject {
  const model = files.tokenizer.model as JsonObject;
  const name = (token: string) => (control.has(token) ? hiddenName(token) : token);
  const { vocab, unk_token, merges } = model;
  const renamed = Array.isArray(vocab)
    ? (vocab as [string, number][]).map(([piece, score]) => [name(piece), score])
    : Object.fromEntries(Object.entries(vocab as JsonObject).map(([token, id]) => [name(token), id]));
  const joined = (merge: string | string[]) =>
    typeof merge === "string" ? merge.replace(" ", "") : merge.join("");
  return {
    ...model,
    vocab: renamed,
    ...(typeof unk_token === "string" && { unk_token: name(unk_token) }),
    ...(Array.isArray(merges) && { merges: merges.filter((merge) => !control.has(joined(merge))) }),
  };
}

/** Unknown tokens that meet are one within a word only. */
class UnigramByWord extends Unigram {
  override _call(words: string[]): string[] {
    return words.flatMap((word) => super._call([word]));
  }
}

/** BPE that refuses a character it has no token for when there is no unknown token to stand for it. */
class StrictBpe extends BPE {
  override _call(words: string[]): string[] {
    return words.flatMap((word) => super._call([word]));
  }

  override encode(words: string[]): string[] {
    if (this.unk_token_id === undefined && !this.end_of_word_suffix) {
      for (const word of words) this.#checkCharacters(word);
    }
    return super.encode(words);
  }

  #checkCharacters(word: string): void {
    for (const character of word) {
      if (!this.tokens_to_ids.has(character) && !this.#hasBytesOf(character))
        throw unknownText(character, word);
    }
  }

  #hasBytesOf(character: string): boolean {
    if (!this.byte_fallback) return false;
    return Array.from(Buffer.from(character), byteToken).every((token) => this.tokens_to_ids.has(token));
  }
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/**
 * WordLevel, which the library lacks: a word is a token, or the unknown token. Where there is no unknown token the
 * reference fails; here the word is then cut into the longest tokens that fit, from left to right (for a SMILES
 * vocabulary: bracket atoms, two-letter elements, single characters).
 */
class WordLevel extends Model {
  constructor(model: JsonObject) {
    super(model);
    this.tokens_to_ids = new Map(Object.entries(model.vocab as Record<string, number>));
    for (const [token, id] of this.tokens_to_ids) this.vocab[id] = token;
    const unknown = model.unk_token;
    if (typeof unknown === "string" && this.tokens_to_ids.has(unknown)) this.unk_token = unknown;
  }

  override encode(words: string[]): string[] {
    return words.flatMap((word) => {
      if (this.tokens_to_ids.has(word)) return [word];
      return this.unk_token === undefined ? this.#pieces(word) : [this.unk_token];
    });
  }

  #pieces(word: string): string[] {
    const pieces: string[] = [];
    let at = 0;
    while (at < word.length) {
      let end = Math.min(word.length, at + LONGEST_PIECE);
      while (end > at && !this.tokens_to_ids.has(word.slice(at, end))) end--;
      if (end === at) throw unknownText(String.fromCodePoint(word.codePointAt(at)!), word);
      pieces.push(word.slice(at, end));
      at = end;
    }
    return pieces;
  }
}

export function unknownText(character: string, text: string): TagllmError {
  const codePoint = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
  return new TagllmError(
    "tokenizer/unknown-text",
    `The tokenizer has no token for ${quote(character)} (U+${codePoint}) in ${quote(text)}, nor one for unknown text.`,
    "Remove it from the data, or use a base model whose tokenizer covers it.",
  );
}
