/** A stage that is done, as it lies in the run folder: its tags, its scores, and where the log then ended. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { replaceFile } from "../replace-file.ts";
import { loadTag, saveTag, tagFileEnding } from "../tags/file.ts";
import type { Tag } from "../tags/tag.ts";
import type { TrainResult } from "../train/trainer.ts";
import type { PreparedStage } from "./prepare.ts";
import type { RunFolder } from "./run-folder.ts";
import type { StageOutcome, TaskScores } from "./stages.ts";

const recordName = "outcome.json";
/** A line for each test row: what was true and what the function tag said. */
export const predictionsName = "predictions.jsonl";
/** A line for each test row of a task without a head: how well the base foretold its text. */
export const lossesName = "losses.jsonl";

export interface StageRecord {
  readonly outcome: StageOutcome;
  /** Of training and scoring, all sessions together. */
  readonly seconds: number;
  /** Bytes of the event log. */
  readonly events: number;
}

interface Stored {
  readonly training: TrainResult;
  readonly learningRate: number;
  readonly seconds: number;
  readonly events: number;
  readonly scores: readonly (Omit<TaskScores, "task" | "predictions" | "losses"> & {
    readonly task: string;
  })[];
}

export async function writeRecord(
  folder: RunFolder,
  seed: number,
  stage: string,
  { outcome, seconds, events }: StageRecord,
  tags: readonly Tag[],
): Promise<void> {
  const { training, learningRate, scores } = outcome;
  const named = scores.map(({ predictions: _p, losses: _l, ...s }) => ({ ...s, task: s.task.name }));
  const stored: Stored = { training, learningRate, seconds, events, scores: named };
  await folder.commit(folder.stage(seed, stage), async (temporary) => {
    for (const tag of tags) await saveTag(join(temporary, tag.name + tagFileEnding), tag);
    // Not writeFile with `flush`, which Node knows from 20.10 on only.
    await replaceFile(join(temporary, predictionsName), predictionLines(seed, stage, scores));
    await replaceFile(join(temporary, lossesName), lossLines(seed, stage, scores));
    await replaceFile(join(temporary, recordName), JSON.stringify(stored, withAllNumbers, 2));
  });
}

function predictionLines(seed: number, stage: string, scores: readonly TaskScores[]): string {
  const lines = scores.flatMap(({ task, target, predictions = [] }) =>
    predictions.map((p) => JSON.stringify({ seed, stage, task: task.name, target, ...p })),
  );
  return lines.map((line) => `${line}\n`).join("");
}

function lossLines(seed: number, stage: string, scores: readonly TaskScores[]): string {
  const lines = scores.flatMap(({ task, losses = [] }) =>
    losses.map((loss) => JSON.stringify({ seed, stage, task: task.name, ...loss })),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** The record and the tags of a stage; null when the stage is not done. */
export async function readRecord(
  folder: RunFolder,
  seed: number,
  { stage, tasks }: PreparedStage,
): Promise<{ record: StageRecord; tags: Tag[] } | null> {
  const home = folder.stage(seed, stage.name);
  const file = join(home, recordName);
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return null;
    throw cause;
  });
  if (text === null) return null;
  try {
    const { scores, seconds, events, ...rest } = JSON.parse(text, numbersBack) as Stored;
    const known = scores.map((s) => {
      const task = tasks.find((t) => t.name === s.task);
      if (!task) throw new Error(`it has scores of an unknown task ${s.task}`);
      return { ...s, task };
    });
    const tags = await Promise.all(stage.train.map((name) => loadTag(join(home, name + tagFileEnding))));
    return { record: { outcome: { ...rest, scores: known }, seconds, events }, tags };
  } catch (cause) {
    const problem = `The finished stage in ${home} cannot be read: ${(cause as Error).message}`;
    throw new TagllmError("run/damaged", problem, "Remove that folder: the stage is then run again.", {
      cause,
    });
  }
}

const unusual = ["NaN", "Infinity", "-Infinity"];

/** JSON has no NaN, which is what a metric without a meaning is. */
const withAllNumbers = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? { number: String(value) } : value;

const numbersBack = (_: string, value: unknown): unknown => {
  const text = (value as { number?: unknown } | null)?.number;
  return typeof text === "string" && unusual.includes(text) ? Number(text) : value;
};
