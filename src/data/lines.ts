/**
 * The two formats with one row on each line: plain text and JSON lines.
 * Nothing is unpacked: a nested JSON value stays its JSON text.
 */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { lineEnds, type Records } from "./csv.ts";
import type { DataFile } from "./file.ts";

/** One field named `text`; row i is line i + 1, blank lines included, so that line-aligned files stay aligned. */
export function readTextLines(file: DataFile): Records {
  return { header: ["text"], rows: linesOf(file).map((line) => [line]), looseQuotes: [] };
}

/**
 * One JSON object a line; blank lines are not rows. Columns are all keys in order of appearance, a key a row
 * lacks and null are empty text, numbers are their shortest decimal form.
 * Errors: data/json.
 */
export function readJsonLines(file: DataFile): Records {
  const objects: Map<string, string>[] = [];
  const columns = new Map<string, number>();
  for (const [i, line] of linesOf(file).entries()) {
    if (line.trim() === "") continue;
    const place = `${file.path}, line ${i + 1}`;
    const row = new Map<string, string>();
    for (const [key, value] of Object.entries(parseObject(line, place))) {
      if (!columns.has(key)) columns.set(key, columns.size);
      row.set(key, asText(value, key, place));
    }
    objects.push(row);
  }
  const header = [...columns.keys()];
  return { header, rows: objects.map((row) => header.map((key) => row.get(key) ?? "")), looseQuotes: [] };
}

function linesOf(file: DataFile): string[] {
  const text = new TextDecoder("utf-8").decode(file.content);
  const lines = text.split(lineEnds);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function parseObject(line: string, place: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new TagllmError(
      "data/json",
      `${place} is not JSON: ${quote(line)}.`,
      "Write one JSON object on each line.",
      {
        cause,
      },
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TagllmError(
      "data/json",
      `${place} is not a JSON object: ${quote(line)}.`,
      'Write one object on each line, as {"column": "value"}.',
    );
  }
  return value as Record<string, unknown>;
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
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new TagllmError(
      "data/json",
      `${place}: the number in ${quote(key)} has more digits than a JSON reader keeps.`,
      "Write it as text, in quotes.",
    );
  }
  return JSON.stringify(value);
}
