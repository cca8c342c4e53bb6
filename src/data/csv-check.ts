/**
 * A walk over the bytes of a CSV or TSV file before DuckDB reads it: how records end, how many there are,
 * and every fault with its exact line.
 * It is there because DuckDB's reader drops, without an error, everything after a quote that is never closed
 * and a surplus empty field, and counts records where it says lines. It keeps no values; DuckDB unquotes them.
 */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";

export interface CsvShape {
  columns: number;
  /** Records with at least one byte, the header included. */
  records: number;
  /** Lines with nothing in them, outside quotes. */
  blankLines: number;
  newline: "\n" | "\r\n" | "\r";
  /** Bytes of the longest record. */
  longest: number;
}

const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;

/**
 * Checks records against RFC 4180: every record has the fields of the first, quotes close and are followed by
 * a delimiter, one kind of line end. Blanks around quotes are allowed.
 * Errors: data/ragged, data/quote, data/line-ends.
 */
export function checkCsv(path: string, content: Uint8Array, delimiter: number): CsvShape {
  const walk = new CsvWalk(path, content, delimiter);
  while (!walk.done) walk.record();
  return walk.shape();
}

class CsvWalk {
  private readonly path: string;
  private readonly content: Uint8Array;
  private readonly delimiter: number;
  private at: number;
  private line = 1;
  private columns = 0;
  private records = 0;
  private blankLines = 0;
  private longest = 0;
  private newline: CsvShape["newline"] | null = null;

  constructor(path: string, content: Uint8Array, delimiter: number) {
    this.path = path;
    this.content = content;
    this.delimiter = delimiter;
    const mark = content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf;
    this.at = mark ? 3 : 0;
  }

  get done(): boolean {
    return this.at >= this.content.length;
  }

  shape(): CsvShape {
    const { columns, records, blankLines, longest } = this;
    return { columns, records, blankLines, longest, newline: this.newline ?? "\n" };
  }

  record(): void {
    const start = this.at;
    const line = this.line;
    if (this.atLineEnd()) {
      this.blankLines++;
      this.passLineEnd();
      return;
    }
    let fields = 1;
    this.field();
    while (this.content[this.at] === this.delimiter) {
      this.at++;
      fields++;
      this.field();
    }
    if (this.records === 0) this.columns = fields;
    else if (fields !== this.columns) this.ragged(line, start, fields);
    this.records++;
    this.longest = Math.max(this.longest, this.at - start);
    if (!this.done) this.passLineEnd();
  }

  private field(): void {
    while (this.content[this.at] === SPACE) this.at++;
    if (this.content[this.at] === QUOTE) this.quoted();
    else while (!this.atFieldEnd()) this.at++;
  }

  private quoted(): void {
    const start = this.at;
    const opened = this.line;
    this.at++;
    for (;;) {
      if (this.done) this.badQuote(opened, start, "opens a quote that is never closed");
      const byte = this.content[this.at];
      if (byte === QUOTE && this.content[this.at + 1] === QUOTE) this.at++;
      else if (byte === QUOTE) break;
      else if (byte === LF || (byte === CR && this.content[this.at + 1] !== LF)) this.line++;
      this.at++;
    }
    this.at++;
    while (this.content[this.at] === SPACE) this.at++;
    if (!this.atFieldEnd()) this.badQuote(this.line, start, "has text after a closing quote");
  }

  private atFieldEnd(): boolean {
    return this.done || this.content[this.at] === this.delimiter || this.atLineEnd();
  }

  private atLineEnd(): boolean {
    const byte = this.content[this.at];
    return byte === LF || byte === CR;
  }

  private passLineEnd(): void {
    const found = this.content[this.at] === LF ? "\n" : this.content[this.at + 1] === LF ? "\r\n" : "\r";
    this.newline ??= found;
    if (found !== this.newline) {
      throw new TagllmError(
        "data/line-ends",
        `${this.path}, line ${this.line} ends with ${quote(found)}, the lines before it with ${quote(this.newline)}.`,
        "Save the file with one kind of line end (or put values that hold line ends in quotes).",
      );
    }
    this.at += found.length;
    this.line++;
  }

  private ragged(line: number, start: number, fields: number): never {
    throw new TagllmError(
      "data/ragged",
      `${this.path}, line ${line} has ${count(fields, "field")} where the header has ${this.columns}: ${this.excerpt(start)}.`,
      "Correct that line (a value that holds the delimiter needs quotes), or set the format if the delimiter is another.",
    );
  }

  private badQuote(line: number, start: number, what: string): never {
    throw new TagllmError(
      "data/quote",
      `${this.path}, line ${line} ${what}: ${this.excerpt(start)}.`,
      'Close the quote; inside a quoted value write a quote twice ("").',
    );
  }

  private excerpt(start: number): string {
    const bytes = this.content.subarray(start, Math.min(this.at, start + 200));
    return quote(new TextDecoder().decode(bytes));
  }
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
