/**
 * Which held-out rows of a task the training rows already have: the same inputs, the same written otherwise (a
 * molecule by another SMILES, a text in other case or blanks), and inputs that are nearly the same. It looks at
 * one field at a time, and for several fields also at all together: a pair leaks when both of its sides do.
 */
import { NearBits } from "../data/near-bits.ts";
import { type Budget, NearTexts } from "../data/near-text.ts";
import { parseNumber } from "../data/numbers.ts";
import { loadMolecules, type Molecules } from "../molecules.ts";
import { type TemplateSource, writtenPieces } from "../prompts/template.ts";
import type { TaskRow } from "./clean.ts";
import { speaksOfMolecules } from "./molecules.ts";
import type { Side } from "./sources.ts";
import type { PreparedTask } from "./tasks.ts";

/** A held-out row and the training row that it repeats; 0-based data rows of the file. */
export interface LeakExample {
  readonly row: number;
  readonly like: number;
}

/** Counts of rows; each row counts once, under the first that holds. */
export interface SideLeak {
  readonly of: number;
  readonly same: number;
  /** The same, written otherwise. */
  readonly rewritten: number;
  /** Nearly the same; null where that was not looked for. */
  readonly near: number | null;
  /** Of how many rows that are neither the same nor rewritten; less than there are where it would take too long. */
  readonly nearChecked: number;
  /** Molecules of a ring scaffold that training has, whatever else they are; null where that was not looked for. */
  readonly scaffold: number | null;
  readonly examples: readonly LeakExample[];
}

export interface Leakage {
  /** One field of the template, or all of them. */
  readonly fields: readonly string[];
  readonly readAs: "molecule" | "text" | "inputs";
  readonly test: SideLeak;
  readonly validation: SideLeak;
}

/** A field that is read as molecules must parse in at least this share of its rows. */
const mostlyMolecules = 0.9;
/** Work of one search for near-duplicates, about a few seconds. */
const nearWork = 4e8;
/** More molecules than this would take too long: to find the scaffolds of, and to read at all. */
const mostScaffolds = 6000;
const mostMolecules = 50_000;
/** Training texts beyond which near ones are not looked for. */
const mostTexts = 100_000;
const shownExamples = 3;

/** How the values of a field, or of several, are compared. */
interface Comparison {
  /** Equal for values that say the same. */
  readonly same: (row: TaskRow) => string;
  readonly exact: (row: TaskRow) => string;
}

type Sides = Record<Side, readonly TaskRow[]>;

/** Fields of a task that hold no answer. */
const inputsOf = (task: PreparedTask): string[] =>
  task.fields.filter((f) => task.kind !== "text" || !task.targets.includes(f));

/** Stands for a row of another table, which a reader could not find by its number. */
const ELSEWHERE = -1;

/** What a task trains on: of the same table by the same fields, another's rows are the same. */
function sameRows(one: PreparedTask, other: PreparedTask): boolean {
  if (one.spec.scoreOnly || other.spec.scoreOnly) return false;
  return one.source === other.source && inputsOf(one).join("\n") === inputsOf(other).join("\n");
}

/**
 * Training rows that one function tag learns in other tasks, under the names that the task has for their inputs: field
 * by field in the order of the templates.
 */
function trainedElsewhere(task: PreparedTask, tasks: readonly PreparedTask[]): TaskRow[] {
  const fields = inputsOf(task);
  return tasks
    .filter((other) => other.functionTag !== null && other.functionTag === task.functionTag)
    .filter((other) => !other.spec.scoreOnly && !sameRows(task, other))
    .flatMap((other) => {
      const theirs = inputsOf(other);
      if (theirs.length !== fields.length) return [];
      return other.rows.train.map((row): TaskRow => {
        const own = fields.map((field, i) => [field, row.fields[theirs[i] as string] ?? ""]);
        return { ...row, fields: Object.fromEntries(own), rowNumber: ELSEWHERE };
      });
    });
}

/**
 * Of a task: by field, then for all fields together where there are several.
 * @param tasks of its stage and of those before it, whose training rows its function tag has learned too
 */
