/** Point 2.2: the demo on a fresh clone, with nothing beside it and nothing but the npm registry. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { duration, type Progress } from "../src/cli/progress.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { type Ended, runProgram, userEnvironment } from "./process.ts";
import { root } from "./studies.ts";

const MOST_SECONDS = 300;
const methods = [
  "domain tag",
  "no tag",
  "function tag",
  "untrained tag",
  "linear probe",
  "mean",
  "character counts",
  "additive means",
];
const tasks = ["text of the domain", "predicts logp", "predicts similarity"];

export const demo: Point = {
  id: "2.2",
  asked: `On a fresh clone without ../shared: npm install, then npm run demo in under ${MOST_SECONDS / 60} minutes, all three stages, a table with every baseline, and what the user saw and can do next.`,
  needs: [],
  async run({ progress }) {
    const folder = await mkdtemp(join(tmpdir(), "tagllm-clone-"));
    try {
      return await demoIn(join(folder, "tagllm"), progress);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function demoIn(clone: string, progress: Progress) {
  const run = (command: string, words: string[], cwd = clone) =>
    runProgram(command, words, { cwd, env: userEnvironment(), onLine: (line) => progress.update(line) });
  const work = async (title: string, command: string, words: string[], cwd?: string) => {
    progress.note(`${title} ...`);
    return await run(command, words, cwd);
  };
  const cloned = await work(
    "git clone",
    "git",
    ["clone", "--quiet", "--depth=1", pathToFileURL(root).href, clone],
    root,
  );
  if (cloned.code !== 0) throw new Error(`git clone: ${cloned.stderr.trim()}`);
  if (existsSync(join(clone, "..", "shared"))) throw new Error(`there is a folder shared beside ${clone}`);
  const installed = await work("npm install", "npm", ["install"]);
  const changed = await run("git", ["status", "--porcelain"]);
  const { stdout: commit } = await run("git", ["log", "-1", "--format=%h %s"]);
  const uncommitted = await run("git", ["status", "--porcelain", "--untracked-files=no"], root);
  const shown = installed.code === 0 ? await work("npm run demo", "npm", ["run", "demo"]) : null;
  progress.clear();
  const checks = [...installChecks(installed, changed), ...(shown ? demoChecks(shown) : [])];
  const parts = [
    `commit ${commit.trim()}${uncommitted.stdout.trim() ? "; CHANGES THAT ARE NOT COMMITTED ARE NOT IN IT" : ""}`,
    shown ? `$ npm run demo\n${shown.stdout.trim()}` : installed.stderr.trim(),
    ...(shown && shown.code !== 0 ? [shown.stderr.trim()] : []),
    checkLines(checks),
  ];
  return { measured: parts.join("\n\n"), pass: allPass(checks) };
}

function installChecks({ code, stderr, seconds }: Ended, changed: Ended): Check[] {
  const own = stderr
    .split("\n")
    .filter((line) => /^npm (warn|error)/i.test(line) && !/user config/i.test(line));
  return [
    { what: "npm install succeeds", found: `exit code ${code} after ${duration(seconds)}`, pass: code === 0 },
    { what: "it warns of nothing", found: own.join("; ") || "no warning", pass: own.length === 0 },
    {
      what: "it leaves the clone as it is",
      found: changed.stdout.trim() || "no file changed",
      pass: changed.stdout.trim() === "",
    },
  ];
}

/** Methods that have a row with a number. */
function tabled(stdout: string): Check {
  const missing = methods.filter((method) => !new RegExp(`^ *${method}\\b.*\\d\\.\\d`, "m").test(stdout));
  const found = missing.length ? `lacks ${missing.join(", ")}` : methods.join(", ");
  return { what: "every method in the tables", found, pass: missing.length === 0 };
}

function demoChecks({ code, stdout, seconds }: Ended): Check[] {
  const says = (what: string, words: readonly string[]): Check => {
    const missing = words.filter((word) => !stdout.includes(word));
    return {
      what,
      found: missing.length ? `lacks ${missing.join(", ")}` : words.join(", "),
      pass: missing.length === 0,
    };
  };
  return [
    { what: "npm run demo succeeds", found: `exit code ${code}`, pass: code === 0 },
    {
      what: `in less than ${MOST_SECONDS} s`,
      found: `${seconds.toFixed(0)} s`,
      pass: seconds < MOST_SECONDS,
    },
    says("all three stages", tasks),
    tabled(stdout),
    says("what was seen and what to do next", ["What you saw", "tagllm predict", "tagllm train"]),
  ];
}
