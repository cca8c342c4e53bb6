/** The report of a run, from the outcomes of its stages. */
import { cpus, platform, release } from "node:os";
import { allFiles } from "../data/source.ts";
import { version } from "../version.ts";
import { notAskedOtherwise } from "./announced.ts";
import type { Audit, TaskAudit } from "./audit.ts";
import { type MethodResult, type Metrics, methodResult } from "./methods.ts";
import type { PreparedStage, PreparedStudy } from "./prepare.ts";
import type { Report, StageReport, TaskReport } from "./report.ts";
import type { StageOutcome } from "./stages.ts";
import type { PreparedTask } from "./tasks.ts";
import { collectWarnings } from "./warnings.ts";

/** How a stage went with one seed. */
export interface SeedStage {
  readonly seed: number;
  readonly outcome: StageOutcome;
}

export function makeReport(
  prepared: PreparedStudy,
  outcomes: ReadonlyMap<string, readonly SeedStage[]>,
  seconds: number,
  audit: Audit,
  diagnosed: readonly string[],
): Report {
  const { loaded, base, sources, stages } = prepared;
  const { name } = loaded.study;
  const stageReports = stages.map((stage) =>
    stageReport(stage, outcomes.get(stage.stage.name) as SeedStage[], audit),
  );
  const data: Report["data"] = [...sources.values()].map((s) => ({
    name: s.name,
    files: allFiles(s.table),
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
    warnings: [...collectWarnings(data, stageReports), ...leftOut(prepared), ...diagnosed],
    seconds,
  };
}

const leftOut = (prepared: PreparedStudy): string[] =>
  prepared.stages.flatMap((stage) =>
    stage.tasks.flatMap((task) => notAskedOtherwise({ prepared, stage }, task)),
  );

function stageReport({ stage, tasks }: PreparedStage, runs: readonly SeedStage[], audit: Audit): StageReport {
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
    tasks: shape.map(({ task, target }, i) => {
      const own = tasks.find((t) => t.name === task.name) as PreparedTask;
      return {
        ...taskFacts(own),
        ...(audit.get(own) as TaskAudit),
        target,
        methods: methodsOf(runs, i),
      };
    }),
  };
}

function taskFacts(task: PreparedTask): Omit<TaskReport, "target" | "methods" | keyof TaskAudit> {
  const { train, validation, test } = task.rows;
  const trims = new Map<string, { prompts: number; tokens: number }>();
  for (const row of [...train, ...validation, ...test]) {
    for (const { field, tokens } of task.compiler.compile(row, { withTarget: task.kind === "text" })
      .trimmed) {
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
