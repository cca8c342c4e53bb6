/**
 * The main job: every stage for every seed, into a run folder. The folder is the record - resolved study,
 * append-only events, finished stages with their tags, a checkpoint of the one at work, report - and a run that
 * was stopped at any moment goes on from there to the same result, bit for bit.
 */

import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { RunnerProgress } from "../batch/runner.ts";
import type { BlockStore } from "../batch/store.ts";
import { allFiles } from "../data/source.ts";
import { requireGradients } from "../engine/precision.ts";
import { TagllmError } from "../errors.ts";
import { replaceFile } from "../replace-file.ts";
import { quote } from "../suggest.ts";
import { saveTag, tagFileEnding } from "../tags/file.ts";
import { type TrainingFile, trainingFiles } from "../tags/training-files.ts";
import { type Continuation, meanRowNorm, type TrainEvent, type TrainState } from "../train/trainer.ts";
import { version } from "../version.ts";
import { type Audit, auditStudy, refuseLeaks } from "./audit.ts";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { type Diagnosis, diagnosisText, type Sign, Watch } from "./diagnosis.ts";
import { EventLog, readEvents } from "./event-log.ts";
import {
  type Embeddings,
  freezeTag,
  isTrained,
  type LiveTag,
  type LiveTags,
  readEmbeddings,
  restoreTags,
  startTags,
} from "./live.ts";
import type { PreparedStage, PreparedStudy } from "./prepare.ts";
import type { Report } from "./report.ts";
import { makeRunner, makeStore, notAsked, storedOf } from "./reuse.ts";
import { RunFolder } from "./run-folder.ts";
import { makeReport, type SeedStage } from "./run-report.ts";
import { lossesName, predictionsName, readRecord, type StageRecord, writeRecord } from "./stage-record.ts";
import { runStage, type StageOutcome } from "./stages.ts";

export type StudyEvent =
  | {
      kind: "stage-begin";
      stage: string;
      seed: number;
      steps: number;
      /** What is kept of prompts: `prefix`, `spans` or `none`, with the reason why. */
      reuse: string;
      reason?: string;
      /** The step that it goes on from; 0 for a stage that begins. */
      from: number;
    }
  /** Done in an earlier session; not logged again. */
  | { kind: "stage-kept"; stage: string; seed: number }
  | { kind: "stage-end"; stage: string; seed: number; seconds: number; bestStep: number; bestLoss: number }
  /** Training that goes wrong, or made no difference: said once for each sign. */
  | { kind: "warning"; stage: string; seed: number; sign: Sign; step: number; message: string }
  | (TrainEvent & { stage: string; seed: number; steps: number })
  /** Work between steps; not logged, as it depends on what earlier runs have stored. */
  | (RunnerProgress & { stage: string; seed: number });

export interface RunOptions {
  /** The run folder: new, empty, or of the same run, which then goes on. */
  readonly out: string;
  /** `none`: the plain path, nothing stored. */
  readonly reuse?: "auto" | "none";
  /** Seconds between checkpoints; default 30. They change nothing but what a crash costs. */
  readonly checkpointSeconds?: number;
  /** When it is aborted the run saves a checkpoint and ends with the error `aborted`. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (e: StudyEvent) => void;
}

/**
 * Trains all stages for all seeds and writes `run.json`, `study.yaml`, `study.resolved.json`, `events.jsonl`,
 * `seed-N/tags/*.safetensors`, `tags/*.safetensors` (of the seed that validated best), `predictions.jsonl`
 and
 * `losses.jsonl` (test rows) and `report.json`.
 * Called again for the same folder it goes on where it was stopped; a run that is done is only reported again.
 * @throws engine/precision, study/leaks, run/*, train/diverged, aborted and whatever reading and running throws
 */
export async function runStudy(prepared: PreparedStudy, options: RunOptions): Promise<Report> {
  requireGradients(prepared.base.engine.precision);
  const audit = await auditStudy(prepared);
  refuseLeaks(prepared, audit);
  const folder = await RunFolder.open(options.out, prepared, options.reuse);
  try {
    return await new Run(prepared, audit, options, folder, await makeStore(prepared)).work();
  } finally {
    await folder.release();
  }
}

class Run {
  private readonly prepared: PreparedStudy;
  private readonly audit: Audit;
  private readonly options: RunOptions;
  private readonly folder: RunFolder;
  private readonly store: BlockStore;
  private readonly outcomes: Map<string, SeedStage[]>;
  private seconds = 0;
  /** Bytes of the log that belong to what is done. */
  private events = 0;
  private log: EventLog | null = null;