export async function leakageOf(own: PreparedTask, tasks: readonly PreparedTask[]): Promise<Leakage[]> {
  const learned = own.spec.scoreOnly ? [] : own.rows.train;
  const train = [...learned, ...trainedElsewhere(own, tasks)];
  const task = { ...own, rows: { ...own.rows, train } };
  const fields = inputsOf(task);
  const found: Leakage[] = [];
  const forms = new Map<string, Comparison["same"]>();
  for (const field of fields) {
    const exact = (row: TaskRow) => row.fields[field] ?? "";
    const molecules = await moleculesOf(task, field);
    const same = molecules ? canonical(molecules, exact) : plainText(task.rows, exact);
    forms.set(field, same);
    const near = molecules ? nearMolecules(task.rows, exact, same, molecules) : nearTexts(task.rows, same);
    const scaffold = molecules ? scaffoldTest(task.rows, same, molecules) : null;
    const side = sideLeaks(task.rows, { same, exact }, near, scaffold);
    found.push({ fields: [field], readAs: molecules ? "molecule" : "text", ...side });
  }
  if (fields.length > 1) {
    const joined = (of: (field: string, row: TaskRow) => string) => (row: TaskRow) =>
      JSON.stringify(fields.map((f) => of(f, row)));
    const same = joined((f, row) => (forms.get(f) as Comparison["same"])(row));
    const exact = joined((f, row) => row.fields[f] ?? "");
    found.push({ fields, readAs: "inputs", ...sideLeaks(task.rows, { same, exact }, null, null) });
  }
  return found;
}

/** null where the field does not hold molecules, or so many that they are compared as text. */
async function moleculesOf({ spec, rows }: PreparedTask, field: string): Promise<Molecules | null> {
  const listed = spec.molecules?.includes(field) ?? false;
  if (!listed && ![field, ...tagsOf(spec.template, field)].some(speaksOfMolecules)) return null;
  const molecules = await loadMolecules();
  const all = [...rows.train, ...rows.validation, ...rows.test];
  if (new Set(all.map((row) => row.fields[field])).size > mostMolecules) return null;
  if (listed) return molecules;
  const read = all.filter((row) => molecules.read(row.fields[field] ?? "") !== null).length;
  return read >= mostlyMolecules * all.length ? molecules : null;
}

/** The tags that stand directly before a field, with blanks between them or none. */
function tagsOf(template: TemplateSource, field: string): string[] {
  const texts = typeof template === "string" ? [template] : template.map(({ content }) => content);
  return texts.flatMap((text) => {
    const pieces = writtenPieces(text).filter((p) => p.kind !== "text" || p.text.trim() !== "");
    return pieces.flatMap((piece, i) => {
      const before = pieces[i - 1];
      return piece.kind === "field" && piece.name === field && before?.kind === "tag" ? [before.name] : [];
    });
  });
}

/** The canonical SMILES; the text itself where it is no molecule. */
const canonical =
  (molecules: Molecules, exact: Comparison["exact"]): Comparison["same"] =>
  (row) =>
    molecules.read(exact(row))?.smiles ?? exact(row);

