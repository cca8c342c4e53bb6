/** Point 3.7: the packed package as others meet it - its examples, its types, and how soon its help is there. */
import { join } from "node:path";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { type Ended, runProgram } from "./process.ts";
import { root } from "./studies.ts";

const MOST_MS = 300;
const STARTS = 15;
const commands = [["--help"], ["learn", "--help"], ["train", "--help"], ["--version"]];

export const library: Point = {
  id: "3.7",
  asked: `Every example in README.md and docs/ compiled and run; publint, are-the-types-wrong and strict projects (NodeNext, bundler) on the packed package; every type that an export names exported; \`--help\` of the built program in under ${MOST_MS} ms (median of ${STARTS} starts).`,
  needs: [],
  async run({ progress }) {
    const checks: Check[] = [];
    progress.note("building, and starting it ...");
    const built = await runProgram("npm", ["run", "--silent", "build"], { cwd: root });
    if (built.code !== 0) throw new Error(built.stderr || built.stdout);
    for (const words of commands) checks.push(await startTime(words));
    for (const [name, what] of [
      ["test/docs", "blocks of the pages: TypeScript compiled and run, studies, commands"],
      ["test/package", "publint, are-the-types-wrong, strict projects, exported types"],
    ] as const) {
      progress.note(`${what} ...`);
      checks.push(tests(what, await runProgram("node", ["scripts/test.mjs", name], { cwd: root })));
    }
    return { measured: checkLines(checks), pass: allPass(checks) };
  },
};

/** Beside it what node alone takes, so that a busy machine can be told from a slow program. */
async function startTime(words: readonly string[]): Promise<Check> {
  const main = join(root, "dist", "cli", "main.js");
  const ours: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    ours.push(await milliseconds([main, ...words]));
    bare.push(await milliseconds(["--eval", "0"]));
  }
  const [median, lowest] = [middle(ours), Math.min(...ours)];
  return {
    what: `tagllm ${words.join(" ")} in under ${MOST_MS} ms`,
    found: `median ${median.toFixed(0)} ms, lowest ${lowest.toFixed(0)}; node alone ${middle(bare).toFixed(0)}`,
    pass: median < MOST_MS,
  };
}

async function milliseconds(words: readonly string[]): Promise<number> {
  const { code, seconds, stderr } = await runProgram(process.execPath, words, { cwd: root });
  if (code !== 0) throw new Error(stderr);
  return seconds * 1000;
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

function tests(what: string, { code, stdout }: Ended): Check {
  const count = (name: string) =>
    [...stdout.matchAll(new RegExp(`^ℹ ${name} (\\d+)$`, "gm"))].reduce((sum, [, n]) => sum + Number(n), 0);
  const failed = [...stdout.matchAll(/^✖ (.*?) \(/gm)].map(([, name]) => name);
  const found = `${count("pass")} tests pass, ${count("fail")} fail, ${count("skipped")} skipped${failed.length ? `: ${failed.join("; ")}` : ""}`;
  return { what, found, pass: code === 0 && count("pass") > 0 && count("fail") + count("skipped") === 0 };
}
