/** What a run found: the shape of report.json (docs/report.md) and its text form for the terminal. */

import { headingOf, meanText, metricText } from "../evaluate/metric-names.ts";
import type { BaseFingerprint } from "../models/fingerprint.ts";
import type { QualityReport } from "./audit.ts";
import { leakLine } from "./audit-text.ts";
import { type Leakage, wholeInput } from "./leakage.ts";
import { type MethodResult, whatOf } from "./methods.ts";
import type { Side } from "./sources.ts";

export interface TaskReport {
  readonly task: string;
  /** The predicted column; null for text of a domain. */
  readonly target: string | null;
  readonly rows: Record<Side, number>;
  readonly dropped: readonly { reason: string; rows: number }[];
  /** What was found in the rows and what was done about it. */
  readonly quality: readonly QualityReport[];
  /** Held-out rows whose inputs training has too, by field, and last for all fields together. */
  readonly leakage: readonly Leakage[];
  readonly trimmed: readonly { field: string; prompts: number; tokens: number }[];
  readonly methods: readonly MethodResult[];
}

export interface StageReport {
  readonly stage: string;
  readonly trained: readonly string[];
  readonly seeds: readonly {
    readonly seed: number;
    readonly steps: number;
    readonly learningRate: number;
    readonly bestStep: number;
    readonly firstValidationLoss: number;
    readonly bestValidationLoss: number;
    readonly seconds: number;
  }[];
  readonly tasks: readonly TaskReport[];
}

export interface Report {
  readonly format: "tagllm-report";
  readonly version: 1;
  readonly created: string;
  readonly tagllm: string;
  readonly study: { readonly name: string; readonly file: string; readonly sha256: string };
  readonly base: BaseFingerprint;
  readonly machine: {
    readonly platform: string;
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
  };
  readonly seeds: readonly number[];
  readonly data: readonly {
    readonly name: string;
    readonly files: readonly { path: string; sha256: string; bytes: number }[];
    readonly rows: Record<Side, number>;
    /** Rows that the base was pretrained on: scores on them are not held-out scores. */
    readonly seen: Record<Side, number>;
    readonly leaks: readonly { column: string; test: { shared: number; of: number } }[];
  }[];
  readonly stages: readonly StageReport[];
  /** Plain sentences a reader must not miss. */
  readonly warnings: readonly string[];
  readonly seconds: number;
}

/** A table per task, methods as rows, mean ± spread over the seeds. */
export function formatReport(report: Report): string {
  const lines: string[] = [];
  for (const stage of report.stages) {
    for (const task of stage.tasks) {
      const { train, validation, test } = task.rows;
      lines.push(
        "",
        `${task.task}: ${whatOf(task)}; ${train} train, ${validation} validation, ${test} test rows`,
      );
      const whole = wholeInput(task.leakage ?? []); // which older files lack
      if (whole) lines.push(`  ${leakLine(whole)}`);
      lines.push(...formatMethods(task.methods, report.seeds.length));
    }
  }
  if (report.warnings.length) lines.push("", ...report.warnings.map((w) => `! ${w}`));
  return `${lines.join("\n").trimStart()}\n`;
}

function formatMethods(methods: readonly MethodResult[], seeds: number): string[] {
  const columns = Object.keys(methods[0]?.mean ?? {});
  const cell = ({ mean, spread, perSeed }: MethodResult, c: string): string => {
    const value = mean[c];
    if (typeof value !== "number" || Number.isNaN(value)) return "-"; // JSON has null for NaN
    return perSeed.length > 1 ? meanText(value, spread[c] as number) : metricText(value);
  };
  const rows = methods.map((m) => [m.method, ...columns.map((c) => cell(m, c))]);
  const header = [`test side, ${seeds} seed${seeds > 1 ? "s" : ""}`, ...columns.map(headingOf)];
  const widths = header.map((h, i) => Math.max(h.length, ...rows.map((r) => (r[i] as string).length)));
  return [header, ...rows].map(
    (r) =>
      `  ${r.map((c, i) => (i ? c.padStart(widths[i] as number) : c.padEnd(widths[i] as number))).join("  ")}`,
  );
}
