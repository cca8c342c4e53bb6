/** All that a report says of a run, as data: what the HTML and Markdown show, and what `--format json` prints. */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Interval } from "../evaluate/bootstrap.ts";
import type { Base } from "../models/base.ts";
import { shellWord } from "../shell.ts";
import { parseStudy } from "../study/load.ts";
import { isDefined, strongestBaseline, verdict } from "../study/methods.ts";
import type { Report, StageReport, TaskReport } from "../study/report.ts";
import type { StudyEvent } from "../study/run.ts";
import { loadTag } from "../tags/file.ts";
import { openTags } from "../tags/library.ts";
import type { Point, Series } from "./charts.ts";
import { type Geometry, geometryOf } from "./geometry.ts";
import { drawMolecules } from "./molecules.ts";
import { type FinishedRun, type Manifest, readRun } from "./read-run.ts";
import { parsed, resolvedSchema } from "./run-schema.ts";
import {
  type Confusion,
  confusionOf,
  extentOf,
  extentText,
  intervals,
  meanOverSeeds,
  type RowError,
  whyNoIntervals,
  worstRows,
} from "./summary.ts";

export interface TaskDocument extends TaskReport {
  readonly verdict: string;
  /** The best method beside the trained tag; null where the metric that decides has no value. */
  readonly strongest: string | null;
  /** 95 %, of the trained tag; empty where the run kept no rows. */
  readonly intervals: Readonly<Record<string, Interval>>;
  /** What they are over. */
  readonly extent: string;
  /** Why there are none, as a sentence; null where there are, and where the run kept no rows. */
  readonly noIntervals: string | null;
  /** Truth and prediction, the mean over the seeds, of test rows; at most `scatterRows`. */
  readonly scatter: readonly Point[];
  /** null for numbers, and for more classes than a table can show. */
  readonly confusion: Confusion | null;
  readonly worst: readonly RowError[];
}

export interface StageDocument extends Omit<StageReport, "tasks"> {
  readonly tasks: readonly TaskDocument[];
  readonly curves: {
    readonly loss: Series[];
    readonly validation: Series[];
    readonly gradientNorm: Series[];
  };
}

export interface RunDocument extends Omit<Report, "stages"> {
  readonly folder: string;
  readonly about: string | null;
  readonly stages: readonly StageDocument[];
  /** A sentence where there is none. */
  readonly geometry: Geometry | string;
  /** In which numbers and where it was computed, in words; empty where the run does not say. */
  readonly computed: string;
  /** The study as it was given. */
  readonly studyText: string;
  readonly commands: readonly string[];
}

const scatterRows = 2000;
const worstCount = 12;
const curvePoints = 300;
const mostClasses = 12;

/** @throws run/not-a-run, run/unfinished, run/damaged */
export async function describeRun(path: string, base: Base | string): Promise<RunDocument> {
  const run = await readRun(path);
  const { report, folder } = run;
  const study = await resolvedStudy(folder);
  const studyText = await readFile(join(folder, "study.yaml"), "utf8").catch(() => "");
  const stages: StageDocument[] = [];
  for (const stage of report.stages) {
    const tasks: TaskDocument[] = [];
    for (const task of stage.tasks) tasks.push(await describeTask(run, stage, task));
    stages.push({ ...stage, tasks, curves: curvesOf(run.events, stage) });
  }
  return {
    ...report,
    folder,
    about: study.about ?? null,
    stages,
    geometry: typeof base === "string" ? base : await geometry(base, run, study),
    computed: computedText(run.manifest),
    studyText,
    commands: [
      [`tagllm train ${shellWord(report.study.file)}`, ...optionsOf(run, studyText), "--out again"].join(" "),
      `tagllm report ${shellWord(folder)}`,
    ],
  };
}

/** `run.json` leaves f32 out. */
export const precisionOf = ({ precision = "f32" }: { readonly precision?: string }): string => precision;

function computedText(manifest: Manifest | null): string {
  if (!manifest?.engine) return "";
  const { engine } = manifest;
  return `precision ${precisionOf(engine)}${engine.device === "cpu" ? "" : ` on ${engine.device}`}`;
}

