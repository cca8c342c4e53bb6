/** `tagllm train`: a study file in, tags and a report out. */
import { join } from "node:path";
import { cacheHome } from "../../engine/cache-folder.ts";
import { TagllmError } from "../../errors.ts";
import { writeReport } from "../../report/write.ts";
import { type PreparedStudy, planStudy, type StagePlan } from "../../study/prepare.ts";
import { formatReport } from "../../study/report.ts";
import { type RunOptions, runStudy, type StudyEvent } from "../../study/run.ts";
import type { Study } from "../../study/schema.ts";
import { type AuditView, viewAudit } from "../audit-view.ts";
import { requireGoOn } from "../interrupt.ts";
import type { Io } from "../io.ts";
import { type StudyChoice, withStudy } from "../open-study.ts";
import type { Result } from "../result.ts";
import { runView, storedText } from "../run-view.ts";
import { bytes, type Column, grouped, table } from "../table.ts";

export interface TrainChoice extends StudyChoice {
  out?: string;
  reuse?: boolean;
  /** Seconds between checkpoints. */
  checkpoint?: number;
  dryRun?: boolean;
}

export function train(io: Io, file: string, choice: TrainChoice): Promise<Result> {
  // A plan leaves nothing half done: there Ctrl-C ends all at once.
  const signal = choice.dryRun ? undefined : io.signal();
  return withStudy(file, { ...choice, signal }, io, async (prepared) => {
    const out = choice.out ?? join("runs", prepared.loaded.study.name);
    const audit = await viewAudit(prepared, io);
    const reuse = choice.reuse === false ? "none" : "auto";
    if (!signal) return planResult(prepared, out, audit, reuse);
    await requireGoOn(signal);
    const { checkpoint: checkpointSeconds } = choice;
    return runPrepared(io, prepared, {
      out,
      reuse,
      signal,
      ...(checkpointSeconds !== undefined && { checkpointSeconds }),
    });
  });
}

/** Runs a prepared study with progress; the result is its report. */
export async function runPrepared(
  io: Io,
  prepared: PreparedStudy,
  options: RunOptions & { signal: AbortSignal },
): Promise<Result> {
  const runs = prepared.stages.length * prepared.loaded.study.seeds.length;
  const show = runView(io.progress, runs);
  const done: string[] = [];
  const onEvent = (event: StudyEvent) => {
    if (event.kind === "stage-end" || event.kind === "stage-kept")
      done.push(`${event.stage} (seed ${event.seed})`);
    show(event);
  };
  const report = await runStudy(prepared, { ...options, onEvent }).catch((error: unknown) => {
    throw isAborted(error) ? interrupted(options.out, done, error) : error;
  });
  io.progress.clear();
  const page = await writeReport(options.out, prepared.base);
  const files = `Tags: ${join(options.out, "tags")}\nReport: ${page}`;
  return { text: `${formatReport(report)}\n${files}`, json: { out: options.out, page, report } };
}

const isAborted = (error: unknown) => error instanceof TagllmError && error.code === "aborted";

function interrupted(out: string, done: readonly string[], cause: unknown): TagllmError {
  const kept = done.length === 0 ? "" : ` Done: ${done.join(", ")}.`;
  const problem = `The run in ${out} was stopped and saved.${kept}`;
  return new TagllmError("aborted", problem, "The same command goes on from here.", { cause });
}

function planResult(prepared: PreparedStudy, out: string, audit: AuditView, reuse: "auto" | "none"): Result {
  const { study } = prepared.loaded;
  const plan = planStudy(prepared, reuse);
  const { base } = prepared;
  const text = [
    `${study.name} on ${base.name} (${base.fingerprint.id}), seeds ${study.seeds.join(", ")}, into ${out}`,
    "",
    planTable(plan),
    "",
    ...plan.map((stage) => storedLine(stage, study)),
    "",
    ...audit.lines,
    "",
    "Nothing was run.",
  ].join("\n");
  return {
    text,
    json: {
      study: study.name,
      base: base.fingerprint,
      seeds: study.seeds,
      out,
      stages: plan,
      audit: audit.json,
    },
  };
}

/** What a stage stores between its steps, how large it is, and where it goes. */
function storedLine({ stage, stored }: StagePlan, { memory, disk }: Study): string {
  if (stored.reuse === "none") return `${stage} stores ${storedText(stored)}: every prompt is run whole.`;
  const size = stored.bytes;
  const spilt = size > memory * 1e9 ? `, ${memory} GB of it in memory at a time` : "";
  const files = disk > 0 ? `, also in files (up to ${disk} GB in ${cacheHome("blocks")})` : "";
  const again = size > (memory + disk) * 1e9 ? "; what has no room is computed again" : "";
  return `${stage} stores ${storedText(stored)}: ${bytes(size)} of keys and values${spilt}${files}${again}.`;
}

function planTable(plan: readonly StagePlan[]): string {
  const right = (title: string): Column => ({ title, align: "right" });
  const columns: Column[] = [
    { title: "stage" },
    { title: "learns" },
    { title: "from" },
    right("train"),
    right("validation"),
    right("test"),
    right("dropped"),
    right("tokens"),
    right("steps"),
    right("batch"),
  ];
  const rows = plan.flatMap(({ stage, kind, trains, steps, batch, tasks }) =>
    tasks.map(({ task, rows: sides, dropped, tokens }, i) => [
      i === 0 ? stage : "",
      i === 0 ? `${trains.join(", ")} (${kind})` : "",
      task,
      ...[sides.train, sides.validation, sides.test, dropped, tokens].map(grouped),
      ...(i === 0 ? [grouped(steps), grouped(batch)] : []),
    ]),
  );
  return table(columns, rows);
}
