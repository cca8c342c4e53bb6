/**
 * Columns of another file, found by the value of fields: pairs of ids become pairs of molecules and sequences.
 * The other file is held in memory. Every key must be there once; a row whose key is not is an error, or left
 * out and counted where the study says so. A key with an empty value is the key of no row.
 */
import { TagllmError } from "../errors.ts";
import { didYouMean, quote } from "../suggest.ts";
import type { FileRecord } from "./file.ts";
import { type FilesSpec, openFiles, refuseDuplicates } from "./files.ts";
import { type Batch, type Dropped, placeIn, type Step } from "./step.ts";

export interface JoinSpec extends Pick<FilesSpec, "file" | "format" | "columns"> {
  /** Fields that both sides have, or { field of the rows: field of the joined file }. */
  on: string | readonly string[] | Record<string, string>;
  /** What a row is whose key the joined file does not have; default: an error. */
  missing?: "error" | "drop" | undefined;
}

export interface Join extends Step {
  readonly files: readonly FileRecord[];
}

/** `columns` are those of the rows in `path`. Errors: data/join, data/column, data/duplicate-column and those of reading. */
export async function openJoin(spec: JoinSpec, path: string, columns: readonly string[]): Promise<Join> {
  const lookup = await openFiles(spec);
  const pairs = pairsOf(spec.on);
  const own = pairs.map(([field]) => placeOf(field, columns, path));
  const theirs = pairs.map(([, field]) => placeOf(field, lookup.columns, lookup.path));
  const added = lookup.columns.flatMap((name, i) => (theirs.includes(i) ? [] : [{ name, i }]));
  const all = [...columns, ...added.map(({ name }) => name)];
  const cure = `Give that of ${lookup.path} another name with columns.`;
  refuseDuplicates(all, `Joined with ${lookup.path}, the rows of ${path} have`, cure);
  const { table, files } = await readTable(
    lookup,
    theirs,
    added.map(({ i }) => i),
  );
  const lost: number[] = [];
  const fields = pairs.map(([field]) => field);
  return {
    columns: all,
    files,
    get dropped(): Dropped[] {
      return lost.length === 0 ? [] : [{ reason: `no ${fields.join(", ")} in ${lookup.path}`, rows: lost }];
    },
    async apply(batch) {
      const kept: { values: string[]; rowNumber: number }[] = [];
      for (const [i, values] of batch.values.entries()) {
        const key = keyOf(values, own);
        const found = table.get(key);
        const rowNumber = batch.rowNumbers[i] as number;
        if (found !== undefined) kept.push({ values: [...values, ...found], rowNumber });
        else if (spec.missing === "drop") lost.push(rowNumber);
        else throw missing(batch, i, fields, key, table.keys(), lookup.path);
      }
      return { ...batch, values: kept.map((k) => k.values), rowNumbers: kept.map((k) => k.rowNumber) };
    },
    close() {},
  };
}

async function readTable(
  lookup: Awaited<ReturnType<typeof openFiles>>,
  keys: readonly number[],
  added: readonly number[],
): Promise<{ table: Map<string, string[]>; files: FileRecord[] }> {
  const table = new Map<string, string[]>();
  const places = new Map<string, string>();
  const reading = lookup.batches();
  let read = await reading.next();
  for (; !read.done; read = await reading.next()) {
    const batch = read.value;
    for (const [i, values] of batch.values.entries()) {
      if (keys.some((place) => values[place] === "")) continue;
      const key = keyOf(values, keys);
      const before = places.get(key);
      if (before !== undefined) {
        const problem = `${placeIn(batch, i)} has the key ${shown(key)} again; ${before} has it too.`;
        throw new TagllmError("data/join", problem, "Every key of a joined file must be there once.");
      }
      places.set(key, placeIn(batch, i));
      table.set(
        key,
        added.map((place) => values[place] as string),
      );
    }
  }
  return { table, files: read.value.files };
}

/** One text for the values of all key fields. */
const keyOf = (values: readonly string[], places: readonly number[]): string =>
  JSON.stringify(places.map((place) => values[place]));

const shown = (key: string): string => (JSON.parse(key) as string[]).map(quote).join(", ");

function pairsOf(on: JoinSpec["on"]): [string, string][] {
  const names = typeof on === "string" ? [on] : on;
  const pairs = Array.isArray(names)
    ? names.map((name): [string, string] => [name, name])
    : Object.entries(names as Record<string, string>);
  if (pairs.length > 0) return pairs;
  throw new TagllmError("data/join", "A join has no field to join on.", "Name one or more under on.");
}

function placeOf(field: string, columns: readonly string[], path: string): number {
  const place = columns.indexOf(field);
  if (place >= 0) return place;
  const problem = `${path} has no column ${quote(field)} to join on.`;
  throw new TagllmError("data/column", problem, didYouMean(field, columns, "columns"));
}

function missing(
  batch: Batch,
  i: number,
  fields: readonly string[],
  key: string,
  known: Iterable<string>,
  path: string,
): TagllmError {
  const row = `${placeIn(batch, i)} has ${fields.join(", ")} ${shown(key)}`;
  const drop = "or say missing: drop to leave such rows out.";
  if ((JSON.parse(key) as string[]).includes("")) {
    const problem = `${row}, and an empty key matches no row of ${path}.`;
    return new TagllmError("data/join", problem, `Fill it in, ${drop}`);
  }
  const [first] = known;
  const example = first === undefined ? "" : ` (its first is ${shown(first)})`;
  return new TagllmError(
    "data/join",
    `${row}, which ${path} does not have.`,
    `Add it there${example}, ${drop}`,
  );
}
