/** The formats of sequences and molecules: FASTA and SMILES files. Neither is checked for biology or chemistry. */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { longestRecord } from "./file.ts";
import { LineSplitter, type RecordParser, tooLong } from "./parser.ts";

/**
 * FASTA: `>id description`, then lines of letters (either case is kept), `*`, `-` and `.`; blanks and line ends
 * inside a sequence are not part of it. Errors: data/fasta, data/too-large.
 */
export class FastaParser implements RecordParser {
  readonly header = ["id", "description", "sequence"];
  readonly looseQuotes = [];
  readonly #path: string;
  readonly #lines: LineSplitter;
  #line = 0;
  #open: { id: string; description: string; parts: string[]; length: number; line: number } | null = null;

  constructor(path: string) {
    this.#path = path;
    this.#lines = new LineSplitter(path);
  }

  push(text: string, last: boolean): string[][] {
    const records: string[][] = [];
    for (const line of this.#lines.push(text, last)) {
      this.#line++;
      if (line.startsWith(">")) {
        this.#close(records);
        this.#begin(line.slice(1).trim());
      } else {
        this.#continue(line.replace(/\s+/g, ""));
      }
    }
    if (last) this.#close(records);
    return records;
  }

  #begin(title: string): void {
    if (title === "") throw this.#error(this.#line, "has no name after its >", "Give every sequence a name.");
    const end = title.search(/\s/);
    const [id, description] = end < 0 ? [title, ""] : [title.slice(0, end), title.slice(end).trim()];
    this.#open = { id, description, parts: [], length: 0, line: this.#line };
  }

  #continue(letters: string): void {
    if (letters === "") return;
    if (this.#open === null) {
      const problem = `stands before the first line that begins with >: ${quote(letters)}`;
      throw this.#error(this.#line, problem, "Begin every sequence with a line >name, or set the format.");
    }
    const strange = /[^A-Za-z*.-]/u.exec(letters)?.[0];
    if (strange !== undefined) {
      const problem = `has ${quote(strange)} in the sequence ${quote(this.#open.id)}: ${quote(letters)}`;
      throw this.#error(this.#line, problem, "A sequence is letters, *, - and .; correct the line.");
    }
    this.#open.parts.push(letters);
    this.#open.length += letters.length;
    if (this.#open.length > longestRecord) throw tooLong(this.#path, this.#open.line);
  }

  #close(records: string[][]): void {
    if (this.#open === null) return;
    const { id, description, parts, line } = this.#open;
    if (parts.length === 0) {
      throw this.#error(
        line,
        `names ${quote(id)}, and no sequence follows`,
        "Add the sequence or remove the line.",
      );
    }
    records.push([id, description, parts.join("")]);
    this.#open = null;
  }

  #error(line: number, problem: string, cure: string): TagllmError {
    return new TagllmError("data/fasta", `${this.#path}, line ${line} ${problem}.`, cure);
  }
}

/** SMILES files: a molecule, then, after a blank or tab, its name. The first line is data; blank lines are not rows. */
export class SmilesParser implements RecordParser {
  readonly header = ["smiles", "name"];
  readonly looseQuotes = [];
  readonly #lines: LineSplitter;

  constructor(path: string) {
    this.#lines = new LineSplitter(path);
  }

  push(text: string, last: boolean): string[][] {
    return this.#lines.push(text, last).flatMap((line) => {
      const bare = line.trim();
      if (bare === "") return [];
      const end = bare.search(/\s/);
      return end < 0 ? [[bare, ""]] : [[bare.slice(0, end), bare.slice(end).trim()]];
    });
  }
}
