/** Several runs beside each other: the trained tag's main metric on every task that any of them has. */
import { headingOf } from "../evaluate/metric-names.ts";
import { isTrainedTag, mainMetric } from "../study/methods.ts";
import type { Report } from "../study/report.ts";
import { methodCell } from "./summary.ts";

export interface Comparison {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly string[] }[];
  readonly note: string;
}

type ComparedRun = Pick<Report, "data" | "stages"> & { readonly folder: string };

export function compareRuns(runs: readonly ComparedRun[]): Comparison {
  const cells = runs.map(mainNumbers);
  const columns = [...new Set(cells.flatMap((c) => [...c.keys()]))];
  return {
    columns,
    rows: runs.map(({ folder }, i) => ({
      name: folder,
      cells: columns.map((c) => cells[i]?.get(c) ?? "–"),
    })),
    note: `Test side; what the trained tag reaches. ${sameData(runs) ? "Data and sizes of its sides are the same." : "The data or their split differ: these numbers do not compare the recipes."}`,
  };
}

function mainNumbers({ stages }: ComparedRun): Map<string, string> {
  const numbers = new Map<string, string>();
  for (const task of stages.flatMap((s) => s.tasks)) {
    const tag = task.methods.find(isTrainedTag);
    const metric = mainMetric(task.methods);
    const target = task.target ? ` ${task.target}` : "";
    if (tag) numbers.set(`${task.task}${target}, ${headingOf(metric)}`, methodCell(tag, metric));
  }
  return numbers;
}

function sameData(runs: readonly ComparedRun[]): boolean {
  const key = ({ data }: ComparedRun) =>
    JSON.stringify(data.map(({ files, rows }) => [files.map((f) => f.sha256), rows]));
  return new Set(runs.map(key)).size === 1;
}
