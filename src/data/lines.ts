/**
 * The two formats with one row on each line: plain text and JSON lines.
 * Nothing is unpacked: a nested JSON value stays its JSON text.
 */
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";
import { isLostToZero } from "./numbers.ts";
import { LineSplitter, type RecordParser } from "./parser.ts";

/** One field named `text`; row i is line i + 1, blank lines included, so that line-aligned files stay aligned. */
export class TextParser implements RecordParser {
  readonly header = ["text"];
  readonly looseQuotes = [];
  readonly #lines: LineSplitter;

  constructor(path: string) {
    this.#lines = new LineSplitter(path);
  }

  push(text: string, last: boolean): string[][] {
    return this.#lines.push(text, last).map((line) => [line]);
  }
}

/**
 * One JSON object a line; blank lines are not rows. Columns are all keys in order of appearance, a key a row
 * lacks and null are empty text, numbers are their shortest decimal form. While columns are still found, a
 * record has the values of those known at its line.
 * Errors: data/json, data/too-large.
 */
export class JsonLinesParser implements RecordParser {
  readonly looseQuotes = [];
  readonly #path: string;
  readonly #columns = new Map<string, number>();
  readonly #lines: LineSplitter;
  #fixed = false;
  #line = 0;

  constructor(path: string, columns?: readonly string[]) {
    this.#path = path;
    this.#lines = new LineSplitter(path);
    if (columns === undefined) return;
    columns.forEach((name, i) => {
      this.#columns.set(name, i);
    });
    this.fixColumns();
  }

  get header(): string[] {
    return [...this.#columns.keys()];
  }

  /** From here on another key is an error. */
  fixColumns(): void {
    this.#fixed = true;
  }

  push(text: string, last: boolean): string[][] {
    const records: string[][] = [];
    for (const line of this.#lines.push(text, last)) {
      this.#line++;
      if (line.trim() !== "") records.push(this.#record(line));
    }
    return records;
  }

  #record(line: string): string[] {
    const place = `${this.#path}, line ${this.#line}`;
    const entries = Object.entries(parseObject(line, place));
    for (const [key] of entries) {
      if (this.#columns.has(key)) continue;
      if (this.#fixed) throw this.#lateKey(key, place);
      this.#columns.set(key, this.#columns.size);
    }
    const record = new Array<string>(this.#columns.size).fill("");
    for (const [key, value] of entries) record[this.#columns.get(key) as number] = asText(value, key, place);
    return record;
  }

  #lateKey(key: string, place: string): TagllmError {
    const problem = `${place} has the key ${quote(key)}, which no row before it had.`;
    return new TagllmError(
      "data/json",
      problem,
      `Give the first rows all keys. ${didYouMean(key, this.header, "keys")}`,
    );
  }
}

function parseObject(line: string, place: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    const problem = `${place} is not JSON: ${quote(line)}.`;
    throw new TagllmError("data/json", problem, "Write one JSON object on each line.", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TagllmError(
      "data/json",
      `${place} is not a JSON object: ${quote(line)}.`,
      'Write one object on each line, as {"column": "value"}.',
    );
  }
  if (hasLostKeys(value, line)) {
    throw new TagllmError(
      "data/json",
      `${place} has a key twice in one object: ${quote(line)}.`,
      "Remove one, or give them different names.",
    );
  }
  const lost = lostToZero(line);
  if (lost !== undefined) {
    const problem = `${place} has the number ${quote(lost)}, which is smaller than a JSON reader keeps.`;
    throw new TagllmError(
      "data/json",
      problem,
      "Write it as 0, or as text, in quotes, if it is not to be a number.",
    );
  }
  return value as Record<string, unknown>;
}

/** A number other than 0 that JSON.parse made 0. It takes an exponent of three digits, or very many zeros. */
function lostToZero(line: string): string | undefined {
  if (!/e-\d{3}|0{200}/i.test(line)) return undefined;
  const numbers = withoutTexts(line).match(/-?\d[\d.]*(e[+-]?\d+)?/gi) ?? [];
  return numbers.find((text) => isLostToZero(text, Number(text)));
}

const withoutTexts = (line: string): string => line.replace(/\\./g, "").replace(/"[^"]*"/g, '""');

/** Of two equal keys JSON.parse keeps the last. Every key has a colon, and outside texts nothing else has. */
function hasLostKeys(value: object, line: string): boolean {
  if (countColons(line) === Object.keys(value).length) return false;
  return countColons(withoutTexts(line)) !== countKeys(value);
}

function countColons(text: string): number {
  let count = 0;
  for (let at = text.indexOf(":"); at !== -1; at = text.indexOf(":", at + 1)) count++;
  return count;
}

/** Those of the objects in it too. */
function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value);
  return inner.reduce((sum, each) => sum + countKeys(each), Array.isArray(value) ? 0 : inner.length);
}

function asText(value: unknown, key: string, place: string): string {
  if (typeof value === "string") {
    if (!/\p{Surrogate}/u.test(value)) return value;
    throw new TagllmError(
      "data/json",
      `${place}: the text in ${quote(key)} holds half a character (a lone surrogate escape).`,
      "Write the whole character, or remove the escape.",
    );
  }
  if (value === null) return "";
  if (isExact(value)) return JSON.stringify(value);
  throw new TagllmError(
    "data/json",
    `${place}: a number in ${quote(key)} is larger or has more digits than a JSON reader keeps.`,
    "Write it as text, in quotes.",
  );
}

/** Without integers that JSON.parse has rounded, and numbers that it has made infinite. */
function isExact(value: unknown): boolean {
  if (typeof value === "number")
    return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
  return typeof value !== "object" || value === null || Object.values(value).every(isExact);
}
