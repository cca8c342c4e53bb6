/**
 * What every benchmark is: something that runs, a result with the same five keys, and a table of it. One file per
 * benchmark implements this; main.ts dispatches to it by name.
 */
import type { BaseConfig } from "./bases.ts";
import type { Machine } from "./machine.ts";
import type { Table } from "./table.ts";

export interface BenchOptions {
  /** Measurements of each side, taken in turns. */
  readonly repeats: number;
  /** Of the base that is run; default: SmolLM2-135M. Only where the benchmark says `anyBase`. */
  readonly config?: BaseConfig;
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

export interface Benchmark {
  readonly name: string;
  /** One sentence: what is run. */
  readonly about: string;
  /** It runs at the sizes of any of `bases`. */
  readonly anyBase?: true;
  run(options: BenchOptions): Promise<{ result: BenchResult; table: Table }>;
}
