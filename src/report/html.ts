/** One HTML file that needs nothing else: no script, no network; for the screen and for A4. */

import { headingOf } from "../evaluate/metric-names.ts";
import { leakHeadings, leakRows, qualityText } from "../study/audit-text.ts";
import { isTrainedTag, whatOf } from "../study/methods.ts";
import { escapeText, legend, lineChart, scatterChart } from "./charts.ts";
import { type Comparison, compareRuns } from "./compare.ts";
import type { RunDocument, StageDocument, TaskDocument } from "./document.ts";
import type { Geometry } from "./geometry.ts";
import { style } from "./style.ts";
import { fieldText, methodCell, metricsOf, number, type RowError } from "./summary.ts";

export function toHtml(runs: readonly RunDocument[]): string {
  const title = runs.map((r) => r.study.name).join(", ");
  const body = [
    `<h1>${escapeText(title)}</h1>`,
    runs.length > 1 ? comparison(compareRuns(runs)) : "",
    ...runs.map((run) => runSection(run, runs.length > 1)),
  ].join("\n");
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)} - tagllm report</title><style>${style}</style></head>
<body><main>${body}
<footer>Made by tagllm ${escapeText(runs[0]?.tagllm ?? "")}. Nothing in this file is loaded from elsewhere.</footer>
</main></body></html>
`;
}

function runSection(run: RunDocument, several: boolean): string {
  const { base, machine } = run;
  return [
    several
      ? `<h2 class="run">${escapeText(run.study.name)} <small>${escapeText(run.folder)}</small></h2>`
      : "",
    run.about ? `<p>${escapeText(run.about)}</p>` : "",
    `<p class="facts">Base ${escapeText(base.name)} (${escapeText(base.id)}) · ${run.seeds.length > 1 ? "seeds" : "seed"} ${run.seeds.join(", ")} · ${date(run.created)} · ${duration(run.seconds)} · ${escapeText(machine.cpu)}, ${machine.cores} cores${run.computed && ` · ${escapeText(run.computed)}`}</p>`,
    warnings(run.warnings),
    ...run.stages.map(stageSection),
    geometrySection(run.geometry),
    dataSection(run),
    reproduction(run),
  ].join("\n");
}

const date = (iso: string): string => escapeText(`${iso.slice(0, 16).replace("T", " ")} UTC`);
const duration = (seconds: number): string =>
  seconds < 90 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`;

/** A table that is too wide for the screen scrolls by itself. */
const table = (content: string): string => `<div class="wide"><table>${content}</table></div>`;

function warnings(lines: readonly string[]): string {
  if (lines.length === 0) return `<p class="fine">No warnings.</p>`;
  const items = lines.map((w) => `<li>${escapeText(w)}</li>`).join("");
  return `<div class="warnings"><strong>Read first</strong><ul>${items}</ul></div>`;
}

function stageSection(stage: StageDocument): string {
  const { curves, seeds } = stage;
  const steps = seeds[0]?.steps ?? 0;
  const charts = [
    lineChart({ title: "Training loss", x: "step", whole: true, y: "loss of the batch" }, curves.loss),
    lineChart({ title: "Validation loss", x: "step", whole: true, y: "loss" }, curves.validation),
    lineChart(
      { title: "Gradient norm", x: "step", whole: true, y: "before clipping" },
      curves.gradientNorm,
      true,
    ),
  ];
  const best = seeds
    .map(
      (s) =>
        `seed ${s.seed}: step ${s.bestStep}, ${number(s.firstValidationLoss)} → ${number(s.bestValidationLoss)}`,
    )
    .join("; ");
  return `<section><h2>Stage ${escapeText(stage.stage)} <small>trains ${escapeText(stage.trained.join(", "))}</small></h2>
${stage.tasks.map(taskSection).join("\n")}
<h3>Training</h3><p>${steps} steps. Validation loss at the start and at the step that was kept: ${best}.</p>
${steps > 0 ? `${legend(curves.loss)}<div class="charts">${charts.join("")}</div>` : ""}</section>`;
}

function taskSection(task: TaskDocument): string {
  const { train, validation, test } = task.rows;
  const what = escapeText(whatOf(task));
  const scatter = task.scatter.length
    ? `<div class="scatter">${scatterChart({ title: "Test rows (dashed: predicted = true)", x: `true ${task.target}`, y: "predicted" }, [{ name: "", points: task.scatter }])}</div>`
    : "";
  return `<div class="task"><h3>${escapeText(task.task)} <small>${what}; ${train} train, ${validation} validation, ${test} test rows</small></h3>
<p class="verdict">${escapeText(task.verdict)}</p>
${methodsTable(task)}${scatter}${confusionTable(task)}${worstSection(task)}</div>`;
}