/** What the command line said that neither the study nor a default says. */
function optionsOf({ report, manifest }: FinishedRun, studyText: string): string[] {
  const { device = "cpu", ...engine } = manifest?.engine ?? {};
  const precision = precisionOf(engine);
  const seeds = report.seeds.join(" ");
  return [
    ...(seedsIn(studyText)?.join(" ") === seeds ? [] : [`--seed ${seeds}`]),
    ...(precision === "f32" ? [] : [`--precision ${shellWord(precision)}`]),
    ...(device === "cpu" ? [] : [`--device ${shellWord(device)}`]),
    ...(manifest?.engine?.reuse === "none" ? ["--no-reuse"] : []),
  ];
}

/** null where the study cannot be read. */
function seedsIn(studyText: string): readonly number[] | null {
  try {
    return parseStudy(studyText, "study.yaml").seeds;
  } catch {
    return null;
  }
}

async function describeTask(run: FinishedRun, stage: StageReport, task: TaskReport): Promise<TaskDocument> {
  const rows = (run.predictions ?? []).filter(
    (r) => r.stage === stage.stage && r.task === task.task && r.target === task.target,
  );
  const losses = (run.losses ?? []).filter((r) => r.stage === stage.stage && r.task === task.task);
  const perRow = meanOverSeeds(rows);
  const classes = Object.keys(rows[0]?.probabilities ?? {});
  const stride = Math.max(1, Math.ceil(perRow.length / scatterRows));
  const extent = extentOf(rows.length ? rows : losses);
  const strongest = strongestBaseline(task.methods);
  return {
    ...task,
    verdict: verdict(task.methods),
    strongest: strongest && isDefined(strongest) ? strongest.method : null,
    intervals: intervals(rows, losses),
    extent: extentText(extent),
    noIntervals: whyNoIntervals(extent),
    scatter: classes.length
      ? []
      : perRow
          .filter((_, i) => i % stride === 0)
          .map((r) => ({ x: r.truth as number, y: r.predicted as number })),
    confusion: classes.length > 0 && classes.length <= mostClasses ? confusionOf(perRow, classes) : null,
    worst: await drawMolecules(worstRows(perRow, worstCount)),
  };
}

function curvesOf(events: readonly StudyEvent[], { stage, seeds }: StageReport): StageDocument["curves"] {
  const series = (pick: (e: StudyEvent) => Point | null): Series[] =>
    seeds.map(({ seed }) => {
      const own = events.filter((e) => "stage" in e && e.stage === stage && e.seed === seed);
      return { name: `seed ${seed}`, points: thinned(own.flatMap((e) => pick(e) ?? [])) };
    });
  return {
    loss: series((e) => (e.kind === "step" ? { x: e.step, y: e.loss } : null)),
    validation: series((e) => (e.kind === "validation" ? { x: e.step, y: e.loss } : null)),
    gradientNorm: series((e) => (e.kind === "step" ? { x: e.step, y: e.gradientNorm } : null)),
  };
}

/** Means of neighbours, so that no curve has more than `curvePoints`. */
function thinned(points: readonly Point[]): Point[] {
  const size = Math.ceil(points.length / curvePoints);
  if (size <= 1) return [...points];
  const mean = (values: number[]) => values.reduce((s, v) => s + v, 0) / values.length;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    return { x: mean(part.map((p) => p.x)), y: mean(part.map((p) => p.y)) };
  });
}

/** The tags of the run and those that it began from. */
async function geometry(base: Base, run: FinishedRun, study: ResolvedStudy): Promise<Geometry | string> {
  try {
    const tags = await openTags(join(run.folder, "tags"));
    for (const [name, { from }] of Object.entries(study.tags ?? {})) {
      if (from === undefined || tags.has(name)) continue;
      tags.set(name, await loadTag(resolve(dirname(run.report.study.file), from)));
    }
    return await geometryOf(base, [...tags.values()]);
  } catch (error) {
    return `The tags could not be placed among the base's embeddings: ${(error as Error).message}`;
  }
}

/** The part of `study.resolved.json` that a report needs. */
interface ResolvedStudy {
  readonly about?: string;
  readonly base?: string;
  readonly tags?: Readonly<Record<string, { readonly from?: string }>>;
}

/** Empty where the file is not there. @throws run/damaged */
export async function resolvedStudy(folder: string): Promise<ResolvedStudy> {
  const file = join(folder, "study.resolved.json");
  const text = await readFile(file, "utf8").catch(() => "{}");
  return parsed<ResolvedStudy>(text, resolvedSchema, file);
}
