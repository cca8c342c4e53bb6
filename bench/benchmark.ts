/**
 * What every benchmark is: something that runs, a result with the same five keys, and a table of it. One file per
 * benchmark implements this; main.ts dispatches to it by name.
 */
import type { Machine } from "./machine.ts";

export interface BenchOptions {
  /** Measurements of each side, taken in turns. */
  readonly repeats: number;
  /** Hears what is going on. */
  readonly note: (line: string) => void;
}

export interface BenchResult<Side = object> {
  readonly name: string;
  readonly machine: Machine;
  readonly ours: Side;
  /** Empty when nothing to compare with is installed. */
  readonly peers: Readonly<Record<string, Side>>;
  /** By peer, then by what is compared; above 1 ours is better. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** First row: titles; first column: what is measured. */
export type Table = readonly (readonly string[])[];

export interface Benchmark {
  readonly name: string;
  /** One sentence: what is run. */
  readonly about: string;
  run(options: BenchOptions): Promise<{ result: BenchResult; table: Table }>;
}

export function textTable(table: Table): string {
  const widths = (table[0] ?? []).map((_, c) => Math.max(...table.map((row) => (row[c] ?? "").length)));
  const line = (row: readonly string[]) =>
    row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0))).join("  ");
  return table.map(line).join("\n");
}

export function markdownTable(table: Table): string {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const [titles = [], ...rows] = table;
  const rule = titles.map((_, c) => (c === 0 ? "---" : "---:"));
  return [line(titles), `|${rule.join("|")}|`, ...rows.map(line)].join("\n");
}
