/** `tagllm eval`: how good a tag is on a labelled table. */
import { readRows } from "../../data/source.ts";
import { headingOf, metricText } from "../../evaluate/metric-names.ts";
import { defaultBase } from "../../models/default-base.ts";
import { evaluateTag, rowsToScore } from "../../study/evaluate.ts";
import type { Evaluation, MetricInterval, OutputEvaluation } from "../../study/evaluation.ts";
import { listTags } from "../../tags/library.ts";
import type { Tag } from "../../tags/tag.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, noteWeights, withBase } from "../open-study.ts";
import { openTagsFor } from "../open-tags.ts";
import { type Result, UsageError } from "../result.ts";
import { limitOf } from "../rows.ts";
import { grouped, table } from "../table.ts";
import { checkAnswerTokens, unfinishedNote } from "./predict.ts";

export interface EvalChoice extends EngineChoice {
  tag?: string;
  target?: string[];
  reuse?: boolean;
  answerTokens?: number;
  base?: string;
}

export async function evaluate(io: Io, folder: string, data: string, choice: EvalChoice): Promise<Result> {
  const signal = io.signal();
  const name = choice.tag ?? (await onlyFunctionTag(folder));
  const { tag, tags } = await openTagsFor(name, folder);
  checkAnswerTokens(tag, choice);
  const rows = await readRows({ file: data });
  rowsToScore(tag, rows, choice.target);
  const evaluation = await withBase(choice.base ?? defaultBase, { ...choice, signal }, io, (base) => {
    noteWeights(io, base);
    return evaluateTag(base, tags, tag.name, rows, {
      signal,
      reuse: choice.reuse === false ? "none" : "auto",
      ...(choice.target && { targets: choice.target }),
      ...(choice.answerTokens !== undefined && { answerTokens: choice.answerTokens }),
      onProgress: (done) => io.progress.update(`${grouped(done)} rows answered by ${tag.name} ...`),
    });
  });
  io.progress.clear();
  return { text: textOf(evaluation, tag, data), json: { data, ...evaluation } };
}

async function onlyFunctionTag(folder: string): Promise<string> {
  const listed = await listTags(folder);
  const names = listed.flatMap((entry) =>
    "tag" in entry && entry.tag.kind === "function" ? [entry.tag.name] : [],
  );
  if (names.length === 1) return names[0] as string;
  const problem = names.length
    ? `${folder} has ${names.length} function tags: ${names.join(", ")}.`
    : `${folder} has no function tag that can be read.`;
  throw new UsageError(problem, "Say which tag is to be scored with --tag NAME.");
}

function textOf(evaluation: Evaluation, tag: Tag, data: string): string {
  const { rows, scored } = evaluation;
  const lines = [
    `${tag.name} on ${data}: ${grouped(scored)} of ${grouped(rows)} rows scored`,
    ...evaluation.outputs.flatMap((output) => ["", ...outputLines(output)]),
  ];
  const notes = notesOn(evaluation, tag);
  return [...lines, ...(notes.length ? ["", ...notes] : [])].join("\n");
}

function outputLines({ output, column, metrics, baseline, coverage }: OutputEvaluation): string[] {
  const title = output === null || output === column ? column : `${output}, compared with ${column}`;
  const rows = Object.entries(metrics).map(([name, metric]) => [
    headingOf(name),
    shown(metric.value),
    range(metric),
    shown(baseline?.metrics[name]?.value ?? null),
  ]);
  const columns = [
    { title },
    { title: "value", align: "right" as const },
    { title: "95 % interval", align: "right" as const },
    { title: baseline?.method ?? "", align: "right" as const },
  ];
  if (!coverage) return [table(columns, rows)];
  const { promised, share, held, size } = coverage;
  const what = metrics.accuracy
    ? `sets (${size.toFixed(2)} classes on average)`
    : `intervals (mean width ${size.toPrecision(3)})`;
  return [
    table(columns, rows),
    `${100 * promised} % ${what} hold the truth of ${grouped(held)} rows: ${percent(share.value)} (${percent(share.low)} to ${percent(share.high)}).`,
  ];
}

function notesOn(evaluation: Evaluation, tag: Tag): string[] {
  const { failed, trimmed, unfinished, outOfDomain, seen, usedInTraining, scored } = evaluation;
  return [
    ...failed.map(({ reason, rows }) => {
      const some = rows.slice(0, 5).map((r) => r + 1);
      return `! ${grouped(rows.length)} rows not scored: ${reason} (rows ${some.join(", ")}${rows.length > 5 ? ", ..." : ""})`;
    }),
    ...(trimmed > 0 ? [`! ${grouped(trimmed)} rows were cut to fit ${limitOf(tag)}.`] : []),
    ...(unfinished ? [`! ${unfinishedNote(`${grouped(unfinished)} answers were`)}`] : []),
    ...(outOfDomain === null
      ? []
      : [
          `${grouped(outOfDomain)} of ${grouped(scored)} rows (${percent(outOfDomain / scored)}) are unlike those that the tag learned; of like rows it would be about 1 %.`,
        ]),
    ...(usedInTraining
      ? ["! This file is one that the tag was made from: rows that it was trained on are no test."]
      : []),
    ...(seen
      ? [
          `! The base was pretrained on ${grouped(seen)} of these rows; scores on them are not held-out scores.`,
        ]
      : []),
  ];
}

const shown = (value: number | null): string => (value === null ? "-" : metricText(value));
const range = ({ low, high }: MetricInterval): string =>
  low === null || high === null ? "-" : `${metricText(low)} to ${metricText(high)}`;
const percent = (share: number | null): string => (share === null ? "-" : `${(100 * share).toFixed(1)} %`);
