/** Point 3.1: from a table to tags with the packed program, installed in an empty folder. */
import { access, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../src/cli/progress.ts";
import { beats, type MethodResult, mainMetric } from "../src/study/methods.ts";
import { type LearnTable, learnedMethods, learnTables } from "./learn-tables.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { runProgram, userEnvironment } from "./process.ts";
import { root } from "./studies.ts";

const MOST_SECONDS = 360;
const npms = ["10", "11"];

export const learnFromTable: Point = {
  id: "3.1",
  asked: `npm pack, install in an empty folder with npm ${npms.join(" and ")}, npx tagllm learn on Lipophilicity, 5,000 proteins with their stability and classes made of them: tags, report, exit 0, under ${MOST_SECONDS / 60} minutes, not below the linear probe by more than the seeds' spread, the choice explained, ridge on character counts (and fingerprints) beside.`,
  needs: [sharedData],
  async run({ progress, folder }) {
    const home = await folder();
    const tables = await learnTables(join(home, "tables"));
    const checks: Check[] = [];
    const shown: string[] = [];
    const tarball = await pack(home, progress);
    const projects: string[] = [];
    for (const npm of npms) {
      const project = join(home, `npm-${npm}`);
      checks.push(await install(project, npm, tarball, progress));
      projects.push(project);
    }
    for (const [i, table] of tables.entries()) {
      const project = projects[i % projects.length] as string;
      const { output, found } = await learn(project, table, progress);
      shown.push(`$ npx tagllm learn ${table.name}\n${output}`);
      checks.push(...found);
    }
    progress.clear();
    return { measured: `${shown.join("\n\n")}\n\n${checkLines(checks)}`, pass: allPass(checks) };
  },
};

async function pack(home: string, progress: Progress): Promise<string> {
  progress.note("npm pack ...");
  const built = await runProgram("npm", ["run", "--silent", "build"], { cwd: root });
  if (built.code !== 0) throw new Error(built.stderr || built.stdout);
  await mkdir(home, { recursive: true });
  const packed = await runProgram("npm", ["pack", "--silent", "--pack-destination", home], { cwd: root });
  if (packed.code !== 0) throw new Error(packed.stderr);
  return join(home, packed.stdout.trim().split("\n").at(-1) as string);
}

async function install(project: string, npm: string, tarball: string, progress: Progress): Promise<Check> {
  progress.note(`npm ${npm}: install in an empty folder ...`);
  await mkdir(project);
  const words = ["--yes", `npm@${npm}`, "install", "--ignore-scripts", "--prefix", project, tarball];
  const { code, stderr, seconds } = await runProgram("npx", words, { cwd: project, env: userEnvironment() });
  const found = code === 0 ? `${seconds.toFixed(0)} s` : stderr.trim().slice(-300);
  return { what: `npm ${npm} installs the tarball in an empty folder`, found, pass: code === 0 };
}

async function learn(project: string, { name, file, input, target }: LearnTable, progress: Progress) {
  progress.note(`learn ${name} ...`);
  const out = join(project, name);
  const words = ["tagllm", "learn", file, "--input", input, "--target", target, "--out", out];
  const { code, stdout, stderr, seconds } = await runProgram("npx", words, {
    cwd: project,
    env: userEnvironment(),
    onLine: (line) => progress.update(`${name}: ${line}`),
  });
  const time: Check = {
    what: `${name}: ends with exit code 0 in under ${MOST_SECONDS / 60} minutes`,
    found: `code ${code}, ${seconds.toFixed(0)} s`,
    pass: code === 0 && seconds < MOST_SECONDS,
  };
  if (code !== 0) return { output: stderr, found: [time] };
  return { output: stdout.trim(), found: [time, ...(await checkLearned(name, out, stdout))] };
}

async function checkLearned(name: string, out: string, stdout: string): Promise<Check[]> {
  const methods = await learnedMethods(out);
  const tag = methods.get("function tag") as MethodResult;
  const probe = methods.get("linear probe") as MethodResult;
  const metric = name === "stable" ? mainMetric([tag]) : "r2";
  const cell = (m: MethodResult) => `${m.mean[metric]?.toFixed(3)} ± ${m.spread[metric]?.toFixed(3)}`;
  const files = ["tags", "run/report.html", "run/report.json", "study.yaml", "trials.json"];
  const missing: string[] = [];
  for (const f of files) await access(join(out, f)).catch(() => missing.push(f));
  const page = await readFile(join(out, "run", "report.html"), "utf8").catch(() => "");
  const beside = ["character counts", ...(name === "lipophilicity" ? ["fingerprints"] : [])];
  return [
    {
      what: `${name}: tags, report, study and trials`,
      found: missing.join(", ") || "all",
      pass: !missing.length && page.length > 10_000,
    },
    {
      what: `${name}: ${metric} not below the linear probe's by more than the spread`,
      found: `${cell(tag)} against ${cell(probe)}`,
      pass: !beats(probe, tag),
    },
    {
      what: `${name}: the choice and its reason are said`,
      found: /^Chosen: .* because .*$/m.exec(stdout)?.[0] ?? "no",
      pass: /^Chosen: .* because /m.test(stdout),
    },
    {
      what: `${name}: ${beside.join(" and ")} beside`,
      found: beside
        .map((b) => `${b} ${methods.has(b) ? cell(methods.get(b) as MethodResult) : "missing"}`)
        .join(", "),
      pass: beside.every((b) => methods.has(b)),
    },
  ];
}
