/** What is found in the rows of every task before anything is trained: faults, repeats, leaks. */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { leakCure, leakText } from "./audit-text.ts";
import type { Finding } from "./clean.ts";
import { type Leakage, leakageOf, repeated, wholeInput } from "./leakage.ts";
import type { PreparedStudy } from "./prepare.ts";
import type { PreparedTask } from "./tasks.ts";

/** A finding as reports have it. */
export interface QualityReport {
  readonly kind: Finding["kind"];
  readonly what: string;
  readonly rows: number;
  /** 0-based data rows of the file, the first ten. */
  readonly first: readonly number[];
  readonly handled: Finding["handled"];
}

export interface TaskAudit {
  readonly quality: readonly QualityReport[];
  readonly leakage: readonly Leakage[];
}

export type Audit = ReadonlyMap<PreparedTask, TaskAudit>;

const firstRows = 10;
const done = new WeakMap<PreparedStudy, Promise<Audit>>();

/** Takes seconds for thousands of rows; asked again for the same study it answers at once. */
export function auditStudy(prepared: PreparedStudy): Promise<Audit> {
  const audit = done.get(prepared) ?? auditTasks(prepared);
  done.set(prepared, audit);
  return audit;
}

async function auditTasks({ stages }: PreparedStudy): Promise<Audit> {
  const audit = new Map<PreparedTask, TaskAudit>();
  const withEarlier = stages.flatMap(({ tasks: own }, s) => {
    const tasks = stages.slice(0, s + 1).flatMap((stage) => stage.tasks);
    return own.map((task) => ({ task, tasks }));
  });
  for (const { task, tasks } of withEarlier) {
    audit.set(task, {
      quality: task.findings.map(({ kind, what, rows, handled }) => ({
        kind,
        what,
        rows: rows.length,
        first: rows.slice(0, firstRows),
        handled,
      })),
      leakage: await leakageOf(task, tasks),
    });
  }
  return audit;
}

/**
 * Refuses tasks with a target whose held-out inputs are also in training, where the study says so.
 * @throws study/leaks
 */
export function refuseLeaks({ loaded }: PreparedStudy, audit: Audit): void {
  if (loaded.study.leaks !== "error") return;
  for (const [task, { leakage }] of audit) {
    const whole = wholeInput(leakage);
    if (task.kind === "domain" || !whole) continue;
    for (const side of ["test", "validation"] as const) {
      if (repeated(whole[side]) === 0) continue;
      throw new TagllmError(
        "study/leaks",
        `${quote(task.name)} leaks: ${leakText(whole, side)}.`,
        `The study says leaks: error. ${leakCure(leakage)}, or say leaks: warn.`,
      );
    }
  }
}
