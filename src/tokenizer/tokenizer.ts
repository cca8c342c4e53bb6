/**
 * Text to token ids and back, on @huggingface/tokenizers, with what prompts need and the library lacks: text never
 * becomes a control token, no BOS or EOS is added, and a dummy prefix (the "▁" of SentencePiece) appears only at the
 * start of a prompt and, where the tokenizer has one for every section of a text, after an added token. Ids are
 * otherwise those of the library without special tokens.
 * Not here: truncation, padding, which prompt gets BOS (prompts/).
 */

import { createHash } from "node:crypto";
import { TagllmError } from "../errors.ts";
import { isObject, type JsonObject } from "../json-file.ts";
import { quote } from "../suggest.ts";
import { byteLevelText } from "./byte-level.ts";
import { type ChatTemplate, readChatTemplate } from "./chat-template.ts";
import { type ControlTokens, findControlTokens } from "./control-tokens.ts";
import { invalid, readTokenizerFiles, type TokenizerFiles } from "./files.ts";
import { KnownTexts } from "./known-texts.ts";
import { AddedToken, type LibraryModel, type LibraryTokenizer, Tokenizer } from "./library.ts";
import { Markup } from "./markup.ts";
import { makeModel } from "./models.ts";
import { Sections } from "./sections.ts";
import { rewriteStep } from "./steps.ts";

/** Where a text stands in a prompt. */
export interface Place {
  /** Whether nothing but BOS comes before it. */
  readonly atStart: boolean;
  /** The token directly before it, if a chat template wrote it: it may take blanks away or ask for a prefix. */
  readonly after?: number | undefined;
}

export interface TextTokenizer {
  /**
   * One more than the largest id; the base's embedding may have more rows. Added tokens for which it has none (an image's
   * in a base for text) are not counted.
   */
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Whether the model expects BOS before a text. `encode` never adds it. */
  readonly addBos: boolean;
  /**
   * Ids of plain text. Control tokens inside it are ordinary characters; only a character without a token may give
   * the unknown token. Added tokens that are not special match as in Hugging Face's tokenizers. Lone surrogates
   * count as U+FFFD. A dummy prefix is added only when `atStart` or, by tokenizers that have one for every section,
   * `after` an added token.
   * Throws tokenizer/unknown-text when a character has no token and there is no unknown token, or a token no row in
   * the base's embedding.
   */
  encode(text: string, place: Place): Int32Array;
  /** The same, but each Unicode character is encoded alone; one may give several (byte) tokens. */
  encodeCharacters(text: string, place: Place): Int32Array;
  /**
   * Text of ids by the tokenizer's decoder alone (`clean_up_tokenization_spaces` is not applied, as it changes text).
   * `skipSpecial` leaves control tokens out. Throws tokenizer/id.
   */
  decode(ids: Iterable<number>, options?: { skipSpecial?: boolean }): string;
  /**
   * Ids of what a chat template wrote: control tokens inside it are control tokens, and the rest is as `encode` has
   * it. Throws tokenizer/unknown-text.
   */
  encodeMarkup(text: string, place: Place): Int32Array;
  isControl(id: number): boolean;
  /** False for rows of the model's embedding beyond the vocabulary, and for gaps in it. */
  hasToken(id: number): boolean;
  /** How the base wants messages written; null when it does not say. */
  readonly chat: ChatTemplate | null;
  /** One token for people to read: its text, `<0xE2>` for bytes that are no whole character. Throws tokenizer/id. */
  tokenText(id: number): string;
  /** SHA-256 (hex) of tokenizer.json with sorted keys and of what tokenizer_config.json says about control tokens. */
  readonly fingerprint: string;
}

/** What a checkpoint says beside its tokenizer's files. */
export interface TokenizerBase {
  /** Tokens that end a text: the first control token among them is EOS where the files name none (gpt2). */
  readonly ends?: readonly number[];
  /** Of the embedding; default: any. */
  readonly rows?: number;
}

/**
 * Loads tokenizer.json and, if there, tokenizer_config.json. Throws tokenizer/missing or tokenizer/invalid.
 */
export async function loadTokenizer(folder: string, base: TokenizerBase = {}): Promise<TextTokenizer> {
  try {
    const files = await readTokenizerFiles(folder);
    const chat = await readChatTemplate(folder, files.config);
    const tokenizer = new FolderTokenizer(files, findControlTokens(files), chat, base);
    tokenizer.checkThatItWorks();
    return tokenizer;
  } catch (error) {
    if (error instanceof TagllmError) throw error;
    throw invalid(`${folder}/tokenizer.json cannot be used: ${(error as Error).message}`, error);
  }
}

