/**
 * The header of a safetensors file: its grammar and its layout rules, checked as strictly as the reference does.
 * The parser is our own because the header is untrusted: JSON.parse keeps the last of two equal keys, and turns a
 * hostile 100 MB header into gigabytes of objects before anything can be counted. No file is touched here.
 */

import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { byteSize, type Dtype, isDtype } from "./dtypes.ts";

/** A tensor as its header describes it; `begin` and `end` count bytes from the end of the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface ParsedHeader {
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Record<string, string>;
}

const MOST_ENTRIES = 100_000;
const MOST_DIMENSIONS = 32;
const DAMAGED = "Download the file again, or save the checkpoint again with the safetensors library.";

/** Reads the text of a header. `file` is only named in errors (weights/header-json and the checks of entries). */
export function parseHeader(text: string, file: string): ParsedHeader {
  return new HeaderParser(text, file).parse();
}

/**
 * Checks that the tensors fill `dataSize` bytes exactly, without holes or overlap, and each its own range.
 * Throws weights/offsets, weights/size, weights/overlap or weights/truncated.
 */
export function checkLayout(tensors: readonly TensorEntry[], dataSize: number, file: string): void {
  for (const tensor of tensors) checkSize(tensor, dataSize, file);
  const inOrder = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = 0;
  for (const tensor of inOrder) {
    if (tensor.begin !== expected) {
      if (tensor.end > dataSize) throw outside(tensor, dataSize, file);
      const what = tensor.begin < expected ? "overlaps the tensor before it" : "leaves a hole before it";
      throw new TagllmError(
        "weights/overlap",
        `${file}: tensor ${quote(tensor.name)} starts at byte ${tensor.begin} of the data, which ${what} (expected ${expected}).`,
        DAMAGED,
      );
    }
    expected = tensor.end;
  }
  if (expected < dataSize) {
    throw new TagllmError(
      "weights/overlap",
      `${file}: ${dataSize - expected} bytes after the last tensor belong to no tensor.`,
      DAMAGED,
    );
  }
  const cut = inOrder.find((tensor) => tensor.end > dataSize);
  if (cut !== undefined) {
    throw new TagllmError(
      "weights/truncated",
      `${file}: the file ends ${expected - dataSize} bytes early; tensor ${quote(cut.name)} is the first that is not whole.`,
      "Download or copy the file again.",
    );
  }
}

function checkSize(tensor: TensorEntry, dataSize: number, file: string): void {
  const size = byteSize(tensor.dtype, tensor.shape);
  const held = tensor.end - tensor.begin;
  if (size === held) return;
  if (tensor.end > dataSize) throw outside(tensor, dataSize, file);
  const needs = size === null ? "no whole, countable number of" : `${size}`;
  throw new TagllmError(
    "weights/size",
    `${file}: tensor ${quote(tensor.name)} has ${held} bytes, but shape [${tensor.shape}] in ${tensor.dtype} takes ${needs} bytes.`,
    DAMAGED,
  );
}

function outside(tensor: TensorEntry, dataSize: number, file: string): TagllmError {
  return new TagllmError(
    "weights/offsets",
    `${file}: tensor ${quote(tensor.name)} claims bytes ${tensor.begin} to ${tensor.end} of the data, of which there are ${dataSize}.`,
    DAMAGED,
  );
}

