/** Finds control tokens in what a chat template wrote, as Hugging Face's tokenizers find added tokens in a text. */
import type { AddedTokenEntry } from "./files.ts";

export class Markup {
  readonly #tokens: ReadonlyMap<string, AddedTokenEntry>;
  readonly #pattern: RegExp | null;

  constructor(tokens: readonly AddedTokenEntry[]) {
    this.#tokens = new Map(tokens.map((token) => [token.content, token]));
    // Of several that begin at one place the longest counts.
    const contents = [...this.#tokens.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = contents.length ? new RegExp(contents.map(literal).join("|"), "gu") : null;
  }

  /** Ids of control tokens and the texts between them; no text is empty. */
  split(text: string): (number | string)[] {
    const parts: (number | string)[] = [];
    let [from, strip] = [0, false];
    const between = (to: number, next: AddedTokenEntry | null) => {
      let part = text.slice(from, to);
      if (strip) part = part.trimStart();
      if (next?.lstrip === true) part = part.trimEnd();
      if (part !== "") parts.push(part);
    };
    for (const match of this.#pattern ? text.matchAll(this.#pattern) : []) {
      const token = this.#tokens.get(match[0]) as AddedTokenEntry;
      between(match.index, token);
      parts.push(token.id);
      from = match.index + match[0].length;
      strip = token.rstrip === true;
    }
    between(text.length, null);
    return parts;
  }
}

/** A pattern that matches just this text. */
export const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
