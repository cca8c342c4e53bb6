/** The report as Markdown: the same words and tables, without charts. */

import { headingOf } from "../evaluate/metric-names.ts";
import { leakHeadings, leakRows, qualityText } from "../study/audit-text.ts";
import { type Comparison, compareRuns } from "./compare.ts";
import type { RunDocument, TaskDocument } from "./document.ts";
import type { Geometry } from "./geometry.ts";
import { fieldText, methodCell, metricsOf, number } from "./summary.ts";

export function toMarkdown(runs: readonly RunDocument[]): string {
  const blocks = [
    `# ${inline(runs.map((r) => r.study.name).join(", "))}`,
    ...(runs.length > 1 ? comparison(compareRuns(runs)) : []),
    ...runs.flatMap((r) => runBlocks(r, runs.length > 1)),
  ];
  return `${blocks.filter(Boolean).join("\n\n")}\n`;
}

function runBlocks(run: RunDocument, several: boolean): string[] {
  const warnings = run.warnings.length ? run.warnings : ["No warnings."];
  return [
    several ? `# ${inline(run.folder)}` : "",
    run.about ? inline(run.about) : "",
    inline(
      `Base ${run.base.name} (${run.base.id}); seeds ${run.seeds.join(", ")}; ${run.created}; tagllm ${run.tagllm}${run.computed && `; ${run.computed}`}.`,
    ),
    list(warnings),
    ...run.stages.flatMap((s) => [
      `## Stage ${inline(s.stage)}`,
      ...s.tasks.flatMap(taskBlocks),
      list(
        s.seeds.map(
          (r) =>
            `seed ${r.seed}: step ${r.bestStep} of ${r.steps} kept, validation loss ${number(r.firstValidationLoss)} → ${number(r.bestValidationLoss)}`,
        ),
      ),
    ]),
    "## Where the tags lie",
    ...geometryBlocks(run.geometry),
    "## Data",
    table(
      ["source", "files", "train", "validation", "test", "test rows seen by the base"],
      run.data.map((d) => [
        d.name,
        d.files.map((f) => f.path).join(", "),
        ...[d.rows.train, d.rows.validation, d.rows.test, d.seen.test].map(String),
      ]),
    ),
    ...auditBlocks(run),
    "## To do it again",
    fenced(run.commands.join("\n")),
  ];
}

function auditBlocks(run: RunDocument): string[] {
  const tasks = run.stages.flatMap((s) => s.tasks);
  const found = tasks.flatMap((t) => (t.quality ?? []).map((q) => `${t.task}: ${qualityText(q)}`));
  const leaks = tasks.flatMap((t) => leakRows(t.leakage ?? []).map((cells) => [t.task, ...cells]));
  return [
    list(found),
    leaks.length ? "### Held-out rows that training has too" : "",
    leaks.length ? table(["task", ...leakHeadings], leaks) : "",
  ];
}

function taskBlocks(task: TaskDocument): string[] {
  const metrics = metricsOf(task);
  const rows = task.methods.map((m) => [
    m.method === task.strongest ? `${m.method} (strongest baseline)` : m.method,
    ...metrics.map((name) => methodCell(m, name)),
  ]);
  const intervals = Object.entries(task.intervals).map(
    ([name, i]) => `${headingOf(name)} ${number(i.low)} to ${number(i.high)}`,
  );
  const worst = task.worst.map((r) => [
    String(r.row + 1),
    typeof r.truth === "number" ? number(r.truth) : r.truth,
    typeof r.predicted === "number" ? number(r.predicted) : r.predicted,
    ...Object.values(r.fields).map(fieldText),
  ]);
  return [
    `### ${inline(task.task)}${task.target ? `: ${inline(task.target)}` : ""}`,
    `**${inline(task.verdict)}**`,
    table(["test side", ...metrics.map(headingOf)], rows),
    intervals.length ? `95 % intervals over ${task.extent}: ${intervals.join("; ")}.` : "",
    task.noIntervals ?? "",
    ...(worst.length
      ? [
          "Worst test rows:",
          table(["row", "true", "predicted", ...Object.keys(task.worst[0]?.fields ?? {})], worst),
        ]
      : []),
  ];
}

function geometryBlocks(geometry: Geometry | string): string[] {
  if (typeof geometry === "string") return [inline(geometry)];
  const rows = geometry.tags.flatMap((t) =>
    t.vectors.map((v, i) => [
      t.tag,
      String(i + 1),
      number(v.norm),
      v.nearest.map((n) => `${JSON.stringify(n.token)} ${n.cosine.toFixed(2)}`).join(", "),
    ]),
  );
  return [
    `Mean norm of a row of the vocabulary: ${number(geometry.vocabularyNorm)}.`,
    table(["tag", "vector", "norm", "nearest tokens (cosine)"], rows),
  ];
}

const comparison = ({ columns, rows, note }: Comparison): string[] => [
  table(
    ["run", ...columns],
    rows.map((r) => [r.name, ...r.cells]),
  ),
  note,
];

/** No markup, no HTML and no new lines out of data. */
const inline = (text: string): string =>
  text
    .replace(/[\\`*_{}[\]<>|#]/g, (c) => `\\${c}`)
    .replaceAll("\\<", "&lt;")
    .replace(/\s+/g, " ");

const list = (items: readonly string[]): string => items.map((i) => `- ${inline(i)}`).join("\n");

const fenced = (text: string): string => `\`\`\`\n${text.replaceAll("```", "'''")}\n\`\`\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(inline).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}
