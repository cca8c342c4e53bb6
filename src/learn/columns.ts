/** What a table's columns look like, so that the user sees what was read before anything is learned. */
import { classFault, parseNumber } from "../data/numbers.ts";
import type { Table } from "../data/source.ts";
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";

export interface ColumnView {
  readonly name: string;
  readonly kind: "number" | "text" | "empty";
  /** Rows without a value, NA and the like among them. */
  readonly empty: number;
  readonly distinct: number;
  /** Mean characters of a value. */
  readonly length: number;
  readonly example: string;
}

/** A column counts as numbers when at least this share of its values are. */
const mostlyNumbers = 0.9;

export function viewColumns({ columns, rows }: Table): ColumnView[] {
  return columns.map((name) => {
    const values = rows.map((row) => row[name] ?? "");
    const filled = values.filter((v) => classFault(v) === null);
    const faults = filled.map((v) => parseNumber(v).fault);
    const numbers = faults.filter((fault) => fault === null).length;
    const least = mostlyNumbers * faults.filter((fault) => fault !== "missing").length; // "None" says neither
    const kind = filled.length === 0 ? "empty" : numbers > 0 && numbers >= least ? "number" : "text";
    const length = filled.reduce((n, v) => n + v.length, 0) / Math.max(1, filled.length);
    return {
      name,
      kind,
      empty: values.length - filled.length,
      distinct: new Set(filled).size,
      length,
      example: filled[0] ?? "",
    };
  });
}

export function requireColumn(views: readonly ColumnView[], name: string, file: string): ColumnView {
  const view = views.find((v) => v.name === name);
  if (view) return view;
  const known = views.map((v) => v.name);
  throw new TagllmError(
    "data/column",
    `${file} has no column ${quote(name)}.`,
    didYouMean(name, known, "columns"),
  );
}

/** What one would take without knowing more: the text that differs most as the input, the last number as target. */
export function proposal(views: readonly ColumnView[]): { input: string | null; target: string | null } {
  const texts = views.filter((v) => v.kind === "text");
  const input = texts.toSorted((a, b) => b.distinct * b.length - a.distinct * a.length)[0];
  const target = views.filter((v) => v.kind === "number" && v.distinct > 2).at(-1);
  return { input: input?.name ?? null, target: target?.name ?? null };
}
