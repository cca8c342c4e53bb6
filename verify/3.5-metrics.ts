/** Point 3.5: every metric against scikit-learn and scipy, and what conformal intervals hold on the tables of 3.1. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../src/cli/progress.ts";
import { table } from "../src/cli/table.ts";
import { headingOf } from "../src/evaluate/metric-names.ts";
import { Base } from "../src/models/base.ts";
import { defaultBase } from "../src/models/default-base.ts";
import { loadStudy } from "../src/study/load.ts";
import { prepareStudy } from "../src/study/prepare.ts";
import { runStudy } from "../src/study/run.ts";
import { difference, metricCases } from "../test/evaluate/golden.ts";
import { coverage, type LearnTable, learnTables } from "./learn-tables.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";

const PRECISION = 1e-12;
const PROMISED = 0.9;
const TOLERANCE = 0.03;
const seeds = [1, 2, 3];

export const metrics: Point = {
  id: "3.5",
  asked: `Every metric equals its golden (scikit-learn, scipy) to ${PRECISION}; conformal intervals cover ${100 * PROMISED} ± ${100 * TOLERANCE} % of the test rows on the three data sets of 3.1, mean of ${seeds.length} seeds of split and tag.`,
  needs: [sharedData],
  async run({ progress, folder }) {
    const golden = goldenRows();
    const home = await folder();
    const tables = await learnTables(join(home, "tables"));
    const shares = new Map<string, number[]>();
    const base = await Base.load(defaultBase);
    try {
      for (const one of tables) {
        const own: number[] = [];
        for (const seed of seeds) own.push(...(await learnShort(base, one, seed, home, progress)));
        shares.set(one.name, own);
      }
    } finally {
      await base.close();
      progress.clear();
    }
    const checks = [
      ...golden.map(
        ({ metric, cases, worst }): Check => ({
          what: `${headingOf(metric)} on ${cases} cases`,
          found: `worst difference ${worst.toExponential(1)}`,
          pass: worst <= PRECISION,
        }),
      ),
      ...[...shares].map(
        ([name, own]): Check => ({
          what: `${name}: the mean coverage is within ${100 * TOLERANCE} % of ${100 * PROMISED} %`,
          found: percent(mean(own)),
          pass: Math.abs(mean(own) - PROMISED) <= TOLERANCE,
        }),
      ),
    ];
    return { measured: `${tablesOf(golden, shares)}\n\n${checkLines(checks)}`, pass: allPass(checks) };
  },
};

interface GoldenRow {
  readonly metric: string;
  readonly cases: number;
  readonly worst: number;
}

function goldenRows(): GoldenRow[] {
  const cases = metricCases().filter((c) => c.metric !== "rows");
  return [...new Set(cases.map((c) => c.metric))].map((metric) => {
    const own = cases.filter((c) => c.metric === metric);
    return { metric, cases: own.length, worst: Math.max(...own.map(difference)) };
  });
}

/** A tag of few steps, on a split of its own; the share of its test rows that its intervals or sets hold. */
async function learnShort(
  base: Base,
  { name, file, input, target }: LearnTable,
  seed: number,
  home: string,
  progress: Progress,
): Promise<number[]> {
  progress.note(`${name}: split and seed ${seed} ...`);
  const [column, tag] = input.split(":") as [string, string];
  const out = join(home, `${name}-${seed}`);
  await mkdir(out, { recursive: true });
  const text = `name: ${name}
seeds: [${seed}]
data:
  rows:
    file: ${JSON.stringify(file)}
    split: { by: { group: [${column}] }, test: 0.1, validation: 0.1, seed: ${seed} }
tags:
  ${tag}: { kind: domain, length: 4 }
  Answer: { kind: function, answer: ${name === "stable" ? "class" : "number"}, length: 4, init: { noise: 0.3 } }
stages:
  - { name: domain, train: [${tag}], tasks: [{ data: rows, template: "<${tag}> {${column}}" }], steps: 5 }
  - { name: answer, train: [Answer], tasks: [{ data: rows, template: "<${tag}> {${column}} <Answer>", target: ${target} }], steps: 20 }
`;
  await writeFile(join(out, "study.yaml"), text);
  const prepared = await prepareStudy(await loadStudy(join(out, "study.yaml")), base);
  await runStudy(prepared, {
    out: join(out, "run"),
    onEvent: (e) => {
      if (e.kind === "step")
        progress.update(`${name}, seed ${seed}: ${e.stage} step ${e.step} of ${e.steps}`);
    },
  });
  return coverage(out);
}

function tablesOf(golden: readonly GoldenRow[], shares: ReadonlyMap<string, readonly number[]>): string {
  const right = (title: string) => ({ title, align: "right" as const });
  const metricTable = table(
    [{ title: "metric" }, right("cases"), right("worst difference")],
    golden.map((g) => [headingOf(g.metric), String(g.cases), g.worst.toExponential(1)]),
  );
  const coverageTable = table(
    [{ title: "coverage" }, ...seeds.map((s) => right(`seed ${s}`)), right("mean")],
    [...shares].map(([name, own]) => [name, ...own.map(percent), percent(mean(own))]),
  );
  return `${metricTable}\n\n${coverageTable}`;
}

const mean = (values: readonly number[]): number => values.reduce((s, v) => s + v, 0) / values.length;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