  constructor(
    prepared: PreparedStudy,
    audit: Audit,
    options: RunOptions,
    folder: RunFolder,
    store: BlockStore,
  ) {
    this.prepared = prepared;
    this.audit = audit;
    this.options = options;
    this.folder = folder;
    this.store = store;
    this.outcomes = new Map(prepared.stages.map((s) => [s.stage.name, []]));
  }

  async work(): Promise<Report> {
    const { prepared, folder, store } = this;
    const { loaded, base, stages } = prepared;
    const embeddings = await readEmbeddings(base);
    const checkpoint = await existing(folder.checkpoint);
    try {
      for (const seed of loaded.study.seeds) {
        if (trainsDomainTags(prepared)) await store.clear();
        const live = startTags(prepared, embeddings, seed);
        for (const stage of stages) {
          const done = await readRecord(folder, seed, stage);
          if (done) {
            restoreTags(live, done.tags);
            this.options.onEvent?.({ kind: "stage-kept", stage: stage.stage.name, seed });
          }
          const record = done?.record ?? (await this.runAndKeep(stage, seed, live, embeddings, checkpoint));
          this.outcomes.get(stage.stage.name)?.push({ seed, outcome: record.outcome });
          this.seconds += record.seconds;
          this.events = record.events;
          await this.publish(folder.stage(seed, stage.stage.name), `seed-${seed}/tags`);
        }
        await this.publishGiven(live, `seed-${seed}/tags`);
      }
    } finally {
      this.log?.close();
      await store.clear();
    }
    return this.finish();
  }

  /** Runs a stage from its checkpoint or its beginning, and keeps what comes of it. */
  private async runAndKeep(
    stage: PreparedStage,
    seed: number,
    live: Map<string, LiveTag>,
    embeddings: Embeddings,
    checkpoint: Checkpoint | null,
  ): Promise<StageRecord> {
    const { folder, prepared } = this;
    const name = stage.stage.name;
    const mine = checkpoint?.seed === seed && checkpoint.stage === name ? checkpoint : null;
    if (!this.log) {
      await folder.cutEvents(mine?.events ?? this.events);
      this.log = new EventLog(folder.path, folder.events);
    }
    const { outcome, seconds } = await this.runOne(stage, seed, live, embeddings, mine?.state ?? null);
    const record = { outcome, seconds, events: this.log.bytes };
    for (const tag of stage.stage.train.map((own) => live.get(own) as LiveTag))
      tag.provenance = provenance(prepared, outcome, seed, madeFrom(tag, stage, live));
    const tags = stage.stage.train.map((tag) => freezeTag(live.get(tag) as LiveTag, live, prepared.base));
    await this.log.flush();
    await writeRecord(folder, seed, name, record, tags);
    await folder.guarded(() => rm(folder.checkpoint, { force: true }));
    return record;
  }

