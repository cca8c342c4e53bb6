/** One thing that an issue says must be seen: what was asked, how it is measured, and whether that is enough. */
import type { Progress } from "../src/cli/progress.ts";
import type { Need } from "./needs.ts";

export interface Verdict {
  /** Numbers and tables, as many lines as it takes. */
  readonly measured: string;
  readonly pass: boolean;
}

export interface Context {
  /** What is going on, on stderr. */
  readonly progress: Progress;
  /** Where a point may write its runs: --out, or a temporary folder made at the first call. */
  folder(): Promise<string>;
}

export interface Point {
  /** Issue and number, such as 2.3. */
  readonly id: string;
  readonly asked: string;
  /** Beside this repository and its npm packages. */
  readonly needs: readonly Need[];
  run(context: Context): Promise<Verdict>;
}

/** A requirement as a line, with what was found. */
export interface Check {
  readonly what: string;
  readonly found: string;
  readonly pass: boolean;
}

export const checkLines = (checks: readonly Check[]): string =>
  checks.map(({ what, found, pass }) => `${pass ? "yes" : "NO "}  ${what}: ${found}`).join("\n");

export const allPass = (checks: readonly Check[]): boolean => checks.every(({ pass }) => pass);
