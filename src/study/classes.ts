/** The classes of a stage, from the labels of its training rows. */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import type { PreparedTask, TaskRow } from "./tasks.ts";

const MOST = 100;
const LEAST_ROWS = 2;

/** Sorted: as numbers where all are, else as text. */
export function classesOf(stage: string, tasks: readonly PreparedTask[]): string[] {
  const counts = labelCounts(tasks.flatMap((t) => t.rows.train));
  const classes = [...counts.keys()].sort();
  const target = quote(tasks[0]?.targets[0] ?? "");
  if (classes.length < 2 || classes.length > MOST) {
    throw new TagllmError(
      "study/data",
      `Stage ${quote(stage)}: ${target} has ${classes.length} different value(s) in the training rows.`,
      `Classes are 2 to ${MOST}; for a number use answer: number.`,
    );
  }
  requireRowsOfEach(counts, `Stage ${quote(stage)}`, target);
  return classes.every((name) => Number.isFinite(Number(name)))
    ? classes.sort((a, b) => Number(a) - Number(b))
    : classes;
}

export function labelCounts(rows: readonly TaskRow[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { label } of rows) counts.set(label as string, (counts.get(label as string) ?? 0) + 1);
  return counts;
}

/** @throws study/data for a class with too few training rows */
export function requireRowsOfEach(counts: ReadonlyMap<string, number>, where: string, target: string): void {
  const rare = [...counts].sort().find(([, count]) => count < LEAST_ROWS);
  if (rare === undefined) return;
  throw new TagllmError(
    "study/data",
    `${where}: only ${rare[1]} training row has the ${target} ${quote(rare[0])}.`,
    `Each class needs at least ${LEAST_ROWS}: leave its rows out, or join it with another.`,
  );
}

/** Rows whose class no training row has can neither be learned nor scored; they are counted as dropped. */
export function withoutUnknown(task: PreparedTask, classes: readonly string[]): PreparedTask {
  const known = (row: TaskRow) => classes.includes(row.label as string);
  const unknown = [...task.rows.validation, ...task.rows.test].filter((row) => !known(row));
  if (unknown.length === 0) return task;
  const rows = unknown.map((row) => row.rowNumber);
  const reason = `a ${task.targets[0]} that no training row has`;
  return {
    ...task,
    rows: {
      train: task.rows.train,
      validation: task.rows.validation.filter(known),
      test: task.rows.test.filter(known),
    },
    dropped: [...task.dropped, { reason, rows }],
    findings: [...task.findings, { kind: "fault", what: reason, rows, handled: "dropped" }],
  };
}

/** Of each class among the training rows. */
export function classShares(tasks: readonly PreparedTask[], classes: readonly string[]): number[] {
  const rows = tasks.flatMap((t) => t.rows.train);
  return classes.map((name) => rows.filter((r) => r.label === name).length / rows.length);
}