  private async runOne(
    stage: PreparedStage,
    seed: number,
    live: Map<string, LiveTag>,
    embeddings: Embeddings,
    from: TrainState | null,
  ): Promise<{ outcome: StageOutcome; seconds: number }> {
    const { prepared, options } = this;
    const { name, steps } = stage.stage;
    const vectorsOf = (tag: string) => (live.get(tag) as LiveTag).vectors;
    const { signal } = options;
    const plain = options.reuse === "none";
    const told = (progress: RunnerProgress) => this.emit({ ...progress, stage: name, seed });
    const stored = plain ? notAsked : storedOf(prepared, stage);
    const { reuse } = stored;
    const runner = makeRunner(prepared, vectorsOf, this.store, { reuse, plain, signal, told });
    this.emit({
      kind: "stage-begin",
      stage: name,
      seed,
      steps,
      reuse,
      ...(stored.reason !== undefined && { reason: stored.reason }),
      from: from?.step ?? 0,
    });
    const watch = await this.watch(stage, seed, live, embeddings);
    const warn = (findings: readonly Diagnosis[]) => {
      for (const finding of findings) {
        const { sign, step } = finding;
        this.emit({ kind: "warning", stage: name, seed, sign, step, message: diagnosisText(finding) });
      }
    };
    const began = performance.now();
    const outcome = await runStage({
      prepared,
      stage,
      live,
      embeddings,
      runner,
      seed,
      first: seed === prepared.loaded.study.seeds[0],
      score: true,
      onEvent: (e) => {
        this.emit({ ...e, stage: name, seed, steps });
        warn(watch.see(e));
      },
      continuation: this.continuation(name, seed, from),
    }).catch((error: unknown) => {
      throw this.whereDiverged(error, name, seed);
    });
    warn(watch.end(outcome));
    const seconds = (from?.seconds ?? 0) + (performance.now() - began) / 1000;
    const { step, loss } = outcome.training.best;
    this.emit({ kind: "stage-end", stage: name, seed, seconds, bestStep: step, bestLoss: loss });
    return { outcome, seconds };
  }

  /** Knows what an earlier session saw of the stage. */
  private async watch(
    { stage, kind, tasks }: PreparedStage,
    seed: number,
    live: LiveTags,
    { stats, rms, table }: Embeddings,
  ): Promise<Watch> {
    const learned = tasks.filter(({ spec }) => !spec.scoreOnly);
    const validated = learned.flatMap(({ source, rows }) =>
      rows.validation.map(({ group }) => `${source.name} ${group}`),
    );
    const vectors = new Map(stage.train.map((name) => [name, (live.get(name) as LiveTag).vectors]));
    const startNorm = meanRowNorm(vectors, table.width);
    const { meanNorm } = stats;
    const { steps, keep } = stage;
    const sizes = { validationRows: validated.length, validationGroups: new Set(validated).size };
    const watch = new Watch({ kind, steps, keep, ...sizes, startNorm, meanNorm, rms });
    for (const event of await readEvents<StudyEvent>(this.folder.events)) {
      if (event.kind !== "step" && event.kind !== "validation") continue;
      if (event.stage === stage.name && event.seed === seed) watch.see(event);
    }
    return watch;
  }

  /** A training that ended in numbers that are none, with what is kept. */
  private whereDiverged(error: unknown, stage: string, seed: number): unknown {
    if (!(error instanceof TagllmError) || error.code !== "train/diverged") return error;
    const done = [...this.outcomes].flatMap(([name, seeds]) => seeds.map((s) => `${name} (seed ${s.seed})`));
    const kept = done.length ? `Kept in ${this.folder.path}: ${done.join(", ")}.` : "No stage was finished.";
    return new TagllmError(
      "train/diverged",
      `Stage ${quote(stage)}, seed ${seed}: ${error.problem}`,
      `${error.cure} ${kept} A changed study needs another run folder.`,
      { cause: error },
    );
  }

  private continuation(stage: string, seed: number, from: TrainState | null): Continuation {
    const interval = (this.options.checkpointSeconds ?? 30) * 1000;
    let kept = performance.now();
    return {
      from,
      keep: async (state, last) => {
        if (!last && performance.now() - kept < interval) return;
        const events = this.log?.bytes ?? 0;
        await this.log?.flush();
        const { folder } = this;
        await folder.guarded(() =>
          writeCheckpoint(folder.checkpoint, { seed, stage, events, state: state() }),
        );
        kept = performance.now();
      },
    };
  }