/** Without regard to blanks, and to case unless the texts look like codes, in which it may mean something. */
function plainText({ train }: Sides, exact: Comparison["exact"]): Comparison["same"] {
  const codes = train.filter((row) => /^\S*[\d()=#[\]]\S*$/.test(exact(row))).length;
  const blanks = (text: string) => text.normalize("NFC").trim().replace(/\s+/g, " ");
  return codes >= train.length / 2 ? (row) => blanks(exact(row)) : (row) => blanks(exact(row)).toLowerCase();
}

/** Index into the training rows of one that is nearly the same; undefined when the search would take too long. */
type FindNear = (row: TaskRow) => number | null | undefined;

function nearMolecules(
  { train }: Sides,
  exact: Comparison["exact"],
  same: Comparison["same"],
  molecules: Molecules,
): FindNear {
  const budget: Budget = { left: nearWork };
  const { rows } = distinct(train, same);
  const index = new NearBits(
    rows.map((i) => molecules.read(exact(train[i] as TaskRow))?.fingerprint ?? null),
  );
  return oncePerValue(same, (row) => {
    const molecule = molecules.read(exact(row));
    const near = molecule && index.find(molecule.fingerprint, budget);
    return near ? rows[near.index] : near;
  });
}

/** null for numbers, of which near ones are nothing unusual, and for more texts than can be compared. */
function nearTexts({ train }: Sides, same: Comparison["same"]): FindNear | null {
  const budget: Budget = { left: nearWork };
  const { rows, texts } = distinct(train, same);
  if (texts.length > mostTexts || texts.every((t) => parseNumber(t).fault === null)) return null;
  const index = new NearTexts(texts);
  return oncePerValue(same, (row) => {
    const near = index.find(same(row), budget);
    return near ? rows[near.index] : near;
  });
}

function oncePerValue(same: Comparison["same"], find: FindNear): FindNear {
  const known = new Map<string, ReturnType<FindNear>>();
  return (row) => {
    const key = same(row);
    if (!known.has(key)) known.set(key, find(row));
    return known.get(key);
  };
}

/** Different values with the index of the first row of each. */
function distinct(rows: readonly TaskRow[], same: Comparison["same"]): { rows: number[]; texts: string[] } {
  const first = new Map<string, number>();
  rows.forEach((row, i) => {
    const key = same(row);
    if (!first.has(key)) first.set(key, i);
  });
  return { rows: [...first.values()], texts: [...first.keys()] };
}

/** Whether training has the ring scaffold of a row; null where there are too many molecules. */
function scaffoldTest(
  { train, validation, test }: Sides,
  same: Comparison["same"],
  molecules: Molecules,
): ((row: TaskRow) => boolean) | null {
  if (new Set([...train, ...validation, ...test].map(same)).size > mostScaffolds) return null;
  const trained = new Set(train.map((row) => molecules.scaffold(same(row))));
  trained.delete("");
  trained.delete(null);
  return (row) => trained.has(molecules.scaffold(same(row)));
}

function sideLeaks(
  rows: Sides,
  { same, exact }: Comparison,
  findNear: FindNear | null,
  scaffold: ((row: TaskRow) => boolean) | null,
): Record<"test" | "validation", SideLeak> {
  const firstOf = (key: Comparison["same"]) => {
    const first = new Map<string, number>();
    rows.train.forEach((row, i) => {
      if (!first.has(key(row))) first.set(key(row), i);
    });
    return first;
  };
  const [byExact, bySame] = [firstOf(exact), firstOf(same)];
  const count = (side: readonly TaskRow[]): SideLeak => {
    const found = { same: 0, rewritten: 0, near: 0, nearChecked: 0 };
    const examples: Record<"same" | "rewritten" | "near", LeakExample[]> = {
      same: [],
      rewritten: [],
      near: [],
    };
    const note = (how: keyof typeof examples, row: TaskRow, like: number) => {
      found[how]++;
      const { rowNumber } = rows.train[like] as TaskRow;
      if (rowNumber !== ELSEWHERE && examples[how].length < shownExamples)
        examples[how].push({ row: row.rowNumber, like: rowNumber });
    };
    for (const row of scattered(side)) {
      const [one, other] = [byExact.get(exact(row)), bySame.get(same(row))];
      if (one !== undefined) note("same", row, one);
      else if (other !== undefined) note("rewritten", row, other);
      else if (findNear) {
        const near = findNear(row);
        if (near === undefined) continue;
        found.nearChecked++;
        if (near !== null) note("near", row, near);
      }
    }
    const repeats = found.same + found.rewritten;
    return {
      of: side.length,
      ...found,
      near: findNear ? found.near : null,
      scaffold: scaffold ? side.filter(scaffold).length : null,
      examples: (repeats > 0 ? [...examples.same, ...examples.rewritten] : examples.near).slice(
        0,
        shownExamples,
      ),
    };
  };
  return { test: count(rows.test), validation: count(rows.validation) };
}

/** All rows, in an order in which the first ones are a fair sample should time end. */
function scattered<T>(rows: readonly T[]): T[] {
  let step = Math.max(1, Math.round(rows.length * 0.618));
  while (greatestDivisor(step, rows.length) > 1) step++;
  return rows.map((_, i) => rows[(i * step) % rows.length] as T);
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** Rows whose inputs training has, as they are or written otherwise. */
export const repeated = ({ same, rewritten }: SideLeak): number => same + rewritten;

/** Of the whole input: one field, or all together. */
export const wholeInput = (leakage: readonly Leakage[]): Leakage | undefined => leakage.at(-1);
