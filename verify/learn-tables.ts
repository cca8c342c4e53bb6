/** The three tables that `tagllm learn` is shown on: molecules, proteins, and classes made of the proteins. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readRows } from "../src/data/source.ts";
import type { PredictedRow } from "../src/report/read-run.ts";
import type { MethodResult } from "../src/study/methods.ts";
import type { Report } from "../src/study/report.ts";
import { openTags } from "../src/tags/library.ts";
import { sharedFolder } from "../test/support/goldens.ts";

export interface LearnTable {
  readonly name: string;
  readonly file: string;
  readonly input: string;
  readonly target: string;
}

const PROTEINS = 5000;

/** Files the protein tables into a folder: every so manieth row of the stability data. */
export async function learnTables(folder: string): Promise<LearnTable[]> {
  await mkdir(folder, { recursive: true });
  const { rows } = await readRows({ file: join(sharedFolder, "data", "protein", "stability.train.csv") });
  const chosen = Array.from({ length: PROTEINS }, (_, i) => rows[Math.floor((i * rows.length) / PROTEINS)]!);
  const sorted = chosen.map((r) => Number(r.label)).sort((a, b) => a - b);
  const median = sorted[PROTEINS / 2] as number;
  const stability = join(folder, "stability.csv");
  const classes = join(folder, "stable.csv");
  const lines = (header: string, cell: (label: string) => string) =>
    `${header}\n${chosen.map((r) => `${r.seq},${cell(r.label!)}`).join("\n")}\n`;
  await writeFile(
    stability,
    lines("seq,stability", (label) => label),
  );
  await writeFile(
    classes,
    lines("seq,stable", (label) => (Number(label) > median ? "yes" : "no")),
  );
  const molecules = join(sharedFolder, "data", "moleculenet", "Lipophilicity.csv");
  return [
    { name: "lipophilicity", file: molecules, input: "smiles:SMILES", target: "exp" },
    { name: "stability", file: stability, input: "seq:Protein", target: "stability" },
    { name: "stable", file: classes, input: "seq:Protein", target: "stable" },
  ];
}

/** Of the last stage of a learned folder. */
export async function learnedMethods(out: string): Promise<Map<string, MethodResult>> {
  const report = JSON.parse(await readFile(join(out, "run", "report.json"), "utf8")) as Report;
  const methods = report.stages.at(-1)?.tasks[0]?.methods ?? [];
  return new Map(methods.map((m) => [m.method, m]));
}

/** Share of the test rows whose truth lies in the interval or set of their own seed's tag, for each seed. */
export async function coverage(out: string): Promise<number[]> {
  const text = await readFile(join(out, "run", "predictions.jsonl"), "utf8");
  const rows = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as PredictedRow);
  const shares: number[] = [];
  for (const seed of new Set(rows.map((r) => r.seed))) {
    const tags = await openTags(join(out, "run", `seed-${seed}`, "tags"));
    const limit = [...tags.values()].find((t) => t.conformal)?.conformal?.[0] ?? 0;
    const own = rows.filter((r) => r.seed === seed);
    const held = own.filter((r) => scoreOf(r) <= limit);
    shares.push(held.length / own.length);
  }
  return shares;
}

const scoreOf = ({ truth, predicted, probabilities }: PredictedRow): number =>
  probabilities ? 1 - (probabilities[truth] ?? 0) : Math.abs((truth as number) - (predicted as number));
