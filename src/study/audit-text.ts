/** What an audit found, in words and cells: the same on the terminal, in warnings and in reports. */
import { identifier } from "../data/duckdb.ts";
import type { QualityReport } from "./audit.ts";
import { rowList } from "./clean.ts";
import { type Leakage, repeated, type SideLeak } from "./leakage.ts";

/** How many rows of a side repeat training rows, and the first of them; rows counted from 1. */
export function leakText({ fields, readAs, ...sides }: Leakage, side: "test" | "validation"): string {
  const leak: SideLeak = sides[side];
  const what = fields.join(", ");
  const other = readAs === "molecule" ? "the same molecule written otherwise" : "the same written otherwise";
  const how = leak.rewritten === 0 ? "" : ` (${leak.same} as they are, ${leak.rewritten} ${other})`;
  const [first] = leak.examples;
  const example = first ? `; row ${first.row + 1} repeats row ${first.like + 1}` : "";
  return `${repeated(leak)} of ${leak.of} ${side} rows have a ${what} that is also in training${how}${example}`;
}

/** A split that keeps together what says the same, by what was found in a task. */
export function leakCure(leakage: readonly Leakage[]): string {
  const byField = leakage.filter(({ readAs }) => readAs !== "inputs");
  const fieldsOf = (found: readonly Leakage[]) => found.flatMap(({ fields }) => fields);
  const molecules = fieldsOf(byField.filter(({ readAs }) => readAs === "molecule"));
  const texts = fieldsOf(byField.filter((leak) => leak.readAs === "text" && isRewritten(leak)));
  const group = fieldsOf(byField).map((field) => (texts.includes(field) ? alike(field) : field));
  const listed = molecules.length > 0 ? `, molecules: [${molecules.join(", ")}]` : "";
  const split = `Split by: { group: [${group.join(", ")}]${listed} }`;
  if (texts.length === 0) return split;
  const selected = texts.map((field) => `${alike(field)}: ${JSON.stringify(alikeSql(field))}`);
  return `${split}, where select gives, beside the other fields, ${selected.join(", ")}`;
}

const isRewritten = ({ test, validation }: Leakage): boolean => test.rewritten + validation.rewritten > 0;

/** What a field is called where its texts are written alike. */
const alike = (field: string): string => `${field}_alike`;

/** Equal for texts that an audit takes for the same; blanks around them are cut off when they are read. */
const alikeSql = (field: string): string =>
  `lower(regexp_replace(nfc_normalize(${/^\w+$/.test(field) ? field : identifier(field)}), '[[:space:]]+', ' ', 'g'))`;

/** A finding as a line; rows counted from 1. */
export const qualityText = ({ what, rows, first, handled }: QualityReport): string =>
  `${rows} row${rows === 1 ? "" : "s"} ${handled}: ${what} (${rowList(first)}${rows > first.length ? ", ..." : ""})`;

export const leakHeadings = [
  "field",
  "read as",
  "side",
  "rows",
  "also in training",
  "written otherwise",
  "nearly the same",
  "same scaffold",
] as const;

/** A line for each field and side. */
export function leakRows(leakage: readonly Leakage[]): string[][] {
  return leakage.flatMap((leak) =>
    (["test", "validation"] as const).map((side) => {
      const { of, same, rewritten, scaffold } = leak[side];
      const what = leak.readAs === "inputs" ? "all together" : leak.readAs;
      const counts = [of, same, rewritten].map(String);
      return [leak.fields.join(" + "), what, side, ...counts, nearCell(leak[side]), String(scaffold ?? "–")];
    }),
  );
}

function nearCell(leak: SideLeak): string {
  if (leak.near === null) return "–";
  const others = leak.of - repeated(leak);
  return leak.nearChecked === others
    ? String(leak.near)
    : `${leak.near} (${leak.nearChecked} of ${others} looked at)`;
}

/** The whole input in one line. */
export function leakLine({ test, validation }: Leakage): string {
  const near = test.near === null ? "" : `; nearly the same: ${nearCell(test)}`;
  return `held-out rows also in training: test ${repeated(test)} of ${test.of}, validation ${repeated(validation)} of ${validation.of}${near}`;
}
