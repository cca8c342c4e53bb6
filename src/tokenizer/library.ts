/**
 * The parts of @huggingface/tokenizers that are used, and the only import of it. They are typed here because the
 * package's own declarations import each other without file extensions, which Node's resolution does not find.
 */

import * as library from "@huggingface/tokenizers";
import type { JsonObject } from "../json-file.ts";

/** Pieces of text to tokens, as text; `vocab` gives the text of an id and is used only to decode. */
export interface LibraryModel {
  tokens_to_ids: Map<string, number>;
  vocab: string[];
  unk_token: string | undefined;
  unk_token_id: number | undefined;
  readonly end_of_word_suffix: string | undefined;
  encode(words: string[]): string[];
  /** `encode`, with unknown tokens that meet made one where the model says so. */
  _call(words: string[]): string[];
}

export interface LibraryTokenizer {
  model: LibraryModel;
  readonly decoder: { added_tokens: LibraryAddedToken[]; end_of_word_suffix: string | undefined } | null;
  /** An id is undefined where the model gave a token without one. */
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string;
}

export interface LibraryAddedToken {
  readonly content: string;
}

interface Library {
  Tokenizer: new (tokenizer: JsonObject, config: JsonObject) => LibraryTokenizer;
  AddedToken: new (entry: JsonObject) => LibraryAddedToken;
  Model: new (config: JsonObject) => LibraryModel;
  BPE: new (config: JsonObject) => LibraryModel & { readonly byte_fallback: boolean };
  WordPiece: new (config: JsonObject) => LibraryModel;
  Unigram: new (config: JsonObject, eosToken: string) => LibraryModel;
}

export const { Tokenizer, AddedToken, Model, BPE, WordPiece, Unigram } = library as unknown as Library;
