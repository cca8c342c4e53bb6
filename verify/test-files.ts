/** Test files as part of a point: run as `npm test` runs them, and counted by what they print. */
import { join } from "node:path";
import type { Check } from "./point.ts";
import { runProgram } from "./process.ts";
import { root } from "./studies.ts";

export interface TestRun {
  /** All that the tests printed, as TAP. */
  readonly stdout: string;
  /** Of the files themselves, not of what is below them. */
  readonly tests: readonly { name: string; ok: boolean }[];
  readonly pass: number;
  readonly fail: number;
  readonly skipped: number;
}

/** `files`: paths below the repository's root. */
export async function runTestFiles(files: readonly string[]): Promise<TestRun> {
  const words = ["--import", import.meta.resolve("tsx"), "--test", "--test-reporter=tap"];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const paths = files.map((path) => join(root, path));
  const { stdout } = await runProgram(process.execPath, [...words, ...paths], { cwd: root, env });
  const count = (what: string) =>
    Number(stdout.match(new RegExp(`^# ${what} (\\d+)`, "m"))?.[1] ?? Number.NaN);
  const tests = [...stdout.matchAll(/^(not )?ok \d+ - (.*)$/gm)].map(([, not, name = ""]) => ({
    name: name.replace(/\\#/g, "#"),
    ok: not === undefined,
  }));
  return { stdout, tests, pass: count("pass"), fail: count("fail"), skipped: count("skipped") };
}

export const allTestsPass = (what: string, { pass, fail, skipped }: TestRun): Check => ({
  what,
  found: `${pass} pass, ${fail} fail, ${skipped} skipped`,
  pass: pass > 0 && fail === 0 && skipped === 0,
});
