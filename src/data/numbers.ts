/**
 * Text -> numbers for targets, strictly: a value is a finite decimal number or it has a named fault.
 * It decides nothing about faulty rows; it says where they are.
 */
import { requireColumns } from "./column.ts";
import type { Table } from "./source.ts";

export const numberFaults = ["empty", "missing", "NaN", "not a number", "infinite", "too small"] as const;
export type NumberFault = (typeof numberFaults)[number];

export type ParsedNumber = { value: number; fault: null } | { value: null; fault: NumberFault };

export interface Targets {
  /** The good values, in the order of the table. */
  values: Float64Array;
  /** For every good value its index into the table's rows. */
  indices: Int32Array;
  /** For every fault the indices into the table's rows where it is found. */
  faults: Record<NumberFault, number[]>;
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const infinity = /^[+-]?inf(inity)?$/i;
const notANumber = /^[+-]?nan$/i;
/** What programs write where there is no value. */
const noValue = /^(na|n\/a|null|none)$/i;

/** "1.5", "-2e-3", "+.5", "007"; not "NaN", "1,5", "0x10", "1 000" or "5 mg". */
export function parseNumber(text: string): ParsedNumber {
  const bare = text.trim();
  if (bare === "") return { value: null, fault: "empty" };
  if (infinity.test(bare)) return { value: null, fault: "infinite" };
  if (notANumber.test(bare)) return { value: null, fault: "NaN" };
  if (noValue.test(bare)) return { value: null, fault: "missing" };
  if (!decimal.test(bare)) return { value: null, fault: "not a number" };
  const value = Number(bare);
  if (!Number.isFinite(value)) return { value: null, fault: "infinite" };
  return isLostToZero(bare, value) ? { value: null, fault: "too small" } : { value, fault: null };
}

/** Whether a decimal number that is not 0 became 0, being too small for a double: 1e-400. */
export const isLostToZero = (decimal: string, value: number): boolean =>
  value === 0 && /[1-9]/.test(decimal.split(/e/i, 1)[0] as string);

/** What stands for a class where there is none: "NA", "n/a", "null", "NaN". Not "None", which may be a class. */
export function classFault(text: string): NumberFault | null {
  const bare = text.trim();
  if (bare === "") return "empty";
  return notANumber.test(bare) || (noValue.test(bare) && !/^none$/i.test(bare)) ? "missing" : null;
}

/** Reads a column as numbers. Errors: data/column. */
export function targets(table: Table, column: string): Targets {
  requireColumns(table, [column]);
  const values: number[] = [];
  const indices: number[] = [];
  const faults = Object.fromEntries(numberFaults.map((fault) => [fault, []])) as unknown as Targets["faults"];
  for (const [i, row] of table.rows.entries()) {
    const { value, fault } = parseNumber(row[column]!);
    if (fault === null) {
      values.push(value);
      indices.push(i);
    } else {
      faults[fault].push(i);
    }
  }
  return { values: Float64Array.from(values), indices: Int32Array.from(indices), faults };
}
