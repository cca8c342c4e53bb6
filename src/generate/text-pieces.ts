/**
 * Tokens, one after the other, into pieces of text that can be shown at once: whole characters only, though one may
 * be cut across tokens, and nothing of a stop string, though that may be cut across pieces.
 */
import type { TextTokenizer } from "../tokenizer/tokenizer.ts";

/** What a decoder puts where bytes are no character (yet). */
const BROKEN = "\ufffd";

export class TextPieces {
  /** All that was given out. */
  text = "";
  /** Whether a stop string has come; nothing follows. */
  stopped = false;
  private readonly decode: (ids: readonly number[]) => string;
  private readonly stops: readonly string[];
  private readonly ids: number[];
  /** Decoding begins here: far enough back for what a token looks like after the one before it. */
  private begin = 0;
  /** The tokens before this one have been taken into text. */
  private end: number;
  /** Decoded and not given out: it may be the beginning of a stop string. */
  private held = "";

  /** @param before tokens that the text follows; a blank at its beginning is told from them */
  constructor(
    tokenizer: Pick<TextTokenizer, "decode">,
    stops: readonly string[] = [],
    before: readonly number[] = [],
  ) {
    this.decode = (ids) => tokenizer.decode(ids, { skipSpecial: true });
    this.stops = stops;
    this.ids = [...before];
    this.end = before.length;
  }

  /** The text that can be shown now that this token is there; often none. */
  push(id: number): string {
    this.ids.push(id);
    const known = this.decode(this.ids.slice(this.begin, this.end));
    const all = this.decode(this.ids.slice(this.begin));
    if (all.endsWith(BROKEN)) return "";
    this.begin = this.end;
    this.end = this.ids.length;
    return this.take(all.slice(known.length));
  }

  /** What is left when no token follows. */
  flush(): string {
    const known = this.decode(this.ids.slice(this.begin, this.end));
    const rest = this.take(this.decode(this.ids.slice(this.begin)).slice(known.length));
    const last = this.stopped ? "" : this.held;
    this.held = "";
    this.end = this.ids.length;
    this.begin = this.end;
    this.text += last;
    return rest + last;
  }

  private take(more: string): string {
    if (this.stopped) return "";
    const text = this.held + more;
    const found = this.stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    this.stopped = found.length > 0;
    const end = this.stopped ? Math.min(...found) : text.length - longestBeginning(text, this.stops);
    this.held = text.slice(end);
    this.text += text.slice(0, end);
    return text.slice(0, end);
  }
}

/** Length of the longest end of `text` that is the beginning of a stop string. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let n = Math.min(stop.length - 1, text.length); n > longest; n--) {
      if (text.endsWith(stop.slice(0, n))) longest = n;
    }
  }
  return longest;
}