class FolderTokenizer implements TextTokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly addBos: boolean;
  readonly fingerprint: string;
  readonly chat: ChatTemplate | null;
  readonly #markup: Markup;
  readonly #sections: Sections;
  readonly #tokens: ReadonlyMap<number, string>;
  readonly #controlIds: ReadonlySet<number>;
  readonly #isByteLevel: boolean;
  readonly #rows: number;
  readonly #prefixed: LibraryTokenizer;
  readonly #plain: LibraryTokenizer;
  readonly #laterCharacters = new Map<string, Int32Array>();
  readonly #knownPrefixed = new KnownTexts();
  readonly #known = new KnownTexts();

  constructor(
    files: TokenizerFiles,
    control: ControlTokens,
    chat: ChatTemplate | null,
    { ends = [], rows = Number.POSITIVE_INFINITY }: TokenizerBase,
  ) {
    this.chat = chat;
    this.#rows = rows;
    this.#markup = new Markup(files.added.filter(({ content }) => control.contents.has(content)));
    this.#sections = new Sections(files, control);
    this.#tokens = new Map([...files.ids].map(([token, id]) => [id, token]));
    this.bosId = control.bosId;
    this.addBos = control.addBos;
    this.fingerprint = fingerprint(files, control);
    const isControl = (token: string) => control.contents.has(token);
    this.#controlIds = new Set([...this.#tokens].flatMap(([id, token]) => (isControl(token) ? [id] : [])));
    this.eosId = control.eosId ?? ends.find((id) => this.#controlIds.has(id)) ?? null;
    const needed = new Set([this.bosId, this.eosId]);
    const rowless = new Set(files.added.map(({ id }) => id).filter((id) => id >= rows && !needed.has(id)));
    const counted = [...this.#tokens.keys()].filter((id) => !rowless.has(id));
    this.vocabSize = 1 + counted.reduce((largest, id) => Math.max(largest, id), -1);
    this.#isByteLevel = mentionsByteLevel(files.tokenizer.decoder);
    const model = makeModel(files, control.contents);
    for (const [id, token] of this.#tokens) model.vocab[id] = token;
    this.#prefixed = makePipeline(files, control, model, true);
    this.#plain = makePipeline(files, control, model, false);
  }

  /** Many settings fail only in use: meet such a failure now, where it is clear which file is at fault. */
  checkThatItWorks(): void {
    for (const atStart of [true, false]) hasTokens(() => this.encode("A text, 12.5 b", { atStart }));
    this.decode([...this.#tokens.keys()].slice(0, 1));
  }

  encode(text: string, place: Place): Int32Array {
    const own = this.#sections.strip(text, place);
    const prefixed = this.#sections.isPrefixed(place);
    const known = prefixed ? this.#knownPrefixed : this.#known;
    const ids = known.get(own) ?? this.#encode(own, prefixed);
    known.set(own, ids);
    return ids.slice();
  }

  #encode(text: string, prefixed: boolean): Int32Array {
    const parts = this.#sections.split(wellFormed(text));
    const all = joined(parts, { atStart: prefixed }, (section, place) => {
      const pipeline = this.#sections.isPrefixed(place) ? this.#prefixed : this.#plain;
      const { ids } = pipeline.encode(section, { add_special_tokens: false });
      return ids.map((id) => id ?? failUnknown(text));
    });
    return all.map((id) => this.#withRow(id));
  }

  #withRow(id: number): number {
    if (id < this.#rows) return id;
    throw new TagllmError(
      "tokenizer/unknown-text",
      `The base's embedding has ${this.#rows} rows and none for the token ${quote(this.#token(id))} (${id}).`,
      "Remove it from the data or the prompt.",
    );
  }

  encodeCharacters(text: string, place: Place): Int32Array {
    const ids: number[] = [];
    for (const character of wellFormed(text)) {
      const own = ids.length === 0 ? this.encode(character, place) : this.#laterCharacter(character);
      for (const id of own) ids.push(id);
    }
    return Int32Array.from(ids);
  }

  encodeMarkup(text: string, place: Place): Int32Array {
    const ids = joined(this.#markup.split(text), place, (part, own) => this.encode(part, own));
    return ids.map((id) => this.#withRow(id));
  }

  isControl(id: number): boolean {
    return this.#controlIds.has(id);
  }

  hasToken(id: number): boolean {
    return this.#tokens.has(id);
  }

  #laterCharacter(character: string): Int32Array {
    const known = this.#laterCharacters.get(character);
    if (known !== undefined) return known;
    const ids = this.encode(character, { atStart: false });
    this.#laterCharacters.set(character, ids);
    return ids;
  }

  decode(ids: Iterable<number>, options: { skipSpecial?: boolean } = {}): string {
    const kept: number[] = [];
    for (const id of ids) {
      this.#token(id);
      if (!(options.skipSpecial && this.#controlIds.has(id))) kept.push(id);
    }
    return kept.length === 0 ? "" : this.#prefixed.decode(kept, { clean_up_tokenization_spaces: false });
  }

  tokenText(id: number): string {
    const token = this.#token(id);
    if (this.#controlIds.has(id)) return token;
    return this.#isByteLevel ? byteLevelText(token) : token.replaceAll("▁", " ");
  }

  #token(id: number): string {
    const token = this.#tokens.get(id);
    if (token !== undefined) return token;
    throw new TagllmError(
      "tokenizer/id",
      `The tokenizer has no token with the id ${id}.`,
      `Its ids are whole numbers from 0 to ${this.vocabSize - 1}.`,
    );
  }
}

/** The library's tokenizer around `model`, which knows every added token except the control tokens. */
function makePipeline(
  files: TokenizerFiles,
  control: ControlTokens,
  model: LibraryModel,
  prefixed: boolean,
): LibraryTokenizer {
  const step = (name: string) =>
    rewriteStep((files.tokenizer[name] as JsonObject | null | undefined) ?? null, prefixed);
  const { remove_space, do_lowercase_and_remove_accent } = files.config;
  const pipeline = new Tokenizer(
    {
      normalizer: step("normalizer"),
      pre_tokenizer: step("pre_tokenizer"),
      decoder: files.tokenizer.decoder ?? null,
      post_processor: null,
      added_tokens: files.added.filter(({ content }) => !control.contents.has(content)),
      model: { type: "BPE", vocab: {}, merges: [] },
    },
    { remove_space, do_lowercase_and_remove_accent },
  );
  pipeline.model = model;
  if (pipeline.decoder !== null) {
    pipeline.decoder.added_tokens = files.added.map((entry) => new AddedToken(entry));
    pipeline.decoder.end_of_word_suffix = model.end_of_word_suffix;
  }
  return pipeline;
}

/** Ids of tokens, and of the texts between them, each of which knows the token before it. */
function joined(
  parts: readonly (number | string)[],
  place: Place,
  encode: (text: string, place: Place) => Iterable<number>,
): Int32Array {
  const ids: number[] = [];
  for (const part of parts) {
    const own = ids.length === 0 ? place : { atStart: false, after: ids.at(-1) };
    for (const id of typeof part === "number" ? [part] : encode(part, own)) ids.push(id);
  }
  return Int32Array.from(ids);
}

function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** Whether what `encode` encodes has tokens throughout. */
export function hasTokens(encode: () => unknown): boolean {
  try {
    encode();
    return true;
  } catch (error) {
    if (error instanceof TagllmError && error.code === "tokenizer/unknown-text") return false;
    throw error;
  }
}

function failUnknown(text: string): never {
  throw new TagllmError(
    "tokenizer/unknown-text",
    `The tokenizer has no tokens for a part of ${quote(text)}, nor one for unknown text.`,
    "Remove it from the data, or use a base model whose tokenizer covers it.",
  );
}

function mentionsByteLevel(decoder: unknown): boolean {
  if (!isObject(decoder)) return false;
  if (decoder.type === "ByteLevel") return true;
  return Array.isArray(decoder.decoders) && decoder.decoders.some(mentionsByteLevel);
}

function fingerprint(files: TokenizerFiles, { bosId, eosId, addBos }: ControlTokens): string {
  const { remove_space, do_lowercase_and_remove_accent } = files.config;
  const meaning = { bosId, eosId, addBos, remove_space, do_lowercase_and_remove_accent };
  return createHash("sha256")
    .update(canonicalJson({ tokenizer: files.tokenizer, meaning }))
    .digest("hex");
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value ?? null);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(",")}}`;
}
