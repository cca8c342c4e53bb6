/** Point 4.7: reuse against no reuse on the affinity example, and all of DAVIS beside published results. */
import { join } from "node:path";
import { textTable } from "../bench/table.ts";
import { withStudy } from "../src/cli/open-study.ts";
import { duration } from "../src/cli/progress.ts";
import { sharedData } from "./needs.ts";
import { preparePairs } from "./pairs-file.ts";
import { allPass, type Check, type Context, checkLines, type Point } from "./point.ts";
import { exampleFile, method, type NumberTask, numberTasks, runPreparedStudy } from "./studies.ts";

const FASTER = 3;
/** Of the RMSE with reuse: how far that without may be. */
const SAME = 0.01;
const MOST_MINUTES = 60;

/** Of the papers of KronRLS and DeepDTA, on the published fold: MSE and concordance index. */
const published = [
  ["KronRLS (published)", "0.379", "0.871"],
  ["DeepDTA (published)", "0.261", "0.878"],
] as const;

export const davis: Point = {
  id: "4.7",
  asked: `The affinity example, f32, one seed: at least ${FASTER} times as fast as with --no-reuse, RMSE within ${SAME * 100} %. All of DAVIS (30,056 pairs, published fold and five folds of new drugs, 3 seeds): under ${MOST_MINUTES} minutes on 2 cores; MSE and concordance index beside published ones, the mean and additive means.`,
  needs: [sharedData],
  async run(context) {
    const speed = await compareReuse(context);
    context.progress.note(checkLines(speed.checks));
    const whole = await allOfDavis(context);
    const checks = [...speed.checks, ...whole.checks];
    return { measured: [whole.table, checkLines(checks)].join("\n\n"), pass: allPass(checks) };
  },
};

async function compareReuse({ progress, folder }: Context): Promise<{ checks: Check[] }> {
  await preparePairs("affinity", progress);
  const run = async (reuse: "auto" | "none") => {
    const out = join(await folder(), `affinity-${reuse}`);
    const choice = { seed: [1], precision: "f32" as const };
    return withStudy(exampleFile("affinity"), choice, { progress }, (prepared) =>
      runPreparedStudy(prepared, out, progress, reuse),
    );
  };
  const [less, plain] = [await run("auto"), await run("none")];
  const times = plain.seconds / less.seconds;
  const others = new Map(numberTasks(plain).map((task) => [task.stage, rmseOf(task)]));
  const apart = numberTasks(less).map((task) =>
    Math.abs((others.get(task.stage) as number) / rmseOf(task) - 1),
  );
  return {
    checks: [
      {
        what: `the affinity example is at least ${FASTER} times as fast as with --no-reuse`,
        found: `${times.toFixed(2)} times (${duration(less.seconds)} against ${duration(plain.seconds)})`,
        pass: times >= FASTER,
      },
      {
        what: `and its function tags' RMSE is within ${SAME * 100} %`,
        found: apart.map((d) => `${(100 * d).toFixed(2)} %`).join(", "),
        pass: apart.length > 0 && apart.every((d) => d <= SAME),
      },
    ],
  };
}

const rmseOf = (task: NumberTask): number => method(task, "function tag")?.mean.rmse as number;

async function allOfDavis({ progress, folder }: Context): Promise<{ table: string; checks: Check[] }> {
  await preparePairs("davis", progress);
  const out = join(await folder(), "davis");
  const began = performance.now();
  const report = await withStudy(exampleFile("davis"), {}, { progress }, (prepared) =>
    runPreparedStudy(prepared, out, progress),
  );
  const minutes = (performance.now() - began) / 60000;
  const tasks = numberTasks(report);
  const names = [...new Set(tasks.flatMap(({ methods }) => methods.map((m) => m.method)))];
  const cold = tasks.filter(({ stage }) => stage.startsWith("cold"));
  const fold = tasks.filter(({ stage }) => !stage.startsWith("cold"));
  const mean = (of: readonly NumberTask[], name: string, metric: "mse" | "ci") =>
    (of.reduce((n, t) => n + (method(t, name)?.mean[metric] ?? Number.NaN), 0) / of.length).toFixed(3);
  const row = (name: string) => [
    name,
    mean(fold, name, "mse"),
    mean(fold, name, "ci"),
    mean(cold, name, "mse"),
    mean(cold, name, "ci"),
  ];
  const table = textTable([
    ["", "published fold: MSE", "CI", "new drugs, 5 folds: MSE", "CI"],
    ...names.map(row),
    ...published.map(([name, mse, ci]) => [name, mse, ci, "", ""]),
  ]);
  return {
    table,
    checks: [
      {
        what: `all of DAVIS with ${report.seeds.length} seeds took less than ${MOST_MINUTES} minutes`,
        found: `${minutes.toFixed(1)} minutes`,
        pass: minutes < MOST_MINUTES && report.seeds.length >= 3,
      },
      {
        what: "the published fold and five folds of new drugs were scored",
        found: `${fold.length} and ${cold.length}`,
        pass: fold.length === 1 && cold.length === 5,
      },
    ],
  };
}
