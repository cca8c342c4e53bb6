/**
 * CSV and TSV (RFC 4180) -> records of text, with every fault named by its line.
 * Nothing is guessed from the content (no type, delimiter or header detection) and nothing is dropped.
 * It is written by hand because DuckDB's reader refuses files in use (AqSolDB: text after a closing quote) or,
 * when lenient, silently cuts such values, merges rows after an open quote and drops surplus fields.
 */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { longestRecord } from "./file.ts";
import { lineEnds, type RecordParser, tooLong } from "./parser.ts";

/** Characters that a message about a quote is made of. */
const quotedText = 200;

/**
 * The first record names the columns. Blank lines are not records; blanks around quotes are allowed; \n, \r\n
 * and \r end lines. Errors: data/ragged, data/quote, data/too-large.
 */
export class CsvParser implements RecordParser {
  header: string[] | null = null;
  readonly looseQuotes: number[] = [];
  private readonly path: string;
  private readonly delimiter: "," | "\t";
  private text = "";
  private last = false;
  private at = 0;
  /** Lines count from 1. */
  private line = 1;
  private recordLine = 1;
  /** A record that did not end is read again when the text is twice as long, so long records cost linear time. */
  private awaited = 0;

  constructor(path: string, delimiter: "," | "\t") {
    this.path = path;
    this.delimiter = delimiter;
  }

  push(text: string, last: boolean): string[][] {
    this.text += text;
    this.last = last;
    if (!last && this.text.length < this.awaited) return [];
    const records: string[][] = [];
    for (let record = this.next(); record !== null; record = this.next()) {
      if (this.header === null) this.header = record;
      else if (record.length !== this.header.length) throw this.ragged(record, this.header.length);
      else records.push(record);
    }
    this.text = this.text.slice(this.at);
    this.at = 0;
    this.awaited = 2 * this.text.length;
    if (this.text.length > longestRecord) throw tooLong(this.path, this.line);
    return records;
  }

  /** The next record, or null when it does not end in the text so far. */
  private next(): string[] | null {
    while (this.atLineEnd()) {
      if (this.lineEndIsOpen()) return null;
      this.passLineEnd();
    }
    if (this.done) return null;
    const [start, loose] = [this.at, this.looseQuotes.length];
    this.recordLine = this.line;
    const fields = this.fields();
    if (fields !== null && !this.lineEndIsOpen()) {
      if (!this.done) this.passLineEnd();
      return fields;
    }
    this.at = start;
    this.line = this.recordLine;
    this.looseQuotes.length = loose;
    return null;
  }

  private fields(): string[] | null {
    const fields: string[] = [];
    for (;;) {
      const field = this.field();
      if (field === null) return null;
      fields.push(field);
      if (this.text[this.at] !== this.delimiter) return fields;
      this.at++;
    }
  }

  /** More text may change what the end of this text means: another quote, the second half of \r\n. */
  private lineEndIsOpen(): boolean {
    if (this.last) return false;
    return this.done || (this.text[this.at] === "\r" && this.at + 1 === this.text.length);
  }

  private ragged(row: string[], expected: number): TagllmError {
    const fields = `${row.length} field${row.length === 1 ? "" : "s"}`;
    return new TagllmError(
      "data/ragged",
      `${this.path}, line ${this.recordLine} has ${fields} where the header has ${expected}: ${quote(row.join(this.delimiter))}.`,
      "Correct that line (a value that holds the delimiter needs quotes), or set the format if the delimiter is another.",
    );
  }

  private field(): string | null {
    const start = this.at;
    this.passBlanks();
    if (this.text[this.at] === '"') return this.quoted(start);
    this.passToFieldEnd();
    return this.text.slice(start, this.at);
  }

  /** Null when the quote does not close in the text so far. */
  private quoted(start: number): string | null {
    const opened = this.line;
    const from = ++this.at;
    let close = this.text.indexOf('"', from);
    while (close >= 0 && this.text[close + 1] === '"') close = this.text.indexOf('"', close + 2);
    if (close < 0) {
      if (!this.last) return null;
      throw this.badQuote(opened, start, "opens a quote that is never closed");
    }
    const value = this.text.slice(from, close);
    this.at = close + 1;
    this.line += value.match(lineEnds)?.length ?? 0;
    this.passBlanks();
    if (this.atFieldEnd()) return value.replaceAll('""', '"');
    if (this.line > opened) {
      if (!this.last && this.text.length < start + quotedText) return null;
      throw this.badQuote(opened, start, "opens a quote that ends on a later line in the middle of a value");
    }
    this.looseQuotes.push(this.line);
    this.passToFieldEnd();
    return this.text.slice(start, this.at);
  }

  private badQuote(line: number, start: number, what: string): TagllmError {
    return new TagllmError(
      "data/quote",
      `${this.path}, line ${line} ${what}: ${quote(this.text.slice(start, start + quotedText))}.`,
      'Close the quote; to write a quote inside a value, put the value in quotes and the quote twice ("").',
    );
  }

  private get done(): boolean {
    return this.at >= this.text.length;
  }

  private passBlanks(): void {
    while (this.text[this.at] === " ") this.at++;
  }

  private passToFieldEnd(): void {
    while (!this.atFieldEnd()) this.at++;
  }

  private atFieldEnd(): boolean {
    return this.done || this.text[this.at] === this.delimiter || this.atLineEnd();
  }

  private atLineEnd(): boolean {
    return this.text[this.at] === "\n" || this.text[this.at] === "\r";
  }

  private passLineEnd(): void {
    this.at += this.text.startsWith("\r\n", this.at) ? 2 : 1;
    this.line++;
  }
}
