/** Plain sentences on what a reader of a report must not miss. */
import { beats } from "./methods.ts";
import type { Report, StageReport } from "./report.ts";

export function collectWarnings(data: Report["data"], stages: readonly StageReport[]): string[] {
  return [...data.flatMap(seenAndLeaked), ...stages.flatMap(notLearned), ...stages.flatMap(cut)];
}

function seenAndLeaked({ name, rows, seen, leaks }: Report["data"][number]): string[] {
  const warnings: string[] = [];
  if (seen.test > 0) {
    warnings.push(
      `${name}: the base was pretrained on ${seen.test} of ${rows.test} test rows; scores on them are not held-out scores.`,
    );
  }
  for (const { column, test } of leaks) {
    if (test.shared > 0)
      warnings.push(
        `${name}: ${test.shared} of ${test.of} test rows share their ${column} with training rows.`,
      );
  }
  return warnings;
}

function notLearned({ stage, seeds, tasks }: StageReport): string[] {
  const warnings = seeds
    .filter((s) => s.bestStep === 0 && s.steps > 0)
    .map(
      (s) => `${stage}, seed ${s.seed}: no step improved validation; the tag is as it was before training.`,
    );
  for (const { task, target, methods } of tasks) {
    const tag = methods.find((m) => m.method === "function tag");
    const probe = methods.find((m) => m.method === "linear probe");
    if (tag && probe && !beats(tag, probe)) {
      warnings.push(
        `${task}${target ? `, ${target}` : ""}: the function tag does not beat the linear probe by more than the spread of the seeds.`,
      );
    }
  }
  return warnings;
}

function cut({ tasks }: StageReport): string[] {
  return tasks.flatMap((t) =>
    t.trimmed.map(
      (x) => `${t.task}: ${x.field} was cut in ${x.prompts} prompts (${x.tokens} tokens) to fit the base.`,
    ),
  );
}
