/** Point 2.7: hostile files and prompts, each with the words that the user reads. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import picocolors from "picocolors";
import { failureOf, failureText } from "../src/cli/result.ts";
import { TagllmError } from "../src/errors.ts";
import type { HostileCase } from "../test/hostile/cases/case.ts";
import { dataCases } from "../test/hostile/cases/data.ts";
import { promptCases } from "../test/hostile/cases/prompts.ts";
import { sqlCases } from "../test/hostile/cases/sql.ts";
import { tagCases } from "../test/hostile/cases/tags.ts";
import { tokenizerCases } from "../test/hostile/cases/tokenizer.ts";
import { weightsCases } from "../test/hostile/cases/weights.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const LEAST_CASES = 30;
const LEAST_CATEGORIES = 5;
const MOST_SECONDS = 5;
const cases: readonly HostileCase[] = [
  weightsCases,
  tokenizerCases,
  tagCases,
  promptCases,
  dataCases,
  sqlCases,
].flat();

interface Outcome {
  readonly attack: HostileCase;
  /** As the command line prints it. */
  readonly message: string;
  /** What is wrong with it; null when it is as it must be. */
  readonly fault: string | null;
}

export const hostile: Point = {
  id: "2.7",
  asked: `At least ${LEAST_CASES} hostile files and prompts in ${LEAST_CATEGORIES} categories, each with the message the user sees and a distinct error code.`,
  needs: [],
  async run({ progress }) {
    const outcomes: Outcome[] = [];
    for (const attack of cases) {
      progress.update(`${attack.category}: ${attack.name} ...`);
      outcomes.push(await attempt(attack));
    }
    progress.clear();
    const checks = judge(outcomes);
    return { measured: `${listed(outcomes)}\n\n${checkLines(checks)}`, pass: allPass(checks) };
  },
};

async function attempt(attack: HostileCase): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "tagllm-hostile-"));
  try {
    const began = performance.now();
    const error = await attack.run(folder).then(
      () => null,
      (reason: unknown) => reason,
    );
    const seconds = (performance.now() - began) / 1000;
    const message =
      error === null ? "" : failureText(failureOf(error), picocolors.createColors(false)).trimEnd();
    return {
      attack,
      message: message.replaceAll(folder, "…"),
      fault: faultOf(attack, error, message, seconds),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function faultOf(
  { code, mentions = [] }: HostileCase,
  error: unknown,
  message: string,
  seconds: number,
): string | null {
  if (error === null) return "was accepted";
  if (!(error instanceof TagllmError)) return "is no TagllmError";
  if (error.code !== code) return `has not the code ${code}`;
  const unnamed = mentions.filter((part) => !error.message.includes(part));
  if (unnamed.length) return `does not name ${unnamed.join(", ")}`;
  if (/\n\s+at .*:\d+:\d+|node:internal/.test(message)) return "shows a stack trace";
  if (/\.(cc|cpp|cxx|h|hpp)\b|onnxruntime[/\\]/.test(message)) return "shows a C++ path";
  return seconds < MOST_SECONDS ? null : `took ${seconds.toFixed(1)} s`;
}

function judge(outcomes: readonly Outcome[]): Check[] {
  const faulty = outcomes.filter((o) => o.fault !== null);
  const categories = new Set(cases.map((c) => c.category));
  const codes = new Set(cases.map((c) => c.code));
  return [
    {
      what: "refused in good time, with the right code, the culprit named, no stack trace and no C++ path",
      found: `${outcomes.length - faulty.length} of ${outcomes.length}`,
      pass: faulty.length === 0,
    },
    {
      what: `at least ${LEAST_CASES} cases with an error code of their own`,
      found: `${codes.size} codes in ${cases.length} cases`,
      pass: codes.size >= LEAST_CASES,
    },
    {
      what: `at least ${LEAST_CATEGORIES} categories`,
      found: [...categories].join(", "),
      pass: categories.size >= LEAST_CATEGORIES,
    },
  ];
}

/** By category: the name of each case, and below it what the user reads. */
function listed(outcomes: readonly Outcome[]): string {
  const indented = (text: string) => text.replaceAll(/^/gm, "      ");
  const entry = ({ attack, message, fault }: Outcome, i: number) =>
    `  ${i + 1}. ${attack.name}${fault ? `  <- WRONG: ${fault}` : ""}\n${indented(message)}`;
  const categories = [...new Set(outcomes.map(({ attack }) => attack.category))];
  return categories
    .map((category) => ({ category, members: outcomes.filter(({ attack }) => attack.category === category) }))
    .map(({ category, members }) => `${category} (${members.length})\n${members.map(entry).join("\n")}`)
    .join("\n\n");
}
