/** The data of a study: every source read once, divided once, and compared with what the base has seen. */
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { placeOf, readRows, type SourceSpec, type Table } from "../data/source.ts";
import { fieldGroups, leaks, moleculeGroups, type Sides, splitRows } from "../data/split.ts";
import { TagllmError } from "../errors.ts";
import type { LoadedStudy } from "./load.ts";
import type { StudySource } from "./schema.ts";

export const sideNames = ["train", "validation", "test"] as const;
export type Side = (typeof sideNames)[number];

export interface Source {
  readonly name: string;
  readonly spec: StudySource;
  readonly table: Table;
  /** Indices into the table's rows. */
  readonly sides: Sides;
  /** Number of the split group of each row of the table; rows that are split by themselves are each their own. */
  readonly groups: Int32Array;
  /** Rows of each side that the base was pretrained on, and of how many. */
  readonly seen: Record<Side, number>;
  /** Rows of each held-out side that share a split group with the training side. */
  readonly leaks: ReturnType<typeof leaks>;
}

export async function readSources(
  { study, folder }: LoadedStudy,
  baseFolder: string,
): Promise<Map<string, Source>> {
  const seenSets = await readSeen(baseFolder);
  const sources = new Map<string, Source>();
  for (const [name, spec] of Object.entries(study.data)) {
    const { split: splitSpec, ...source } = spec;
    const table = await readRows(inFolder(source, folder));
    const { by } = splitSpec;
    const groupOf = (await moleculeGroups(table, splitSpec)) ?? fieldGroups(table, splitSpec);
    const sides = splitRows(table, splitSpec, splitSpec.seed, groupOf);
    const seenIn = (side: Side) =>
      sides[side].filter((i) =>
        wasSeen(seenSets, table, table.rowNumbers[i] as number, table.rows[i] as Record<string, string>),
      ).length;
    sources.set(name, {
      name,
      spec,
      table,
      sides,
      groups: numbered(table.rows.length, groupOf),
      seen: { train: seenIn("train"), validation: seenIn("validation"), test: seenIn("test") },
      leaks: leaks(table, sides, typeof by === "object" && "group" in by ? by.group : []),
    });
  }
  return sources;
}

function numbered(rows: number, groupOf: (row: number) => string): Int32Array {
  const known = new Map<string, number>();
  return Int32Array.from({ length: rows }, (_, i) => {
    const key = groupOf(i);
    const number = known.get(key) ?? known.size;
    known.set(key, number);
    return number;
  });
}

/** The source with its paths as they are from anywhere. */
function inFolder(source: SourceSpec, folder: string): SourceSpec {
  const located = <T extends Pick<SourceSpec, "file">>(spec: T): T => ({
    ...spec,
    file: [spec.file].flat().map((path) => resolve(folder, path)),
  });
  return { ...located(source), join: source.join?.map(located) };
}

/** Whether the base was pretrained on a row. What is joined to it claims nothing: where that stood is not known. */
export function wasSeen(
  sets: readonly SeenSet[],
  { files }: Pick<Table, "files">,
  rowNumber: number,
  fields: Record<string, string>,
): boolean {
  const { path, row } = placeOf(files, rowNumber);
  return sets.some((s) => s.files.includes(basename(path)) && s.has(row, fields));
}

export interface SeenSet {
  readonly files: readonly string[];
  has(rowNumber: number, row: Record<string, string>): boolean;
}

interface SeenEntry {
  readonly files: string[];
  /**
   * A range [from, to) of 0-based data rows; any text means all rows but those whose `key` is in unseenKeys, and
   * none of a table that has no `key` to tell by.
   */
  readonly rows: string | [number, number];
  readonly unseenKeys?: string[];
}

/**
 * `seen.json` of a base: rows of public sets that it was pretrained on, matched by the file's name, packed or not.
 * A base without one claims nothing.
 */
export async function readSeen(baseFolder: string): Promise<SeenSet[]> {
  const file = join(baseFolder, "seen.json");
  const text = await readFile(file, "utf8").catch(() => null);
  if (text === null) return [];
  try {
    return (JSON.parse(text) as { seen: SeenEntry[] }).seen.map((entry) => ({
      files: entry.files.flatMap(packedOrNot),
      has: rowTest(entry),
    }));
  } catch (cause) {
    throw new TagllmError(
      "model/seen",
      `${file} cannot be read: ${(cause as Error).message}.`,
      "Restore or delete it.",
      {
        cause,
      },
    );
  }
}

function packedOrNot(name: string): string[] {
  const unpacked = name.replace(/\.gz$/i, "");
  return [unpacked, `${unpacked}.gz`];
}

function rowTest({ rows, unseenKeys = [] }: SeenEntry): SeenSet["has"] {
  if (typeof rows === "string") {
    const unseen = new Set(unseenKeys);
    return (_, { key }) => unseen.size === 0 || (key !== undefined && !unseen.has(key));
  }
  const [from, to] = rows;
  return (rowNumber) => rowNumber >= from && rowNumber < to;
}
