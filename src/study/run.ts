/**
 * The main job: every stage for every seed, into a run folder. The folder is the record - resolved study,
 * append-only events, tags and report - and nothing else is kept.
 */
import { appendFile, copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { cpus, platform, release } from "node:os";
import { join, resolve } from "node:path";
import { BlockStore } from "../batch/store.ts";
import { TagllmError } from "../errors.ts";
import { saveTag } from "../tags/file.ts";
import type { TrainEvent } from "../train/trainer.ts";
import { version } from "../version.ts";
import { freezeTag, type LiveTag, type LiveTags, readEmbeddings, startTags } from "./live.ts";
import { makeRunner, type PreparedStage, type PreparedStudy } from "./prepare.ts";
import {
  type MethodResult,
  type Metrics,
  methodResult,
  type Report,
  type StageReport,
  type TaskReport,
} from "./report.ts";
import { runStage, type StageOutcome } from "./stages.ts";
import type { PreparedTask } from "./tasks.ts";
import { collectWarnings } from "./warnings.ts";

export type StudyEvent =
  | { kind: "stage-begin"; stage: string; seed: number; steps: number; reuse: string }
  | { kind: "stage-end"; stage: string; seed: number; seconds: number; bestStep: number; bestLoss: number }
  | (TrainEvent & { stage: string; seed: number; steps: number });

export interface RunOptions {
  /** The run folder; it must not exist or be empty. */
  readonly out: string;
  /** `none`: the plain path, nothing stored. */
  readonly reuse?: "auto" | "none";
  readonly signal?: AbortSignal;
  readonly onEvent?: (e: StudyEvent) => void;
}

interface SeedStage {
  readonly seed: number;
  readonly outcome: StageOutcome;
}

/**
 * Trains all stages for all seeds and writes `study.yaml`, `study.resolved.json`, `events.jsonl`,
 * `seed-N/tags/*.safetensors`, `tags/*.safetensors` (of the seed that validated best) and `report.json`.
 * @throws run/folder, train/diverged, aborted and whatever reading and running throws
 */
export async function runStudy(prepared: PreparedStudy, options: RunOptions): Promise<Report> {
  const began = performance.now();
  const out = resolve(options.out);
  await openRunFolder(out, prepared);
  const events = join(out, "events.jsonl");
  let writing = Promise.resolve();
  const emit = (e: StudyEvent) => {
    writing = writing.then(() => appendFile(events, `${JSON.stringify(e)}\n`));
    options.onEvent?.(e);
  };
  const embeddings = await readEmbeddings(prepared.base);
  const outcomes = new Map<string, SeedStage[]>(prepared.stages.map((s) => [s.stage.name, []]));
  const store = new BlockStore(prepared.base);
  try {
    for (const seed of prepared.loaded.study.seeds) {
      await store.clear();
      const live = await startTags(prepared.loaded, prepared.base, embeddings, seed);
      for (const stage of prepared.stages) {
        const outcome = await runOne(prepared, stage, live, embeddings, store, seed, options, emit);
        (outcomes.get(stage.stage.name) as SeedStage[]).push({ seed, outcome });
        await saveTags(join(out, `seed-${seed}`, "tags"), stage.stage.train, live, prepared, outcome, seed);
      }
    }
  } finally {
    await store.clear();
    await writing;
  }
  await publishBest(out, outcomes, prepared);
  const report = makeReport(prepared, outcomes, (performance.now() - began) / 1000);
  await writeFile(join(out, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

async function openRunFolder(out: string, { loaded }: PreparedStudy): Promise<void> {
  const existing = await readdir(out).catch(() => [] as string[]);
  if (existing.length) {
    throw new TagllmError(
      "run/folder",
      `The run folder ${out} already holds ${existing.slice(0, 3).join(", ")}${existing.length > 3 ? ", ..." : ""}.`,
      "Choose another with --out, or remove it.",
    );
  }
  try {
    await mkdir(out, { recursive: true });
    await writeFile(join(out, "study.yaml"), loaded.text);
    await writeFile(join(out, "study.resolved.json"), `${JSON.stringify(loaded.study, null, 2)}\n`);
  } catch (cause) {
    const problem = `The run folder ${out} cannot be written: ${(cause as Error).message}.`;
    throw new TagllmError("run/folder", problem, "Choose a folder you may write to with --out.", { cause });
  }
}

async function runOne(
  prepared: PreparedStudy,
  stage: PreparedStage,
  live: LiveTags,
  embeddings: Awaited<ReturnType<typeof readEmbeddings>>,
  store: BlockStore,
  seed: number,
  options: RunOptions,
  emit: (e: StudyEvent) => void,
): Promise<StageOutcome> {
  const name = stage.stage.name;
  const vectorsOf = (tag: string) => (live.get(tag) as LiveTag).vectors;
  const runner = await makeRunner(prepared, stage, vectorsOf, store, {
    reuse: options.reuse ?? "auto",
    signal: options.signal,
  });
  const { steps } = stage.stage;
  emit({ kind: "stage-begin", stage: name, seed, steps, reuse: runner.options.reuse });
  const began = performance.now();
  const outcome = await runStage({
    prepared,
    stage,
    live,
    embeddings,
    runner,
    seed,
    first: seed === prepared.loaded.study.seeds[0],
    onEvent: (e) => emit({ ...e, stage: name, seed, steps }),
  });
  const seconds = (performance.now() - began) / 1000;
  const { step, loss } = outcome.training.best;
  emit({ kind: "stage-end", stage: name, seed, seconds, bestStep: step, bestLoss: loss });
  return outcome;
}

async function saveTags(
  folder: string,
  names: readonly string[],
  live: LiveTags,
  { loaded, base, sources }: PreparedStudy,
  { training, scores }: StageOutcome,
  seed: number,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of names) {
    const tag = live.get(name) as LiveTag;
    tag.provenance = {
      study: loaded.study.name,
      studySha256: loaded.sha256,
      data: [...sources.values()].flatMap((s) =>
        s.table.files.map((f) => ({ file: f.path, sha256: f.sha256 })),
      ),
      seed,
      bestStep: training.best.step,
      validationLoss: training.best.loss,
      test: scores.map((s) => ({
        task: s.task.name,
        target: s.target,
        ...s.methods["function tag"],
        ...s.methods["domain tag"],
      })),
      tagllm: version,
      created: new Date().toISOString(),
    };
    await saveTag(join(folder, `${name}.safetensors`), freezeTag(tag, live, base));
  }
}

/** Copies the tags of the seed whose last stage validated best to `tags/`. */
async function publishBest(
  out: string,
  outcomes: ReadonlyMap<string, readonly SeedStage[]>,
  { stages }: PreparedStudy,
): Promise<void> {
  const last = outcomes.get((stages.at(-1) as PreparedStage).stage.name) as readonly SeedStage[];
  const best = last.reduce((a, b) => (b.outcome.training.best.loss < a.outcome.training.best.loss ? b : a));
  const from = join(out, `seed-${best.seed}`, "tags");
  await mkdir(join(out, "tags"), { recursive: true });
  for (const file of await readdir(from)) await copyFile(join(from, file), join(out, "tags", file));
}

function makeReport(
  prepared: PreparedStudy,
  outcomes: ReadonlyMap<string, readonly SeedStage[]>,
  seconds: number,
): Report {
  const { loaded, base, sources, stages } = prepared;
  const { name } = loaded.study;
  const stageReports = stages.map((stage) =>
    stageReport(stage, outcomes.get(stage.stage.name) as SeedStage[]),
  );
  const data: Report["data"] = [...sources.values()].map((s) => ({
    name: s.name,
    files: s.table.files,
    rows: { train: s.sides.train.length, validation: s.sides.validation.length, test: s.sides.test.length },
    seen: s.seen,
    leaks: s.leaks,
  }));
  return {
    format: "tagllm-report",
    version: 1,
    created: new Date().toISOString(),
    tagllm: version,
    study: { name, file: loaded.file, sha256: loaded.sha256 },
    base: base.fingerprint,
    machine: {
      platform: `${platform()} ${release()}`,
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      node: process.version,
    },
    seeds: loaded.study.seeds,
    data,
    stages: stageReports,
    warnings: collectWarnings(data, stageReports),
    seconds,
  };
}

function stageReport({ stage, tasks }: PreparedStage, runs: readonly SeedStage[]): StageReport {
  const shape = (runs[0] as SeedStage).outcome.scores;
  return {
    stage: stage.name,
    trained: stage.train,
    seeds: runs.map(({ seed, outcome: { training, learningRate } }) => ({
      seed,
      steps: stage.steps,
      learningRate,
      bestStep: training.best.step,
      firstValidationLoss: training.firstLoss,
      bestValidationLoss: training.best.loss,
      seconds: training.seconds,
    })),
    tasks: shape.map(({ task, target }, i) => ({
      ...taskFacts(tasks.find((t) => t.name === task.name) as PreparedTask),
      target,
      methods: methodsOf(runs, i),
    })),
  };
}

function taskFacts(task: PreparedTask): Omit<TaskReport, "target" | "methods"> {
  const { train, validation, test } = task.rows;
  const trims = new Map<string, { prompts: number; tokens: number }>();
  for (const row of [...train, ...validation, ...test]) {
    for (const { field, tokens } of task.compiler.compile(row, { withTarget: false }).trimmed) {
      const sum = trims.get(field) ?? { prompts: 0, tokens: 0 };
      trims.set(field, { prompts: sum.prompts + 1, tokens: sum.tokens + tokens });
    }
  }
  return {
    task: task.name,
    rows: { train: train.length, validation: validation.length, test: test.length },
    dropped: task.dropped.map((d) => ({ reason: d.reason, rows: d.rows.length })),
    trimmed: [...trims].map(([field, sum]) => ({ field, ...sum })),
  };
}

/** Methods in the order of the first seed; those without a seed were run with the first one only. */
function methodsOf(runs: readonly SeedStage[], i: number): MethodResult[] {
  const names = Object.keys(runs[0]?.outcome.scores[i]?.methods ?? {});
  return names.map((name) => {
    const perSeed = runs.flatMap((r): Metrics[] => {
      const metrics = r.outcome.scores[i]?.methods[name];
      return metrics ? [metrics] : [];
    });
    return methodResult(name, perSeed);
  });
}