function methodsTable(task: TaskDocument): string {
  const metrics = metricsOf(task);
  const head = metrics.map((m) => `<th>${escapeText(headingOf(m))}</th>`).join("");
  const rows = task.methods.map((method) => {
    const best = method.method === task.strongest;
    const own = isTrainedTag(method);
    const cells = metrics.map((m) => {
      const interval = own ? task.intervals[m] : undefined;
      const range = interval ? `<br><small>${number(interval.low)} to ${number(interval.high)}</small>` : "";
      return `<td>${methodCell(method, m)}${range}</td>`;
    });
    const name = `${escapeText(method.method)}${best ? ' <small class="mark">strongest baseline</small>' : ""}`;
    return `<tr class="${own ? "own" : best ? "best" : ""}"><th scope="row">${name}</th>${cells.join("")}</tr>`;
  });
  const seeds = task.methods.some((m) => m.perSeed.length > 1)
    ? "Mean ± standard deviation over the seeds"
    : "One seed";
  const range = Object.keys(task.intervals).length
    ? `; below it the 95 % interval over ${task.extent} (bootstrap)`
    : "";
  const why = task.noIntervals === null ? "" : ` ${task.noIntervals}`;
  return `${table(`<thead><tr><th>test side</th>${head}</tr></thead><tbody>${rows.join("")}</tbody>`)}
<p class="note">${seeds}${range}.${why}</p>`;
}

function confusionTable({ confusion, target }: TaskDocument): string {
  if (!confusion) return "";
  const { classes, counts } = confusion;
  const head = classes.map((c) => `<th>${escapeText(c)}</th>`).join("");
  const rows = classes.map(
    (truth, t) =>
      `<tr><th scope="row">${escapeText(truth)}</th>${(counts[t] ?? []).map((n, p) => `<td${t === p ? ' class="hit"' : ""}>${n}</td>`).join("")}</tr>`,
  );
  return `<h4>Test rows by true ${escapeText(target ?? "")} (down) and predicted (across)</h4>${table(`<thead><tr><th></th>${head}</tr></thead><tbody>${rows.join("")}</tbody>`)}`;
}

function worstSection({ worst, target }: TaskDocument): string {
  if (worst.length === 0) return "";
  return `<h4>Worst test rows</h4><div class="worst">${worst.map((r) => worstRow(r, target ?? "")).join("")}</div>`;
}

const value = (v: number | string): string => (typeof v === "number" ? number(v) : escapeText(v));

function worstRow(row: RowError, target: string): string {
  const pictures = Object.entries(row.drawings ?? {}).map(([name, svg]) => {
    const text = escapeText(`Structure of ${name} ${row.fields[name] ?? ""}`);
    return svg.replace("<svg", () => `<svg role="img" aria-label="${text}"`);
  });
  const texts = Object.entries(row.fields)
    .map(
      ([name, value]) =>
        `<div class="field"><b>${escapeText(name)}</b> ${escapeText(fieldText(value))}</div>`,
    )
    .join("");
  return `<figure>${pictures.join("")}<figcaption>row ${row.row + 1}: ${escapeText(target)} ${value(row.truth)}, predicted ${value(row.predicted)}${texts}</figcaption></figure>`;
}

function geometrySection(geometry: Geometry | string): string {
  const heading = "<h2>Where the tags lie</h2>";
  if (typeof geometry === "string") return `<section>${heading}<p>${escapeText(geometry)}</p></section>`;
  const vectors = geometry.tags.flatMap(({ tag, vectors: own }) =>
    own.map((v, i) => {
      const near = v.nearest
        .map((n) => `<code>${escapeText(JSON.stringify(n.token))}</code> ${n.cosine.toFixed(2)}`)
        .join(", ");
      const name = i === 0 ? `<th scope="row" rowspan="${own.length}">${escapeText(tag)}</th>` : "";
      return `<tr>${name}<td>${i + 1}</td><td>${number(v.norm)}</td><td class="left">${near}</td></tr>`;
    }),
  );
  const names = geometry.tags.map((t) => `<th>${escapeText(t.tag)}</th>`).join("");
  const cosines = geometry.tags.map(
    (t, i) =>
      `<tr><th scope="row">${escapeText(t.tag)}</th>${(geometry.cosines[i] ?? []).map((c) => `<td>${c.toFixed(2)}</td>`).join("")}</tr>`,
  );
  const between =
    geometry.tags.length > 1
      ? `<h3>Cosine between tags <small>of their mean vectors</small></h3>${table(`<thead><tr><th></th>${names}</tr></thead><tbody>${cosines.join("")}</tbody>`)}`
      : "";
  return `<section>${heading}<p>A row of the vocabulary has norm ${number(geometry.vocabularyNorm)} on average. Nearest tokens by cosine.</p>
${table(`<thead><tr><th>tag</th><th>vector</th><th>norm</th><th class="left">nearest tokens</th></tr></thead><tbody>${vectors.join("")}</tbody>`)}${between}</section>`;
}

