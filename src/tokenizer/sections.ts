/**
 * The sections of a text, between its added tokens: some tokenizers put their dummy prefix before each of them
 * (Llama 2, the first Mistral 7B), others before the first only; and some added tokens take the blanks after them away.
 */

import type { JsonObject } from "../json-file.ts";
import type { ControlTokens } from "./control-tokens.ts";
import type { AddedTokenEntry, TokenizerFiles } from "./files.ts";
import { Markup } from "./markup.ts";
import { prefixesSections } from "./steps.ts";
import type { Place } from "./tokenizer.ts";

export class Sections {
  /** Tokens after which the prefix comes again. */
  readonly #prefixing: ReadonlySet<number>;
  /** Tokens that take the blanks after them away. */
  readonly #stripping: ReadonlySet<number>;
  readonly #ordinary: Markup;

  constructor(files: TokenizerFiles, control: ControlTokens) {
    const prefixing = files.added.filter(prefixesAfter(files.tokenizer));
    this.#prefixing = idsOf(prefixing);
    this.#stripping = idsOf(files.added.filter(({ rstrip }) => rstrip === true));
    this.#ordinary = new Markup(prefixing.filter(({ content }) => !control.contents.has(content)));
  }

  isPrefixed({ atStart, after }: Place): boolean {
    return atStart || (after !== undefined && this.#prefixing.has(after));
  }

  /** The text without the blanks that the token before it takes away. */
  strip(text: string, { after }: Place): string {
    return after !== undefined && this.#stripping.has(after) ? text.trimStart() : text;
  }

  /** Added tokens that are no control tokens and after which the prefix comes again, and the texts between them. */
  split(text: string): (number | string)[] {
    return this.#ordinary.split(text);
  }
}

const idsOf = (tokens: readonly AddedTokenEntry[]): ReadonlySet<number> =>
  new Set(tokens.map(({ id }) => id));

/** Tokens that are not "normalized" are found before the normalizer, which then gets the texts between them. */
function prefixesAfter(tokenizer: JsonObject): (token: AddedTokenEntry) => boolean {
  const prefixes = (name: string) => prefixesSections((tokenizer[name] as JsonObject | undefined) ?? null);
  if (prefixes("pre_tokenizer")) return () => true;
  if (!prefixes("normalizer")) return () => false;
  return ({ normalized, special }) => !(normalized ?? special !== true);
}
