/**
 * What must be seen, as commands.
 *
 *     npm run verify                   # lists the points
 *     npm run verify -- 2.3            # one point; 2 is all of issue 2
 *     npm run verify -- 2.1 --out DIR  # keeps its runs in DIR
 *
 * Prints what was asked, what was measured, and pass or fail. Exit code 0 when all pass, 1 when one fails, 2 for
 * a point that does not exist.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { duration, Progress } from "../src/cli/progress.ts";
import { failureOf } from "../src/cli/result.ts";
import { TagllmError } from "../src/errors.ts";
import { unmet } from "./needs.ts";
import type { Context, Point, Verdict } from "./point.ts";
import { points } from "./points.ts";

class UsageError extends Error {}

async function main(words: readonly string[]): Promise<number> {
  const { asked, out } = readWords(words);
  if (asked.length === 0) {
    console.log(list());
    return 0;
  }
  const chosen = points.filter(({ id }) => asked.some((a) => id === a || id.startsWith(`${a}.`)));
  const passed: boolean[] = [];
  const context = makeContext(out);
  for (const point of chosen) passed.push(await show(point, context));
  if (chosen.length > 1) {
    console.log(chosen.map(({ id }, i) => `${id}  ${passed[i] ? "pass" : "fail"}`).join("\n"));
  }
  return passed.every(Boolean) ? 0 : 1;
}

function readWords(words: readonly string[]): { asked: string[]; out: string | null } {
  let parsed: { values: { out?: string | undefined }; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...words], options: { out: { type: "string" } }, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const asked = parsed.positionals;
  const unknown = asked.find((a) => !points.some(({ id }) => id === a || id.startsWith(`${a}.`)));
  if (unknown !== undefined) throw new UsageError(`There is no point ${JSON.stringify(unknown)}.`);
  return { asked, out: parsed.values.out ?? null };
}

function makeContext(out: string | null): Context {
  const progress = new Progress(process.stderr);
  let folder: Promise<string> | null = null;
  const make = async () => {
    const made = out === null ? await mkdtemp(join(tmpdir(), "tagllm-verify-")) : resolve(out);
    progress.note(`runs go to ${made}`);
    return made;
  };
  return {
    progress,
    folder: () => {
      folder ??= make();
      return folder;
    },
  };
}

/** Prints a point and says whether it passed. */
async function show(point: Point, context: Context): Promise<boolean> {
  const indented = (text: string) => text.trim().replaceAll(/^(?=.)/gm, "  ");
  const began = performance.now();
  console.log(`${point.id}\nasked\n${indented(point.asked)}`);
  const { measured, pass } = await verdictOf(point, context);
  context.progress.clear();
  const seconds = (performance.now() - began) / 1000;
  console.log(`measured\n${indented(measured)}\n${pass ? "pass" : "fail"} (${duration(seconds)})\n`);
  return pass;
}

async function verdictOf(point: Point, context: Context): Promise<Verdict> {
  const missing = unmet(point.needs);
  if (missing) return { measured: `not measured: it ${missing}`, pass: false };
  try {
    return await point.run(context);
  } catch (error) {
    const { code, problem, cure } = failureOf(error);
    const known = error instanceof TagllmError;
    return {
      measured: known ? `error[${code}]: ${problem}\n${cure}` : String((error as Error).stack),
      pass: false,
    };
  }
}

function list(): string {
  const lines = points.map(({ id, asked, needs }) => {
    const outside = needs.map((need) => `\n       needs ${need.what}`).join("");
    return `  ${id}  ${asked}${outside}`;
  });
  return ["npm run verify -- POINT|ISSUE ... [--out FOLDER]", ...lines].join("\n");
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n${list()}`);
  process.exitCode = 2;
}