class HeaderParser {
  readonly #text: string;
  readonly #file: string;
  #at = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  parse(): ParsedHeader {
    const tensors: TensorEntry[] = [];
    let metadata: Record<string, string> = {};
    this.#object("the header", (name) => {
      if (name === "__metadata__") {
        metadata = this.#metadata();
        return;
      }
      if (tensors.length === MOST_ENTRIES) {
        throw new TagllmError(
          "weights/tensor-count",
          `${this.#file}: the header lists more than ${MOST_ENTRIES} tensors; the first one too many is ${quote(name)}.`,
          "No known model has that many. Download the file again.",
        );
      }
      tensors.push(this.#tensor(name));
    });
    this.#skipBlanks();
    if (this.#at < this.#text.length) this.#fail("nothing after the closing brace");
    return { tensors, metadata };
  }

  #metadata(): Record<string, string> {
    const entries: [string, string][] = [];
    this.#object('"__metadata__"', (key) => {
      if (entries.length === MOST_ENTRIES) this.#fail(`no more than ${MOST_ENTRIES} entries of metadata`);
      entries.push([key, this.#string(`a string as the value of metadata ${quote(key)}`)]);
    });
    return Object.fromEntries(entries);
  }

  #tensor(name: string): TensorEntry {
    let dtype: Dtype | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.#object(`tensor ${quote(name)}`, (key) => {
      if (key === "dtype") dtype = this.#dtype(name);
      else if (key === "shape") shape = this.#numbers(name, "weights/dims", "dimension", MOST_DIMENSIONS);
      else if (key === "data_offsets") offsets = this.#numbers(name, "weights/offsets", "offset", 2);
      else this.#fail(`dtype, shape or data_offsets in tensor ${quote(name)}, not ${quote(key)}`);
    });
    if (dtype === undefined) this.#fail(`a dtype in tensor ${quote(name)}`);
    if (shape === undefined) this.#fail(`a shape in tensor ${quote(name)}`);
    const [begin, end] = offsets ?? [];
    if (begin === undefined || end === undefined) this.#fail(`two data_offsets in tensor ${quote(name)}`);
    if (begin > end) {
      throw new TagllmError(
        "weights/offsets",
        `${this.#file}: tensor ${quote(name)} has reversed data_offsets [${begin}, ${end}].`,
        DAMAGED,
      );
    }
    return { name, dtype, shape, begin, end };
  }

  #dtype(name: string): Dtype {
    const dtype = this.#string(`the dtype of tensor ${quote(name)} as a string`);
    if (isDtype(dtype)) return dtype;
    throw new TagllmError(
      "weights/dtype",
      `${this.#file}: tensor ${quote(name)} has the unknown dtype ${quote(dtype)}.`,
      "Convert the checkpoint to F32, F16 or BF16.",
    );
  }

  #numbers(name: string, code: "weights/dims" | "weights/offsets", what: string, most: number): number[] {
    const numbers: number[] = [];
    this.#expect("[", `a list of ${what}s in tensor ${quote(name)}`);
    if (this.#take("]")) return numbers;
    do {
      const raw = this.#number(`a number as ${what} of tensor ${quote(name)}`);
      if (!/^\d+$/.test(raw) || !Number.isSafeInteger(Number(raw))) {
        throw new TagllmError(
          code,
          `${this.#file}: tensor ${quote(name)} has the ${what} ${quote(raw)}; it must be a whole number from 0 to 2^53 - 1.`,
          DAMAGED,
        );
      }
      if (numbers.length === most) {
        throw new TagllmError(
          code,
          `${this.#file}: tensor ${quote(name)} has more than ${most} ${what}s.`,
          DAMAGED,
        );
      }
      numbers.push(Number(raw));
    } while (this.#take(","));
    this.#expect("]", `"," or "]" in tensor ${quote(name)}`);
    return numbers;
  }

  /** Reads an object, handing each new key to `readValue` when the value is next. */
  #object(what: string, readValue: (key: string) => void): void {
    const seen = new Set<string>();
    this.#expect("{", `"{" to open ${what}`);
    if (this.#take("}")) return;
    do {
      const key = this.#string(`a key of ${what}`);
      if (seen.has(key)) this.#fail(`each key of ${what} once, but ${quote(key)} comes twice`);
      seen.add(key);
      this.#expect(":", `":" after ${quote(key)}`);
      readValue(key);
    } while (this.#take(","));
    this.#expect("}", `"," or "}" in ${what}`);
  }

  #string(what: string): string {
    this.#skipBlanks();
    const start = this.#at;
    if (this.#text[start] !== '"') this.#fail(what);
    let end = this.#text.indexOf('"', start + 1);
    while (end !== -1 && this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    if (end === -1) this.#fail("a closing quote for the string that starts here");
    this.#at = end + 1;
    const raw = this.#text.slice(start, end + 1);
    if (!/[\p{Cc}\\]/u.test(raw)) return raw.slice(1, -1);
    try {
      return JSON.parse(raw) as string;
    } catch {
      this.#at = start;
      this.#fail("a string without control characters or unknown escapes");
    }
  }

  #isEscaped(quoteAt: number): boolean {
    let first = quoteAt;
    while (this.#text[first - 1] === "\\") first--;
    return (quoteAt - first) % 2 === 1;
  }

  #number(what: string): string {
    this.#skipBlanks();
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const raw = pattern.exec(this.#text)?.[0];
    if (raw === undefined) this.#fail(what);
    this.#at += raw.length;
    return raw;
  }

  #take(character: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string, what: string): void {
    if (!this.#take(character)) this.#fail(what);
  }

  /** Blanks are allowed everywhere but before the first brace. */
  #skipBlanks(): void {
    if (this.#at === 0) return;
    while (" \t\n\r".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }

  #fail(expected: string): never {
    const found = this.#at < this.#text.length ? quote(this.#text.slice(this.#at, this.#at + 24)) : "the end";
    throw new TagllmError(
      "weights/header-json",
      `${this.#file}: the header is damaged at character ${this.#at + 1}: expected ${expected}, found ${found}.`,
      DAMAGED,
    );
  }
}
