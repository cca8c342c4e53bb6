/** A run folder as a report needs it. */
import { readdir, readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { TagllmError } from "../errors.ts";
import { wholeLines } from "../study/event-log.ts";
import type { Report } from "../study/report.ts";
import type { StudyEvent } from "../study/run.ts";
import { workerOf } from "../study/run-folder.ts";
import { loggedEvent, lossRow, manifestSchema, parsed, predictedRow, reportSchema } from "./run-schema.ts";

export interface PredictedRow {
  readonly seed: number;
  readonly stage: string;
  readonly task: string;
  readonly target: string;
  /** 0-based data row of the file. */
  readonly row: number;
  /** Of the split; older runs do not say it. */
  readonly group?: number;
  /** Numbers in the target's unit, or names of classes. */
  readonly truth: number | string;
  readonly predicted: number | string;
  /** By class. */
  readonly probabilities?: Readonly<Record<string, number>>;
  readonly fields: Readonly<Record<string, string>>;
}

/** How well the base foretold a test row of a task without a head. */
export interface LossRow {
  readonly seed: number;
  readonly stage: string;
  readonly task: string;
  /** 0-based data row of the file. */
  readonly row: number;
  /** Of the split; older runs do not say it. */
  readonly group?: number;
  /** Of all labelled tokens together. */
  readonly nats: number;
  /** Text answers. */
  readonly tokens?: number;
  /** Text of a domain. */
  readonly characters?: number;
  /** Text answers of some rows: as they should be, and as they were written. */
  readonly truth?: string;
  readonly said?: string;
}

/** What a report needs of `run.json`. */
export interface Manifest {
  readonly study?: { readonly name?: string };
  /** `precision` is left out for f32; older runs have no `reuse`. */
  readonly engine?: {
    readonly device: string;
    readonly threads: number;
    readonly precision?: string;
    readonly reuse?: string;
  };
  /** Digests of the tags that it began from. */
  readonly tags?: Readonly<Record<string, string>>;
}

export interface FinishedRun {
  readonly folder: string;
  readonly report: Report;
  /** null for runs without one. */
  readonly manifest: Manifest | null;
  readonly events: readonly StudyEvent[];
  /** null for runs that kept none. */
  readonly predictions: readonly PredictedRow[] | null;
  readonly losses: readonly LossRow[] | null;
}

export interface Worker {
  readonly pid: number;
  readonly host: string;
}

/** What can be said of a folder at a glance. */
export interface RunSummary {
  readonly folder: string;
  readonly state: "finished" | "running" | "unfinished" | "damaged";
  /** The process at work, by the lock; null where there is none. */
  readonly worker: Worker | null;
  readonly study: string;
  /** Last change, ISO. */
  readonly changed: string;
  readonly report: Report | null;
}

/** @throws run/not-a-run, run/unfinished, run/damaged */
export async function readRun(path: string): Promise<FinishedRun> {
  const folder = resolve(path);
  const summary = await summarise(folder);
  const report = await readReport(folder);
  if (!report) {
    throw new TagllmError(
      "run/unfinished",
      `The run in ${folder} is ${stateText(summary)}: it has no report.json that can be read.`,
      summary.state === "running"
        ? `Wait for it.${lockCure(summary)}`
        : "Start its command again: it goes on where it was stopped.",
    );
  }
  const log = join(folder, "events.jsonl");
  const events = parsedLines<StudyEvent>(wholeLines((await readText(log)) ?? ""), loggedEvent, log);
  return {
    folder,
    report,
    manifest: await readManifest(folder).catch(() => null),
    events,
    predictions: await readLines<PredictedRow>(join(folder, "predictions.jsonl"), predictedRow),
    losses: await readLines<LossRow>(join(folder, "losses.jsonl"), lossRow),
  };
}

/** @throws run/not-a-run */
export async function summarise(path: string): Promise<RunSummary> {
  const folder = resolve(path);
  if (!(await isRun(folder))) {
    throw new TagllmError(
      "run/not-a-run",
      `${folder} is no run folder: it has neither run.json nor a report.json of a run.`,
      "Give a folder that tagllm train has written; tagllm runs list shows them.",
    );
  }
  const names = await readdir(folder);
  const changed = (await stat(folder)).mtime.toISOString();
  const report = await readReport(folder).catch(() => null);
  const manifest = await readManifest(folder).catch(() => null);
  const study = report?.study.name ?? manifest?.study?.name ?? "?";
  const broken = names.includes("report.json") ? report === null : manifest === null;
  const worker = await workerOf(folder);
  const state = broken ? "damaged" : worker ? "running" : report ? "finished" : "unfinished";
  return { folder, state, worker, study, changed, report };
}

/** The other machine by whose lock a run is at work; null for this one. */
const otherHost = ({ worker }: Pick<RunSummary, "worker">): string | null =>
  worker && worker.host !== hostname() ? String(worker.host) : null;

export function stateText(summary: Pick<RunSummary, "state" | "worker">): string {
  const host = summary.state === "running" ? otherHost(summary) : null;
  return host === null ? summary.state : `${summary.state} on ${host}`;
}

/** Whether a process of another machine has died cannot be seen from here. Empty for one of this machine. */
export function lockCure(summary: Pick<RunSummary, "folder" | "worker">): string {
  const host = otherHost(summary);
  return host === null ? "" : ` If ${host} no longer runs it, remove ${join(summary.folder, "lock.json")}.`;
}

/** Run folders at most three levels below `path`. */
export async function findRuns(path: string, depth = 3): Promise<RunSummary[]> {
  if (await isRun(path)) return [await summarise(path)];
  if (depth === 0) return [];
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((e) => e.isDirectory()).map((e) => join(path, e.name));
  return (await Promise.all(folders.sort().map((f) => findRuns(f, depth - 1)))).flat();
}

/** Any program may write a report.json, also `tagllm report`; that of a run says so. */
async function isRun(folder: string): Promise<boolean> {
  if ((await readText(join(folder, "run.json"))) !== null) return true;
  return (await readJson(join(folder, "report.json"), ofRun).catch(() => null)) !== null;
}

const ofRun = z.object({ format: z.literal("tagllm-report") });

const readManifest = (folder: string) => readJson<Manifest>(join(folder, "run.json"), manifestSchema);

const readReport = (folder: string): Promise<Report | null> =>
  readJson<Report>(join(folder, "report.json"), reportSchema);

/** null when there is no such file. @throws run/damaged */
async function readJson<T>(file: string, schema: z.ZodType): Promise<T | null> {
  const text = await readText(file);
  return text === null ? null : parsed<T>(text, schema, file);
}

/** null when there is no such file. @throws run/damaged */
async function readLines<T>(file: string, schema: z.ZodType): Promise<T[] | null> {
  const text = await readText(file);
  return text === null ? null : parsedLines<T>(text.split("\n"), schema, file);
}

const parsedLines = <T>(lines: readonly string[], schema: z.ZodType, file: string): T[] =>
  lines.flatMap((line, i) =>
    line.trim() === "" ? [] : [parsed<T>(line, schema, `Line ${i + 1} of ${file}`)],
  );

const readText = (file: string): Promise<string | null> => readFile(file, "utf8").catch(() => null);
