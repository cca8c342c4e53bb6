/** Runs studies of this repository as `tagllm train` does, and compares methods in their reports. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withStudy } from "../src/cli/open-study.ts";
import type { Progress } from "../src/cli/progress.ts";
import { runView } from "../src/cli/run-view.ts";
import { beats, type MethodResult } from "../src/study/methods.ts";
import type { PreparedStudy } from "../src/study/prepare.ts";
import type { Report, TaskReport } from "../src/study/report.ts";
import { runStudy } from "../src/study/run.ts";
import type { Check } from "./point.ts";

export const root: string = fileURLToPath(new URL("../", import.meta.url));

export const exampleFile = (name: string): string => join(root, "examples", name, "study.yaml");

export async function runPreparedStudy(
  prepared: PreparedStudy,
  out: string,
  progress: Progress,
  reuse: "auto" | "none" = "auto",
): Promise<Report> {
  const runs = prepared.stages.length * prepared.loaded.study.seeds.length;
  const report = await runStudy(prepared, { out, reuse, onEvent: runView(progress, runs) });
  progress.clear();
  return report;
}

export const runStudyFile = (file: string, out: string, progress: Progress): Promise<Report> =>
  withStudy(file, {}, { progress }, (prepared) => runPreparedStudy(prepared, out, progress));

/** A task with numbers as answers, and the stage that learned it. */
export interface NumberTask extends TaskReport {
  readonly stage: string;
}

export const numberTasks = ({ stages }: Report): NumberTask[] =>
  stages.flatMap(({ stage, tasks }) =>
    tasks.filter((t) => method(t, "function tag")?.mean.rmse !== undefined).map((t) => ({ ...t, stage })),
  );

export const method = ({ methods }: TaskReport, name: string): MethodResult | undefined =>
  methods.find((m) => m.method === name);

/** Whether one method of a task has a lower RMSE than another by more than the spread of the seeds. */
export function compareMethods(task: TaskReport, better: string, worse: string): Check {
  const [a, b] = [method(task, better), method(task, worse)];
  const what = `${task.task}, ${task.target}: ${better} beats ${worse} by more than the seeds' spread`;
  if (!a || !b) return { what, found: `the report has no ${a ? worse : better}`, pass: false };
  return { what, found: `RMSE ${rmse(a)} against ${rmse(b)}`, pass: beats(a, b) };
}

export function rmse({ mean, spread, perSeed }: MethodResult): string {
  const value = (mean.rmse as number).toFixed(3);
  return perSeed.length > 1 ? `${value} ± ${(spread.rmse as number).toFixed(3)}` : value;
}
