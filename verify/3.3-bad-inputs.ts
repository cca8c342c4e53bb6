/** Point 3.3: bad inputs to the built program, each with the words that the user reads; docs/bad-inputs.md quotes them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandCases } from "../test/hostile/commands/all.ts";
import { attempt, type Outcome } from "../test/hostile/commands/attempt.ts";
import { categories } from "../test/hostile/commands/case.ts";
import { makeWorld } from "../test/hostile/commands/world.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { runProgram } from "./process.ts";
import { root } from "./studies.ts";

const LEAST = 80;
const LEAST_EACH = 8;

export const badInputs: Point = {
  id: "3.3",
  asked: `At least ${LEAST} bad inputs in ${categories.length} categories (${categories.join(", ")}), at least ${LEAST_EACH} each, distinct codes, the messages in a table in docs; no stack trace, C++ path or partial output.`,
  needs: [],
  async run({ progress }) {
    progress.update("building ...");
    const built = await runProgram("npm", ["run", "--silent", "build"], { cwd: root });
    if (built.code !== 0) throw new Error(built.stderr || built.stdout);
    const program = [process.execPath, join(root, "dist", "cli", "main.js")];
    const world = await makeWorld();
    const outcomes: Outcome[] = [];
    try {
      for (const attack of commandCases) {
        progress.update(`${attack.category}: ${attack.name} ...`);
        outcomes.push(await attempt(attack, world, program));
      }
    } finally {
      progress.clear();
      await world.close();
    }
    await writeFile(join(root, "docs", "bad-inputs.md"), page(outcomes));
    const checks = judge(outcomes);
    return {
      measured: `${checkLines(checks)}\n\ndocs/bad-inputs.md has the messages.`,
      pass: allPass(checks),
    };
  },
};

function judge(outcomes: readonly Outcome[]): Check[] {
  const counts = categories.map((c) => outcomes.filter((o) => o.attack.category === c).length);
  const codes = new Set(outcomes.map((o) => o.attack.code));
  const faults = outcomes.filter((o) => o.fault !== null);
  return [
    { what: `at least ${LEAST} bad inputs`, found: `${outcomes.length}`, pass: outcomes.length >= LEAST },
    {
      what: `at least ${LEAST_EACH} in each category`,
      found: categories.map((c, i) => `${c} ${counts[i]}`).join(", "),
      pass: counts.every((n) => n >= LEAST_EACH),
    },
    { what: "distinct codes", found: `${codes.size}`, pass: codes.size >= outcomes.length / 3 },
    {
      what: "the right code and exit code, the culprit and a cure named, no stack trace, no C++ path, nothing on stdout, nothing left behind",
      found: faults.length
        ? faults.map((o) => `${o.attack.category}: ${o.attack.name} ${o.fault}`).join("; ")
        : "all",
      pass: faults.length === 0,
    },
  ];
}

function page(outcomes: readonly Outcome[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", "<br>");
  const sections = categories.map((category) => {
    const own = outcomes.filter((o) => o.attack.category === category);
    const rows = own.map((o) => `| ${cell(o.attack.name)} | \`${o.attack.code}\` | ${cell(o.message)} |`);
    return `## ${category}\n\n| bad input | code | what the user reads |\n|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `# Bad inputs

What tagllm says to inputs that it cannot take. Each was given to the built program in a process of its own; none shows a stack trace or leaves partial output. \`…\` stands for the working directory. Written by \`npm run verify -- 3.3\`; the same cases run with the tests. [errors.md](errors.md) lists all codes.

${sections.join("\n")}`;
}
