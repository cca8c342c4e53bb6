/**
 * The rows of a source -> the rows of a task: those that can be learned from, after what the study says of the
 * others, and a list of all that was found.
 */
import { parseNumber } from "../data/numbers.ts";
import {
  type EqualInputs,
  equalInputs,
  farDeviations,
  farValues,
  faultOf,
  type RowFault,
} from "../data/quality.ts";
import type { Dropped } from "../data/step.ts";
import { TagllmError } from "../errors.ts";
import type { RowHandling } from "./schema.ts";
import { type Side, type Source, sideNames } from "./sources.ts";

export interface TaskRow {
  readonly fields: Record<string, string>;
  /** 0-based data row of the file. */
  readonly rowNumber: number;
  /** Of the split: rows of one group lie on one side together. */
  readonly group: number;
  /** Targets as numbers, in their own unit; empty for other kinds. */
  readonly numbers: readonly number[];
  /** The class of the row; null for other kinds. */
  readonly label: string | null;
}

/** Something found in the rows of a task, and what was done about it. */
export interface Finding {
  readonly kind: "fault" | "equal" | "conflict" | "far";
  readonly what: string;
  /** 0-based data rows of the file. */
  readonly rows: readonly number[];
  readonly handled: "dropped" | "kept" | "first kept" | "averaged";
}

export interface CleanRows {
  readonly rows: Record<Side, readonly TaskRow[]>;
  readonly dropped: readonly Dropped[];
  readonly findings: readonly Finding[];
}

/** What a task needs of its rows. */
export interface Wanted {
  /** For messages. */
  readonly name: string;
  readonly fields: readonly string[];
  /** Of plain prompts: they must hold something too, and tell no rows apart. */
  readonly plainFields: readonly string[];
  readonly targets: readonly string[];
  readonly kind: "domain" | "text" | "number" | "class";
  readonly handling: RowHandling;
  /** Whether the base has tokens for a text; null where it has them for any. */
  readonly writable: ((text: string) => boolean) | null;
}

type SidedRow = TaskRow & { readonly side: Side; readonly index: number };

interface Log {
  readonly dropped: Dropped[];
  readonly findings: Finding[];
}

/** @throws study/rows where the study says `error` */
export function cleanRows(source: Source, wanted: Wanted): CleanRows {
  const { dropped } = source.table; // by joins
  const log: Log = {
    dropped: [...dropped],
    findings: dropped.map(({ reason, rows }) => ({ kind: "fault", what: reason, rows, handled: "dropped" })),
  };
  const rows = mergeEqual(usableRows(source, wanted, log), wanted, log);
  noteOutliers(rows, wanted, log);
  const of = (side: Side): TaskRow[] =>
    rows
      .filter((r) => r.side === side)
      .map(({ fields, rowNumber, group, numbers, label }) => ({ fields, rowNumber, group, numbers, label }));
  return { rows: { train: of("train"), validation: of("validation"), test: of("test") }, ...log };
}

/** In the order of the table. */
function usableRows({ table, sides, groups }: Source, wanted: Wanted, log: Log): SidedRow[] {
  const numbers = wanted.kind === "number" ? wanted.targets : [];
  const classes = wanted.kind === "class" ? wanted.targets : [];
  const texts = wanted.kind === "text" ? wanted.targets : [];
  const read = [...new Set([...wanted.fields, ...wanted.plainFields])];
  const inputs = read.filter((f) => !classes.includes(f) && !texts.includes(f));
  const needed = { inputs, numbers, classes, texts };
  const sideOf = new Map(sideNames.flatMap((side) => Array.from(sides[side], (i) => [i, side] as const)));
  const faults = new Map<string, { key: DroppedFor; rows: number[] }>();
  const usable: SidedRow[] = [];
  for (const [index, side] of [...sideOf].sort(([a], [b]) => a - b)) {
    const fields = table.rows[index] as Record<string, string>;
    const rowNumber = table.rowNumbers[index] as number;
    const fault = faultOf(fields, needed);
    const unwritable = fault ? undefined : read.find((f) => wanted.writable?.(fields[f] ?? "") === false);
    if (fault === null && unwritable === undefined) {
      const values = numbers.map((t) => parseNumber(fields[t] ?? "").value as number);
      const label = wanted.kind === "class" ? (fields[classes[0] as string] as string) : null;
      const group = groups[index] as number;
      usable.push({ fields, rowNumber, group, numbers: values, label, side, index });
      continue;
    }
    const what = fault ? faultText(fault) : `a part of ${unwritable} that the base has no token for`;
    const same = faults.get(what);
    if (same) same.rows.push(rowNumber);
    else faults.set(what, { key: fault ? handlingOf(fault) : "unwritable", rows: [rowNumber] });
  }
  for (const [what, { key, rows }] of faults) {
    if (wanted.handling[key] === "error") throw refused(wanted, what, rows, key, "drop");
    log.dropped.push({ reason: what, rows });
    log.findings.push({ kind: "fault", what, rows, handled: "dropped" });
  }
  return usable;
}

