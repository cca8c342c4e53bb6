// Runs the tests, all or those whose path holds one of the words given: `npm test`, `npm test -- tags prompts`.
// Node 20's --test takes no globs, and .ts files need tsx. Two files at a time, except those that measure time or
// memory: they come last and one by one.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const words = process.argv.slice(2);
const files = readdirSync("test", { recursive: true })
  .map((path) => join("test", path))
  .filter((path) => path.endsWith(".test.ts"))
  .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`No test file's path holds ${words.join(" or ")}.`);
  process.exit(2);
}

const measures = (file) =>
  /performance\.now|memoryUsage|resourceUsage|timer-gaps|run-cases|main\.ts`/.test(
    readFileSync(file, "utf8"),
  );
// These take minutes: they begin first, so that none of them runs alone at the end.
const long = ["study/resume", "learn/learn", "hostile/commands"].map((name) =>
  join("test", `${name}.test.ts`),
);
const longFirst = (own) => [
  ...own.filter((file) => long.includes(file)),
  ...own.filter((file) => !long.includes(file)),
];
const rounds = [
  { together: 2, own: longFirst(files.filter((file) => !measures(file))) },
  { together: 1, own: files.filter(measures) },
];
let failed = 0;
for (const { together, own } of rounds) {
  if (own.length === 0) continue;
  const options = ["--import", "tsx", "--test", `--test-concurrency=${together}`, "--test-reporter=spec"];
  const { status } = spawnSync(process.execPath, [...options, ...own], { stdio: "inherit" });
  failed ||= status ?? 1;
}
process.exit(failed);
