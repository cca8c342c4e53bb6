/** `tagllm runs list|show|compare|rm`: the run folders there are. */
import { rm } from "node:fs/promises";
import { relative } from "node:path";
import { TagllmError } from "../../errors.ts";
import { headingOf } from "../../evaluate/metric-names.ts";
import { compareRuns } from "../../report/compare.ts";
import { precisionOf, resolvedStudy } from "../../report/document.ts";
import {
  type FinishedRun,
  findRuns,
  lockCure,
  type RunSummary,
  readRun,
  stateText,
  summarise,
} from "../../report/read-run.ts";
import { methodCell } from "../../report/summary.ts";
import { type Difference, differences } from "../../study/differences.ts";
import { isTrainedTag, mainMetric, verdict } from "../../study/methods.ts";
import { formatReport, type Report } from "../../study/report.ts";
import { distinctPaths } from "../distinct-paths.ts";
import { type Result, UsageError } from "../result.ts";
import { properties, table } from "../table.ts";

export async function listRuns(folder: string): Promise<Result> {
  const runs = await findRuns(folder);
  const columns = ["run", "state", "study", "last change", "what the last stage reached"].map((title) => ({
    title,
  }));
  const rows = runs.map((r) => [
    shownPath(r.folder),
    stateText(r),
    r.study,
    r.changed.slice(0, 16).replace("T", " "),
    reachedText(r),
  ]);
  return {
    text: rows.length ? table(columns, rows) : `There are no runs in ${folder}.`,
    json: { folder, runs: runs.map(({ report, ...r }) => ({ ...r, reached: reached(report) })) },
  };
}

function shownPath(path: string): string {
  const short = relative(".", path) || ".";
  return short.startsWith("..") ? path : short;
}

/** The trained tag of the last stage in the metric that decides; null without a report. */
function lastTag(report: Report | null) {
  const task = report?.stages.at(-1)?.tasks[0];
  const tag = task?.methods.find(isTrainedTag);
  return task && tag ? { task, tag, metric: mainMetric(task.methods) } : null;
}

function reachedText({ report }: RunSummary): string {
  const last = lastTag(report);
  if (!last) return "";
  const { task, tag, metric } = last;
  return `${task.target ?? task.task} ${headingOf(metric)} ${methodCell(tag, metric)}`;
}

function reached(report: Report | null): object | null {
  const last = lastTag(report);
  if (!last) return null;
  const { task, tag, metric } = last;
  const seeds = tag.perSeed.length;
  return {
    task: task.task,
    target: task.target,
    metric,
    mean: tag.mean[metric],
    spread: tag.spread[metric],
    seeds,
  };
}

export async function showRun(path: string): Promise<Result> {
  const summary = await summarise(path);
  const { report, folder, state, worker, study, changed } = summary;
  const facts: [string, string][] = [
    ["run", folder],
    ["state", stateText(summary)],
    ["study", study],
    ["last change", changed],
  ];
  if (!report) {
    const hint = `It has no report. The command that began it goes on with it.${lockCure(summary)}`;
    return { text: `${properties(facts)}\n\n${hint}`, json: { folder, state, worker, study, changed } };
  }
  const verdicts = report.stages.flatMap((s) => s.tasks).map((t) => `${t.task}: ${verdict(t.methods)}`);
  const text = `${properties(facts)}\n\n${formatReport(report)}\n${verdicts.join("\n")}`;
  return { text, json: { folder, state, worker, study, changed, report } };
}

export async function compareRunFolders(paths: readonly string[]): Promise<Result> {
  if (paths.length < 2) throw new UsageError("One run cannot be compared.", "Give two runs or more.");
  const runs = await Promise.all(paths.map(readRun));
  const { columns, rows, note } = compareRuns(runs.map(({ report, folder }) => ({ ...report, folder })));
  const studies = await Promise.all(runs.map(({ folder }) => resolvedStudy(folder)));
  const differing = runs.slice(1).map((run, i) => ({
    run: run.folder,
    differences: [...differences(studies[0], studies[i + 1]), ...otherwise(runs[0] as FinishedRun, run)],
  }));
  const text = [
    table(
      ["run", ...columns].map((title) => ({ title })),
      rows.map((r) => [shownPath(r.name), ...r.cells]),
    ),
    note,
    ...differing.map(({ run, differences: lines }) =>
      [
        `\n${shownPath(run)} against the first:`,
        ...(lines.length ? lines.map((d) => `${d.key}: ${d.after}, not ${d.before}`) : ["the same study"]),
      ].join("\n  "),
    ),
  ];
  return { text: text.join("\n"), json: { columns, rows, note, differences: differing } };
}

/** Where runs differ in what no study says: version, base, engine and the tags that they began from. */
function otherwise(first: FinishedRun, second: FinishedRun): Difference[] {
  const [a, b] = [first, second].map(({ report: { tagllm, base }, manifest }) => ({
    tagllm,
    base: { id: base.id },
    engine: manifest?.engine && {
      reuse: "auto",
      ...manifest.engine,
      precision: precisionOf(manifest.engine),
    },
    tags: manifest?.tags ?? {},
  }));
  return differences(a, b);
}

export async function removeRuns(paths: readonly string[], { yes }: { yes?: boolean }): Promise<Result> {
  const runs = await Promise.all(distinctPaths(paths).map(summarise));
  if (!yes) {
    const list = runs.map((r) => `${r.folder} (${stateText(r)})`).join(", ");
    throw new UsageError(`This would remove ${list}, tags included.`, "Say --yes to do it.");
  }
  for (const run of runs) {
    if (!run.worker) continue;
    const { pid, host } = run.worker;
    const cure = lockCure(run);
    const who = `process ${pid}${cure && ` on ${host}`}`;
    const problem = `In the run folder ${run.folder} ${who} is at work.`;
    throw new TagllmError("run/locked", problem, `Stop it first.${cure}`);
  }
  for (const { folder } of runs) await rm(folder, { recursive: true });
  const removed = runs.map((r) => r.folder);
  return { text: `Removed: ${removed.join(", ")}`, json: { removed } };
}
