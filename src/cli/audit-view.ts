/** What is wrong, repeated, seen or leaked in the rows of a study, as `train --dry-run` and `inspect` show it. */
import { auditStudy, type TaskAudit } from "../study/audit.ts";
import { leakHeadings, leakRows, qualityText } from "../study/audit-text.ts";
import type { PreparedStudy } from "../study/prepare.ts";
import { leakWarnings, seenWarnings } from "../study/warnings.ts";
import type { Io } from "./io.ts";
import { tableLines } from "./table.ts";

export interface AuditView {
  readonly lines: readonly string[];
  /** By task. */
  readonly json: Readonly<Record<string, TaskAudit>>;
}

/** @param stages which to show; default: all */
export async function viewAudit(
  prepared: PreparedStudy,
  { progress }: Pick<Io, "progress">,
  stages = prepared.stages,
): Promise<AuditView> {
  progress.update("comparing held-out rows with training rows ...");
  const shown = stages.flatMap((s) => s.tasks);
  const audit = [...(await auditStudy(prepared))]
    .filter(([t]) => shown.includes(t))
    .map(([{ name }, found]) => ({ task: name, ...found }));
  progress.clear();
  const right = (title: string) => ({ title, align: "right" }) as const;
  const [task, field, reads, side, ...counts] = ["task", ...leakHeadings];
  const columns = [
    ...[task, field, reads, side].map((title) => ({ title: title as string })),
    ...counts.map(right),
  ];
  const found = audit.flatMap((a) => a.quality.map((q) => `${a.task}: ${qualityText(q)}`));
  const warnings = [...seenWarnings(prepared.sources), ...audit.flatMap(leakWarnings)];
  const lines = [
    ...(found.length ? found : ["No row is faulty or repeats another."]),
    "",
    ...tableLines(
      columns,
      audit.flatMap((a) => leakRows(a.leakage).map((cells) => [a.task, ...cells])),
    ),
    ...(warnings.length ? ["", ...warnings.map((w) => `! ${w}`)] : []),
  ];
  const json = Object.fromEntries(audit.map(({ task, quality, leakage }) => [task, { quality, leakage }]));
  return { lines, json };
}