const faultText = ({ field, fault, of }: RowFault): string =>
  of === "input" ? `empty ${field}` : `${field} is ${fault}`;

type DroppedFor = "empty" | "missing" | "notNumber" | "notFinite" | "unwritable";

function handlingOf({ fault, of }: RowFault): DroppedFor {
  if (of === "input") return "empty";
  if (fault === "not a number") return "notNumber";
  return fault === "NaN" || fault === "infinite" ? "notFinite" : "missing";
}

const handledAs = { keep: "kept", first: "first kept", mean: "averaged", drop: "dropped" } as const;

/** Rows of equal inputs, wherever they lie, are one group; what is left of one lies on the side of its first row. */
function mergeEqual(usable: readonly SidedRow[], wanted: Wanted, log: Log): SidedRow[] {
  const { fields, targets, kind, handling } = wanted;
  const textTarget = kind === "text" ? (targets[0] as string) : null;
  const inputs = fields.filter((f) => f !== textTarget);
  const groups = equalInputs(
    usable.map((row) => ({
      key: JSON.stringify(inputs.map((f) => row.fields[f])),
      numbers: row.numbers,
      label: textTarget === null ? row.label : (row.fields[textTarget] ?? ""),
    })),
  );
  const numbersOf = (rows: readonly number[]) => rows.map((i) => usable[i]?.rowNumber as number);
  const gone = new Set<number>();
  const means = new Map<number, SidedRow>();
  for (const key of ["duplicates", "conflicts"] as const) {
    const own = groups.filter((g) => g.conflict === (key === "conflicts"));
    if (own.length === 0) continue;
    const chosen = handling[key];
    const what = equalText(own, inputs, targets);
    const rows = numbersOf(own.flatMap((g) => g.rows));
    if (chosen === "error") throw refused(wanted, what, rows, key, "keep");
    log.findings.push({
      kind: key === "conflicts" ? "conflict" : "equal",
      what,
      rows,
      handled: handledAs[chosen],
    });
    if (chosen === "keep") continue;
    const lost = own.flatMap((g) => (chosen === "drop" ? g.rows : g.rows.slice(1)));
    for (const i of lost) gone.add(i);
    if (chosen === "mean") for (const g of own) means.set(g.rows[0] as number, meanRow(usable, g.rows));
    log.dropped.push({ reason: `${what}: ${handledAs[chosen]}`, rows: numbersOf(lost) });
  }
  return usable.flatMap((row, i) => (gone.has(i) ? [] : [means.get(i) ?? row]));
}

function equalText(
  groups: readonly EqualInputs[],
  inputs: readonly string[],
  targets: readonly string[],
): string {
  const equal = `equal ${inputs.join(", ")}`;
  const count = `${groups.length} group${groups.length === 1 ? "" : "s"}`;
  if (!groups[0]?.conflict) return `${equal}${targets.length ? ` and ${targets.join(", ")}` : ""} (${count})`;
  const spread = groups.reduce((most, g) => Math.max(most, g.spread), 0);
  const apart = spread > 0 ? `, up to ${Number(spread.toPrecision(4))} apart` : "";
  return `${equal} with different ${targets.join(", ")} (${count}${apart})`;
}

function meanRow(usable: readonly SidedRow[], group: readonly number[]): SidedRow {
  const rows = group.map((i) => usable[i] as SidedRow);
  const first = rows[0] as SidedRow;
  const numbers = first.numbers.map(
    (_, k) => rows.reduce((sum, r) => sum + (r.numbers[k] as number), 0) / rows.length,
  );
  return { ...first, numbers };
}

function noteOutliers(rows: readonly SidedRow[], { kind, targets }: Wanted, { findings }: Log): void {
  if (kind !== "number") return;
  for (const [k, target] of targets.entries()) {
    const far = farValues(rows.map((r) => r.numbers[k] as number));
    if (far.length === 0) continue;
    const what = `${target} is more than ${farDeviations} robust deviations from its median`;
    findings.push({ kind: "far", what, rows: far.map((i) => rows[i]?.rowNumber as number), handled: "kept" });
  }
}

const shownRows = 10;

/** Counted from 1, as an editor or a spreadsheet without its header does. */
export const rowList = (rows: readonly number[]): string => {
  const shown = rows.slice(0, shownRows).map((r) => r + 1);
  return `row${rows.length === 1 ? "" : "s"} ${shown.join(", ")}${rows.length > shown.length ? ", ..." : ""}`;
};

function refused(
  { name }: Pick<Wanted, "name">,
  what: string,
  rows: readonly number[],
  key: string,
  other: string,
): TagllmError {
  return new TagllmError(
    "study/rows",
    `${name}: ${rows.length} row${rows.length === 1 ? "" : "s"} with ${what} (${rowList(rows)}).`,
    `The study says ${key}: error. Mend the rows, or say ${key}: ${other}.`,
  );
}
