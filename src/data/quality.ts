/**
 * What is wrong or doubtful with rows that something is to be learned from: fields without a value, targets that
 * are no finite number, equal inputs whose targets agree or contradict each other, targets far from all others.
 * It finds and says where; what is done about it is for the study to say.
 */
import { classFault, type NumberFault, parseNumber } from "./numbers.ts";

export interface RowFault {
  readonly field: string;
  readonly fault: NumberFault;
  readonly of: "input" | "target";
}

/** Fields that a row needs. */
export interface Needed {
  /** The data of the prompt. */
  readonly inputs: readonly string[];
  /** Targets that must be finite numbers. */
  readonly numbers: readonly string[];
  /** Targets that must say a class. */
  readonly classes: readonly string[];
  /** Targets that must not be empty. */
  readonly texts: readonly string[];
}

/** The first thing that is wrong with a row; null when it can be learned from. */
export function faultOf(row: Readonly<Record<string, string>>, needed: Needed): RowFault | null {
  const empty = (field: string) => (row[field] ?? "") === "";
  const input = needed.inputs.find(empty);
  if (input !== undefined) return { field: input, fault: "empty", of: "input" };
  const text = needed.texts.find(empty);
  if (text !== undefined) return { field: text, fault: "empty", of: "target" };
  for (const field of needed.classes) {
    const fault = classFault(row[field] ?? "");
    if (fault !== null) return { field, fault, of: "target" };
  }
  for (const field of needed.numbers) {
    const { fault } = parseNumber(row[field] ?? "");
    if (fault !== null) return { field, fault, of: "target" };
  }
  return null;
}

/** What a row says of its inputs. */
export interface Labelled {
  /** Equal for equal inputs. */
  readonly key: string;
  readonly numbers: readonly number[];
  readonly label: string | null;
}

export interface EqualInputs {
  /** Indices into the rows that were given, ascending. */
  readonly rows: readonly number[];
  readonly conflict: boolean;
  /** The largest difference of a target within the group; 0 for labels. */
  readonly spread: number;
}

/** Relative difference up to which two numbers count as one that was rounded differently. */
const rounding = 1e-6;

/** Groups of two and more rows with equal inputs, in the order of their first rows. */
export function equalInputs(rows: readonly Labelled[]): EqualInputs[] {
  const groups = new Map<string, number[]>();
  rows.forEach(({ key }, i) => {
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  });
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => {
      const own = group.map((i) => rows[i] as Labelled);
      const ranges = (own[0]?.numbers ?? []).map((_, k) => rangeOf(own.map((r) => r.numbers[k] as number)));
      const apart = ranges.some(({ low, high }) => high - low > rounding * Math.max(-low, high));
      return {
        rows: group,
        conflict: apart || own.some((r) => r.label !== own[0]?.label),
        spread: Math.max(0, ...ranges.map(({ low, high }) => high - low)),
      };
    });
}

function rangeOf(values: readonly number[]): { low: number; high: number } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return { low, high };
}

export const farDeviations = 10;

/**
 * Indices of values more than `farDeviations` robust standard deviations (1.4826 times the median absolute
 * deviation) from the median; none where half of the values or more are the same.
 */
export function farValues(values: readonly number[]): number[] {
  if (values.length === 0) return [];
  const middle = median(values);
  const deviation = 1.4826 * median(values.map((v) => Math.abs(v - middle)));
  if (deviation === 0) return [];
  return values.flatMap((v, i) => (Math.abs(v - middle) > farDeviations * deviation ? [i] : []));
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