  private emit(event: StudyEvent): void {
    if (event.kind !== "storing" && event.kind !== "reading") this.log?.add(event);
    this.options.onEvent?.(event);
  }

  /** Copies the tag files of a folder into one of the run. */
  private async publish(from: string, to: string): Promise<void> {
    for (const name of await readdir(from)) {
      if (!name.endsWith(".safetensors")) continue;
      const bytes = await readFile(join(from, name));
      await this.folder.guarded(() => replaceFile(join(this.folder.path, to, name), bytes));
    }
  }

  /** Domain tags that came from files and stay as they were belong to the tags that were trained beside them. */
  private async publishGiven(live: LiveTags, to: string): Promise<void> {
    const { folder, prepared } = this;
    for (const [name, { kind }] of prepared.given) {
      if (kind !== "domain" || isTrained(prepared.loaded.study, name)) continue;
      const tag = freezeTag(live.get(name) as LiveTag, live, prepared.base);
      await folder.guarded(() => saveTag(join(folder.path, to, name + tagFileEnding), tag));
    }
  }

  /** The tags of the seed whose last stage validated best become those of the run. */
  private async finish(): Promise<Report> {
    const { prepared, folder, outcomes } = this;
    const last = outcomes.get(prepared.stages.at(-1)?.stage.name ?? "") as SeedStage[];
    const best = last.reduce((a, b) => (b.outcome.training.best.loss < a.outcome.training.best.loss ? b : a));
    await this.publish(join(folder.path, `seed-${best.seed}`, "tags"), "tags");
    for (const name of [predictionsName, lossesName]) {
      const parts = prepared.stages.flatMap(({ stage }) =>
        (outcomes.get(stage.name) ?? []).map(({ seed }) =>
          readFile(join(folder.stage(seed, stage.name), name)),
        ),
      );
      await folder.write(name, Buffer.concat(await Promise.all(parts)));
    }
    const warnings = (await readEvents<StudyEvent>(folder.events)).flatMap((e) =>
      e.kind === "warning" ? [`${e.stage}, seed ${e.seed}: ${e.message}`] : [],
    );
    const report = makeReport(prepared, outcomes, this.seconds, this.audit, warnings);
    await folder.write("report.json", `${JSON.stringify(report, null, 2)}\n`);
    return report;
  }
}

async function existing(checkpoint: string): Promise<Checkpoint | null> {
  const found = await stat(checkpoint).catch(() => null);
  return found ? readCheckpoint(checkpoint) : null;
}

/** The files of a trained tag, of the tag that it went on from, and of those that stand in its prompts. */
function madeFrom(tag: LiveTag, { tasks }: PreparedStage, live: LiveTags): TrainingFile[] {
  const own = tasks
    .filter(({ spec }) => !spec.scoreOnly)
    .flatMap(({ source }) => allFiles(source.table).map((f) => ({ file: f.path, sha256: f.sha256 })));
  const beside = [tag.name, ...tasks.flatMap(({ tags }) => tags)];
  const inherited = beside.flatMap((name) => trainingFiles((live.get(name) as LiveTag).provenance));
  return [...new Map([...own, ...inherited].map((file) => [file.sha256, file])).values()];
}

/** Where a tag comes from; no time in it, so that the same run gives the same file. */
function provenance(
  { loaded }: PreparedStudy,
  { training, scores }: StageOutcome,
  seed: number,
  data: readonly TrainingFile[],
): Record<string, unknown> {
  return {
    study: loaded.study.name,
    studySha256: loaded.sha256,
    data,
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
  };
}

/** Blocks hold domain tags; where each seed trains its own, those of the seed before are of no use. */
function trainsDomainTags({ loaded: { study }, stages }: PreparedStudy): boolean {
  return stages.some(({ stage }) => stage.train.some((name) => study.tags[name]?.kind === "domain"));
}
