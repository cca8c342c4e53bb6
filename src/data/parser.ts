/** What the parsers of text formats have in common: text in pieces -> the records that are complete so far. */
import { TagllmError } from "../errors.ts";
import { longestRecord } from "./file.ts";

export interface RecordParser {
  /** Names of the columns; null as long as the text has not said them. */
  readonly header: readonly string[] | null;
  /** Lines with a value that starts with a closed quote and goes on; such a value is kept as written. */
  readonly looseQuotes: readonly number[];
  /** The records that end in this piece. With `last`, all that is left. */
  push(text: string, last: boolean): string[][];
}

export const lineEnds = /\r\n|\n|\r/g;

/** \n, \r\n and \r end lines; a line may come in many pieces. */
export class LineSplitter {
  readonly #path: string;
  #rest = "";
  /** A \r at the end of a piece may be the first half of \r\n. */
  #held = "";
  #lines = 0;

  constructor(path: string) {
    this.#path = path;
  }

  push(text: string, last: boolean): string[] {
    let piece = this.#held + text;
    this.#held = !last && piece.endsWith("\r") ? "\r" : "";
    if (this.#held) piece = piece.slice(0, -1);
    const lines = piece.split(lineEnds);
    lines[0] = this.#rest + (lines[0] as string);
    this.#rest = lines.pop() as string;
    if (last && this.#rest !== "") lines.push(this.#rest);
    this.#lines += lines.length;
    if (this.#rest.length > longestRecord) throw tooLong(this.#path, this.#lines + 1);
    return lines;
  }
}

export function tooLong(path: string, line: number): TagllmError {
  return new TagllmError(
    "data/too-large",
    `${path}, line ${line} begins a row of more than ${longestRecord} characters.`,
    "Check its quotes and line ends, and the format.",
  );
}
