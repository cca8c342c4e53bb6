/** A run folder as a report needs it. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { TagllmError } from "../errors.ts";
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

export interface FinishedRun {
  readonly folder: string;
  readonly report: Report;
  readonly events: readonly StudyEvent[];
  /** null for runs that kept none. */
  readonly predictions: readonly PredictedRow[] | null;
  readonly losses: readonly LossRow[] | null;
}

/** What can be said of a folder at a glance. */
export interface RunSummary {
  readonly folder: string;
  readonly state: "finished" | "running" | "unfinished" | "damaged";
  readonly study: string;
  /** Last change, ISO. */
  readonly changed: string;
  readonly report: Report | null;
}

/** @throws run/not-a-run, run/unfinished, run/damaged */
export async function readRun(path: string): Promise<FinishedRun> {
  const folder = resolve(path);
  const { state } = await summarise(folder);
  const report = await readReport(folder);
  if (!report) {
    throw new TagllmError(
      "run/unfinished",
      `The run in ${folder} is ${state}: it has no report.json that can be read.`,
      state === "running" ? "Wait for it." : "Start its command again: it goes on where it was stopped.",
    );
  }
  const events = await readLines<StudyEvent>(join(folder, "events.jsonl"), loggedEvent);
  return {
    folder,
    report,
    events: events ?? [],
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
  const running = (await workerOf(folder)) !== null;
  const state = broken ? "damaged" : running ? "running" : report ? "finished" : "unfinished";
  return { folder, state, study, changed, report };
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

const readManifest = (folder: string) =>
  readJson<{ study?: { name?: string } }>(join(folder, "run.json"), manifestSchema);

const readReport = (folder: string): Promise<Report | null> =>
  readJson<Report>(join(folder, "report.json"), reportSchema);

/** null when there is no such file. @throws run/damaged */
async function readJson<T>(file: string, schema: z.ZodType): Promise<T | null> {
  const text = await readText(file);
  return text === null ? null : parsed<T>(text, schema, file);
}

/** null when there is no such file. @throws run/damaged */
async function readLines<T>(file: string, schema: z.ZodType): Promise<T[] | null> {
  const lines = (await readText(file))?.split("\n").filter((line) => line !== "");
  return lines?.map((line, i) => parsed<T>(line, schema, `Line ${i + 1} of ${file}`)) ?? null;
}

const readText = (file: string): Promise<string | null> => readFile(file, "utf8").catch(() => null);
