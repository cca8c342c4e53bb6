/** Classes that a function tag cannot learn, found before anything is learned for it. */
import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { cleanRows, type TaskRow } from "../study/clean.ts";
import { type LoadedStudy, parseLoaded } from "../study/load.ts";
import { readSources, type Source } from "../study/sources.ts";
import { quote } from "../suggest.ts";
import { columnsOf, domainStudy, fieldIn, fieldsIn, type Plan } from "./compose.ts";

const fewestRows = 2;

/** @param folder where the plan's studies stand. @throws study/data for a class of one training row */
export async function requireClassRows(plan: Plan, baseFolder: string, folder: string): Promise<void> {
  if (plan.answer !== "class") return;
  const study = domainStudy(plan, {}, folder) as string; // divides its rows as the function tag's does
  const rows = await trainingRows(plan, parseLoaded(study, join(folder, "domains.yaml")), baseFolder);
  const counts = new Map<string, number>();
  for (const { label } of rows) counts.set(label as string, (counts.get(label as string) ?? 0) + 1);
  const rare = [...counts].find(([, count]) => count < fewestRows);
  if (rare === undefined) return;
  throw new TagllmError(
    "study/data",
    `${plan.file}: only ${rare[1]} training row has the ${quote(plan.target)} ${quote(rare[0])}.`,
    `Each class needs at least ${fewestRows}: leave its rows out, or join it with another.`,
  );
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
