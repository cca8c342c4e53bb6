/** Plain sentences on what a reader of a report must not miss; what training shows by itself is in diagnosis.ts. */
import { leakCure, leakText, qualityText } from "./audit-text.ts";
import { type Leakage, repeated, wholeInput } from "./leakage.ts";
import { beats, strongestBaseline, verdict } from "./methods.ts";
import type { PreparedStudy } from "./prepare.ts";
import type { Report, StageReport, TaskReport } from "./report.ts";

export function collectWarnings(data: Report["data"], stages: readonly StageReport[]): string[] {
  return [
    ...data.flatMap(seenAndShared),
    ...stages.flatMap((s) => s.tasks.flatMap(leakWarnings)),
    ...stages.flatMap((s) => s.tasks.flatMap(rowWarnings)),
    ...stages.flatMap(notBetter),
    ...stages.flatMap(cut),
  ].filter((line, i, all) => all.indexOf(line) === i);
}

function seenAndShared({ name, rows, seen, leaks }: Report["data"][number]): string[] {
  const warnings = seenWarning(name, seen.test, rows.test);
  const group = leaks.at(-1); // a split by several fields keeps those apart that share all of them
  if (group && group.test.shared > 0) {
    const { column, test } = group;
    warnings.push(
      `${name}: ${test.shared} of ${test.of} test rows share their ${column} with training rows.`,
    );
  }
  return warnings;
}

const seenWarning = (name: string, seen: number, of: number): string[] =>
  seen === 0
    ? []
    : [
        `${name}: the base was pretrained on ${seen} of ${of} test rows; scores on them are not held-out scores.`,
      ];

/** Before a run, of its sources. */
export const seenWarnings = (sources: PreparedStudy["sources"]): string[] =>
  [...sources.values()].flatMap((s) => seenWarning(s.name, s.seen.test, s.sides.test.length));

/** From this share of test rows on, near-duplicates are worth a sentence. */
const manyNear = 0.05;

/** What the audit says of a task's held-out rows. */
export function leakWarnings({ task, leakage }: Pick<TaskReport, "task" | "leakage">): string[] {
  const whole = wholeInput(leakage);
  if (!whole) return [];
  const told = (["test", "validation"] as const)
    .filter((side) => repeated(whole[side]) > 0)
    .map((side) => leakText(whole, side));
  const leaks = told.length
    ? [`${task} leaks: ${told.join("; ")}. Scores on them are not held-out scores. ${leakCure(leakage)}.`]
    : [];
  return [...leaks, ...nearWarnings(task, whole)];
}

function nearWarnings(task: string, { fields, readAs, test }: Leakage): string[] {
  const { near, nearChecked } = test;
  if (near === null || near === 0 || near < manyNear * nearChecked) return [];
  const what = readAs === "molecule" ? "Tanimoto similarity 0.95 or more" : "at least 90 % of the characters";
  return [
    `${task}: ${near} of ${nearChecked} other test rows have a ${fields.join(", ")} that is nearly one of training (${what}); scores say little about unlike rows.`,
  ];
}

/** Rows that a task lost to faults, or that contradict each other. */
function rowWarnings({ task, quality }: TaskReport): string[] {
  return quality
    .filter((q) => q.handled !== "kept" || q.kind === "conflict")
    .map((q) => `${task}: ${qualityText(q)}.`);
}

/** Of tags with a head: what none of them may hide is a baseline that does as well. */
function notBetter({ tasks }: StageReport): string[] {
  return tasks.flatMap(({ task, target, methods }) => {
    const tag = methods.find((m) => m.method === "function tag");
    const best = strongestBaseline(methods);
    const hasHead = methods.some((m) => m.method === "linear probe");
    if (!tag || !best || !hasHead || beats(tag, best)) return [];
    return [`${task}${target ? `, ${target}` : ""}: ${verdict(methods)}`];
  });
}

function cut({ tasks }: StageReport): string[] {
  return tasks.flatMap((t) =>
    t.trimmed.map(
      (x) => `${t.task}: ${x.field} was cut in ${x.prompts} prompts (${x.tokens} tokens) to fit the base.`,
    ),
  );
}
