/**
 * CSV and TSV (RFC 4180) -> records of text, with every fault named by its line.
 * Nothing is guessed from the content (no type, delimiter or header detection) and nothing is dropped.
 * It is written by hand because DuckDB's reader refuses files in use (AqSolDB: text after a closing quote) or,
 * when lenient, silently cuts such values, merges rows after an open quote and drops surplus fields.
 */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import type { DataFile } from "./file.ts";

/** Records of a file as text, the header apart. */
export interface Records {
  header: string[];
  rows: string[][];
  /** Lines with a value that starts with a closed quote and goes on; such a value is kept as written. */
  looseQuotes: number[];
}

/**
 * Reads a whole file whose first record names the columns. Blank lines are not records; blanks around quotes are
 * allowed; \n, \r\n and \r end lines.
 * Errors: data/ragged, data/quote.
 */
export function readCsv(file: DataFile, delimiter: "," | "\t"): Records {
  const reader = new CsvReader(file, delimiter);
  const header = reader.next() ?? [];
  const rows: string[][] = [];
  for (let row = reader.next(); row !== null; row = reader.next()) {
    if (row.length !== header.length) throw reader.ragged(row, header.length);
    rows.push(row);
  }
  return { header, rows, looseQuotes: reader.looseQuotes };
}

class CsvReader {
  readonly looseQuotes: number[] = [];
  private readonly path: string;
  private readonly text: string;
  private readonly delimiter: string;
  private at = 0;
  /** Lines count from 1. */
  private line = 1;
  private recordLine = 1;

  constructor(file: DataFile, delimiter: string) {
    this.path = file.path;
    this.text = new TextDecoder("utf-8").decode(file.content);
    this.delimiter = delimiter;
  }

  /** The next record, or null at the end of the file. */
  next(): string[] | null {
    while (this.atLineEnd()) this.passLineEnd();
    if (this.done) return null;
    this.recordLine = this.line;
    const fields = [this.field()];
    while (this.text[this.at] === this.delimiter) {
      this.at++;
      fields.push(this.field());
    }
    if (!this.done) this.passLineEnd();
    return fields;
  }

  ragged(row: string[], expected: number): TagllmError {
    const fields = `${row.length} field${row.length === 1 ? "" : "s"}`;
    return new TagllmError(
      "data/ragged",
      `${this.path}, line ${this.recordLine} has ${fields} where the header has ${expected}: ${quote(row.join(this.delimiter))}.`,
      "Correct that line (a value that holds the delimiter needs quotes), or set the format if the delimiter is another.",
    );
  }

  private field(): string {
    const start = this.at;
    this.passBlanks();
    if (this.text[this.at] === '"') return this.quoted(start);
    this.passToFieldEnd();
    return this.text.slice(start, this.at);
  }

  private quoted(start: number): string {
    const opened = this.line;
    const from = ++this.at;
    let close = this.text.indexOf('"', from);
    while (close >= 0 && this.text[close + 1] === '"') close = this.text.indexOf('"', close + 2);
    if (close < 0) throw this.badQuote(opened, start, "opens a quote that is never closed");
    const value = this.text.slice(from, close);
    this.at = close + 1;
    this.line += value.match(lineEnds)?.length ?? 0;
    this.passBlanks();
    if (this.atFieldEnd()) return value.replaceAll('""', '"');
    if (this.line > opened)
      throw this.badQuote(opened, start, "opens a quote that ends on a later line in the middle of a value");
    this.looseQuotes.push(this.line);
    this.passToFieldEnd();
    return this.text.slice(start, this.at);
  }

  private badQuote(line: number, start: number, what: string): TagllmError {
    return new TagllmError(
      "data/quote",
      `${this.path}, line ${line} ${what}: ${quote(this.text.slice(start, start + 200))}.`,
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

export const lineEnds = /\r\n|\n|\r/g;
