/** Classes that a function tag cannot learn, found before anything is learned for it. */
import { join } from "node:path";
import { labelCounts, requireRowsOfEach } from "../study/classes.ts";
import { cleanRows, type TaskRow } from "../study/clean.ts";
import { type LoadedStudy, parseLoaded } from "../study/load.ts";
import { readSources, type Source } from "../study/sources.ts";
import { quote } from "../suggest.ts";
import { columnsOf, domainStudy, fieldIn, fieldsIn, type Plan } from "./compose.ts";

/** @param folder where the plan's studies stand. @throws study/data for a class of one training row */
export async function requireClassRows(plan: Plan, baseFolder: string, folder: string): Promise<void> {
  if (plan.answer !== "class") return;
  const study = domainStudy(plan, {}, folder) as string; // divides its rows as the function tag's does
  const rows = await trainingRows(plan, parseLoaded(study, join(folder, "domains.yaml")), baseFolder);
  requireRowsOfEach(labelCounts(rows), plan.file, quote(plan.target));
}

async function trainingRows(
  plan: Plan,
  loaded: LoadedStudy,
  baseFolder: string,
): Promise<readonly TaskRow[]> {
  const sources = await readSources(loaded, baseFolder);
  const { rows: handling } = loaded.study.stages[0]!.tasks[0]!;
  const { rows } = cleanRows(sources.get("rows") as Source, {
    name: plan.name,
    fields: fieldsIn(plan, columnsOf(plan.inputs)),
    plainFields: [],
    targets: [fieldIn(plan, plan.target)],
    kind: "class",
    handling,
    writable: null,
  });
  return rows.train;
}
