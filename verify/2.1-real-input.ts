/** Point 2.1: both example studies on public data, each beside what a tag must beat. */
import { join } from "node:path";
import { duration } from "../src/cli/progress.ts";
import { regressionColumns } from "../src/study/methods.ts";
import { formatReport, type Report } from "../src/study/report.ts";
import { sharedData } from "./needs.ts";
import { preparePairs } from "./pairs-file.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import {
  compareMethods,
  exampleFile,
  method,
  type NumberTask,
  numberTasks,
  rmse,
  runStudyFile,
} from "./studies.ts";

const MOST_MINUTES = 40;
const SEEDS = 3;
const baselines = ["mean", "untrained tag", "linear probe", "character counts"];
const pairBaselines = [...baselines, "additive means"];

export const realInput: Point = {
  id: "2.1",
  asked: `Solubility and affinity on public data, ${SEEDS} seeds, all baselines: function tags beat the mean and the untrained tag by more than the spread of the seeds; the linear probe and the paper's recipe stand beside them; both runs under ${MOST_MINUTES} minutes on 2 cores.`,
  needs: [sharedData],
  async run({ progress, folder }) {
    const began = performance.now();
    const solubility = await runStudyFile(
      exampleFile("solubility"),
      join(await folder(), "solubility"),
      progress,
    );
    await preparePairs("affinity", progress);
    const affinity = await runStudyFile(exampleFile("affinity"), join(await folder(), "affinity"), progress);
    const minutes = (performance.now() - began) / 60000;
    const time: Check = {
      what: `both studies took less than ${MOST_MINUTES} minutes`,
      found: `${minutes.toFixed(1)} minutes (solubility ${duration(solubility.seconds)}, affinity ${duration(affinity.seconds)})`,
      pass: minutes < MOST_MINUTES,
    };
    const required = [...judge(solubility, baselines), ...judge(affinity, pairBaselines), time];
    const parts = [
      formatReport(solubility),
      formatReport(affinity),
      `Required\n${checkLines(required)}`,
      `Reported\n${[solubility, affinity].flatMap(reported).join("\n")}`,
    ];
    return { measured: parts.join("\n"), pass: allPass(required) };
  },
};

const isPapers = ({ stage }: NumberTask): boolean => /paper/i.test(stage);

/** What is required of every task of a study but those of the paper's recipe. */
function judge(report: Report, needed: readonly string[]): Check[] {
  const name = report.study.name;
  const tasks = numberTasks(report).filter((task) => !isPapers(task));
  const seeds: Check = {
    what: `${name}: at least ${SEEDS} seeds`,
    found: report.seeds.join(", "),
    pass: report.seeds.length >= SEEDS,
  };
  const learned: Check = {
    what: `${name}: function tags that predict numbers`,
    found: tasks.map((t) => t.task).join(", ") || "none",
    pass: tasks.length > 0,
  };
  return [
    seeds,
    learned,
    ...tasks.flatMap((task) => [
      isComplete(task, needed),
      compareMethods(task, "function tag", "mean"),
      compareMethods(task, "function tag", "untrained tag"),
    ]),
  ];
}

function isComplete(task: NumberTask, needed: readonly string[]): Check {
  const missing = needed.filter((name) => {
    const found = method(task, name);
    return !found || regressionColumns.some((column) => found.mean[column] === undefined);
  });
  return {
    what: `${task.task}: all baselines with all metrics`,
    found: missing.length ? `lacks ${missing.join(", ")}` : needed.join(", "),
    pass: missing.length === 0,
  };
}

/** Not required, and not to be hidden. */
function reported(report: Report): string[] {
  const tasks = numberTasks(report);
  const silent = tasks.some(isPapers) ? [] : [`${report.study.name}: no stage shows the paper's recipe`];
  const lines = tasks.flatMap((task) => {
    const tag = method(task, "function tag");
    if (!tag) return [];
    if (isPapers(task)) return [`${task.task}, ${task.target}: the paper's recipe reaches RMSE ${rmse(tag)}`];
    const { what, found, pass } = compareMethods(task, "function tag", "linear probe");
    return [`${what}: ${pass ? "yes" : "no"}, ${found}`];
  });
  return [...lines, ...silent];
}