function dataSection(run: RunDocument): string {
  const sides = (r: { train: number; validation: number; test: number }) =>
    `${r.train} / ${r.validation} / ${r.test}`;
  const rows = run.data.map((d) => {
    const files = d.files.map(
      (f) => `${escapeText(f.path)} <small>sha256 ${escapeText(f.sha256.slice(0, 12))}</small>`,
    );
    const leaks = d.leaks.map((l) => `${escapeText(l.column)}: ${l.test.shared} of ${l.test.of}`).join("; ");
    return `<tr><th scope="row">${escapeText(d.name)}</th><td class="left">${files.join("<br>")}</td><td>${sides(d.rows)}</td><td>${sides(d.seen)}</td><td>${leaks || "–"}</td></tr>`;
  });
  const losses = run.stages
    .flatMap((s) => s.tasks)
    .flatMap((t) => [
      ...(t.quality ?? []).map((q) => `${t.task}: ${qualityText(q)}`),
      ...t.trimmed.map((x) => `${t.task}: ${x.field} cut in ${x.prompts} prompts, ${x.tokens} tokens`),
    ]);
  const list = losses.length
    ? `<ul>${losses.map((l) => `<li>${escapeText(l)}</li>`).join("")}</ul>`
    : "<p>No row is faulty or repeats another, and no prompt was cut.</p>";
  return `<section><h2>Data</h2>${table(`<thead><tr><th>source</th><th class="left">file</th><th>train / validation / test</th><th>of them seen by the base</th><th>test rows shared with training</th></tr></thead><tbody>${rows.join("")}</tbody>`)}${list}${leakSection(run)}</section>`;
}

function leakSection(run: RunDocument): string {
  const tasks = run.stages.flatMap((s) => s.tasks).filter((t) => t.leakage?.length);
  if (tasks.length === 0) return "";
  const head = ["task", ...leakHeadings].map((h) => `<th>${h}</th>`).join("");
  const rows = tasks.flatMap((t) =>
    leakRows(t.leakage).map(
      (cells) =>
        `<tr><th scope="row">${escapeText(t.task)}</th>${cells.map((c) => `<td>${escapeText(c)}</td>`).join("")}</tr>`,
    ),
  );
  return `<h3>Held-out rows that training has too</h3>${table(`<thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody>`)}`;
}

function reproduction(run: RunDocument): string {
  const { machine, study } = run;
  const facts: [string, string][] = [
    ["tagllm", run.tagllm],
    ["Node.js", machine.node],
    ["platform", machine.platform],
    ["study", `${study.file}, sha256 ${study.sha256.slice(0, 12)}`],
    ["run", run.folder],
  ];
  const rows = facts.map(
    ([name, value]) => `<tr><th scope="row">${name}</th><td class="left">${escapeText(value)}</td></tr>`,
  );
  return `<section><h2>To do it again</h2><pre>${run.commands.map(escapeText).join("\n")}</pre>${table(`${rows.join("")}`)}
${run.studyText ? `<details open><summary>The study</summary><pre>${escapeText(run.studyText)}</pre></details>` : ""}</section>`;
}

function comparison({ columns, rows, note }: Comparison): string {
  const head = columns.map((c) => `<th>${escapeText(c)}</th>`).join("");
  const body = rows.map(
    (r) =>
      `<tr><th scope="row">${escapeText(r.name)}</th>${r.cells.map((c) => `<td>${escapeText(c)}</td>`).join("")}</tr>`,
  );
  return `<section><h2>The runs beside each other</h2>${table(`<thead><tr><th>run</th>${head}</tr></thead><tbody>${body.join("")}</tbody>`)}<p class="note">${escapeText(note)}</p></section>`;
}
