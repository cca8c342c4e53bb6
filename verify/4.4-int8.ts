/** Point 4.4: training in 8-bit integers gives what training in f32 gives. */
import { join } from "node:path";
import type { HeadValues } from "../src/batch/head.ts";
import type { Query } from "../src/batch/layout.ts";
import { Runner } from "../src/batch/runner.ts";
import { withStudy } from "../src/cli/open-study.ts";
import { Base } from "../src/models/base.ts";
import { textTask } from "../src/study/domain-stage.ts";
import { type Embeddings, readEmbeddings, startTags } from "../src/study/live.ts";
import type { PreparedStage, PreparedStudy } from "../src/study/prepare.ts";
import type { Report } from "../src/study/report.ts";
import { fitScaling, queryOf, standardise } from "../src/study/tasks.ts";
import { WindowedRidge } from "../src/train/closed-form.ts";
import { AdamW } from "../src/train/optimizer.ts";
import { batches } from "../src/train/order.ts";
import { type StepExamples, type StepGradient, stepGradient } from "../src/train/step.ts";
import { type HeadExample, readout } from "../src/train/tasks.ts";
import { sharedData } from "./needs.ts";
import { preparePairs } from "./pairs-file.ts";
import { allPass, type Check, type Context, checkLines, type Point } from "./point.ts";
import { exampleFile, method, type NumberTask, numberTasks, runPreparedStudy } from "./studies.ts";

const SAME_METRIC = 0.02;
const LEAST_COSINE = 0.99;
const STEPS = 100;
const SAME_ROW = 1e-3;
const examples = ["solubility", "affinity"] as const;

export const int8: Point = {
  id: "4.4",
  asked: `int8 against f32: test RMSE of the example studies' function tags within ${SAME_METRIC * 100} %, seed by seed; gradients of a domain and of a function tag with a cosine of at least ${LEAST_COSINE} in each of the first ${STEPS} steps; a row's state within ${SAME_ROW} whatever rows it runs beside.`,
  needs: [sharedData],
  async run(context) {
    const first = await gradientsAndRows(context);
    context.progress.note(checkLines(first));
    const checks = [...first, ...(await sameMetrics(context))];
    return { measured: checkLines(checks), pass: allPass(checks) };
  },
};

async function sameMetrics({ progress, folder }: Context): Promise<Check[]> {
  await preparePairs("affinity", progress);
  const checks: Check[] = [];
  for (const name of examples) {
    const run = async (precision: "f32" | "int8"): Promise<Report> => {
      const out = join(await folder(), `${name}-${precision}`);
      return withStudy(exampleFile(name), { precision }, { progress }, (prepared) =>
        runPreparedStudy(prepared, out, progress),
      );
    };
    const [exact, rounded] = [await run("f32"), await run("int8")];
    const others = new Map(numberTasks(rounded).map((task) => [task.stage, task]));
    for (const task of numberTasks(exact)) {
      const [a, b] = [rmses(task), rmses(others.get(task.stage) as NumberTask)];
      const apart = a.map((x, i) => Math.abs((b[i] as number) / x - 1));
      checks.push({
        what: `${name}, ${task.stage}: RMSE of the function tag within ${SAME_METRIC * 100} %`,
        found: apart
          .map((d, i) => `${(100 * d).toFixed(2)} % (${a[i]?.toFixed(3)}, ${b[i]?.toFixed(3)})`)
          .join(", "),
        pass: apart.length > 0 && apart.every((d) => d <= SAME_METRIC),
      });
    }
  }
  return checks;
}

const rmses = (task: NumberTask): number[] =>
  method(task, "function tag")?.perSeed.map(({ rmse }) => rmse as number) ?? [];

const gradientsAndRows = ({ progress }: Context): Promise<Check[]> =>
  withStudy(exampleFile("solubility"), { precision: "f32" }, { progress }, async (prepared) => {
    const rounded = await Base.load(prepared.base.folder, { precision: "int8" });
    try {
      const [domain, asked] = prepared.stages as [PreparedStage, PreparedStage];
      return [
        await withNeighbours(
          await cosines(prepared, rounded, domain, textSteps(domain)),
          await gradientsApart(prepared, rounded, domain),
        ),
        await cosines(prepared, rounded, asked, headSteps(asked)),
        await rowsApart(prepared, rounded, asked),
      ];
    } finally {
      await rounded.close();
    }
  });

function textSteps({ tasks }: PreparedStage): (picks: Int32Array) => StepExamples {
  const { train } = textTask(tasks[0] as PreparedStage["tasks"][number]);
  return (picks) => ({
    text: [...picks].map((i) => train[i] as (typeof train)[number]),
    head: [],
    domain: [],
  });
}

function headSteps(stage: PreparedStage): (picks: Int32Array) => StepExamples {
  const all = headExamples(stage);
  return (picks) => ({ text: [], head: [...picks].map((i) => all[i] as HeadExample), domain: [] });
}

function headExamples({ tasks, stage: { train } }: PreparedStage): HeadExample[] {
  const task = tasks[0] as PreparedStage["tasks"][number];
  const scaling = fitScaling([task]);
  return task.rows.train.map((row) => ({
    query: queryOf(task.compiler.compile(row, { withTarget: false }), task.isolate, new Set(train)),
    target: standardise(row, scaling),
  }));
}

/** The same vectors and head in both precisions, as a study runs them, updated by the gradients of f32. */
async function cosines(
  prepared: PreparedStudy,
  rounded: Base,
  own: PreparedStage,
  examplesOf: (picks: Int32Array) => StepExamples,
): Promise<Check> {
  const { stage, tasks } = own;
  const { base } = prepared;
  const embeddings = await readEmbeddings(base);
  const { name, vectorsOf, runners } = startBoth(prepared, rounded, own, embeddings);
  const head = startHead(base);
  const { solveRows, solveEvery, shrink } = stage.head;
  const solver = new WindowedRidge(head, { rows: solveRows, every: solveEvery, shrink });
  const optimizer = new AdamW([{ name, values: vectorsOf(name), rate: 1 }]);
  const found: number[] = [];
  const count = (tasks[0] as PreparedStage["tasks"][number]).rows.train.length;
  for (const picks of batches(count, stage.batch, 1)) {
    const gradients: Float32Array[] = [];
    const steps: StepGradient[] = [];
    for (const runner of runners) steps.push(await stepGradient(runner, examplesOf(picks), head, 0, true));
    for (const { tags } of steps) gradients.push(tags.get(name) as Float32Array);
    const [exact] = steps as [StepGradient, StepGradient];
    if (exact.head) solver.observe(exact.head);
    found.push(cosine(gradients[0] as Float32Array, gradients[1] as Float32Array));
    optimizer.step([gradients[0] as Float32Array], 0.1 * embeddings.rms);
    if (found.length === STEPS) break;
  }
  const least = Math.min(...found);
  const mean = found.reduce((a, b) => a + b) / found.length;
  const below = found.filter((c) => c < LEAST_COSINE).length;
  return {
    what: `gradients of <${name}> have a cosine of at least ${LEAST_COSINE} in each of ${STEPS} steps of ${stage.batch}`,
    found: `${least.toFixed(4)} (mean ${mean.toFixed(4)}, ${below} below) in ${found.length} steps`,
    pass: found.length === STEPS && least >= LEAST_COSINE,
  };
}

/** The stage's tag as it begins, and its runners in f32 and int8. */
function startBoth(
  prepared: PreparedStudy,
  rounded: Base,
  { stage, kind }: PreparedStage,
  embeddings: Embeddings,
) {
  const live = startTags(prepared, embeddings, 1);
  const vectorsOf = (tag: string) => live.get(tag)?.vectors as Float32Array;
  const reuse = kind === "domain" ? "none" : "prefix";
  const options = { reuse, tokens: 512, fixedShapes: true } as const;
  const runners = [prepared.base, rounded].map((base) => new Runner(base, vectorsOf, options));
  return { name: stage.train[0] as string, vectorsOf, runners };
}

/** Any head, until it is solved. */
function startHead({ architecture: { hiddenSize: width } }: Base): HeadValues {
  const weight = Float32Array.from({ length: width }, (_, i) => Math.sin(i * i) / Math.sqrt(width));
  return { outputs: 1, weight, bias: new Float32Array(1) };
}

/** In int8: how far the gradient of a step is from the mean of those of its rows alone, over its largest number. */
async function gradientsApart(prepared: PreparedStudy, rounded: Base, stage: PreparedStage): Promise<number> {
  const embeddings = await readEmbeddings(prepared.base);
  const { name, runners } = startBoth(prepared, rounded, stage, embeddings);
  const gradientOf = async (text: StepExamples["text"]): Promise<Float32Array> => {
    const { tags } = await stepGradient(runners[1] as Runner, { text, head: [], domain: [] }, null, 0, false);
    return tags.get(name) as Float32Array;
  };
  const { text } = textSteps(stage)(Int32Array.from({ length: stage.stage.batch }, (_, i) => i));
  const together = await gradientOf(text);
  const labels = text.reduce((n, example) => n + example.labels.length, 0);
  const sum = new Float32Array(together.length);
  for (const example of text)
    (await gradientOf([example])).forEach((g, i) => {
      sum[i] = (sum[i] as number) + (g * example.labels.length) / labels;
    });
  const largest = together.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return together.reduce((m, v, i) => Math.max(m, Math.abs(v - (sum[i] as number))), 0) / largest;
}

/** Not asked of a gradient, and shown. */
const withNeighbours = (check: Check, apart: number): Check => ({
  ...check,
  found: `${check.found}; a step's is that of its rows alone within ${apart.toExponential(1)}`,
});

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((x, i) => {
    const y = b[i] as number;
    [ab, aa, bb] = [ab + x * y, aa + x * x, bb + y * y];
  });
  return ab / Math.sqrt(aa * bb);
}

/** What a row is read on: nothing stored, as `predict` does it, as a study does it. */
const ways = [{ reuse: "none" }, { reuse: "spans", sharedOnly: true }, { reuse: "prefix" }] as const;

async function rowsApart(prepared: PreparedStudy, rounded: Base, stage: PreparedStage): Promise<Check> {
  const { base } = prepared;
  const live = startTags(prepared, await readEmbeddings(base), 1);
  const vectorsOf = (tag: string) => live.get(tag)?.vectors as Float32Array;
  const queries: Query[] = headExamples(stage)
    .slice(0, 64)
    .map(({ query }) => query);
  const width = base.architecture.hiddenSize;
  let worst = 0;
  for (const way of ways) {
    const runner = new Runner(rounded, vectorsOf, { ...way, tokens: 512 });
    const together = await runner.hidden(queries, readout);
    for (const [i, query] of queries.entries()) {
      await runner.clear();
      const alone = await runner.hidden([query], readout);
      const largest = alone.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      alone.forEach((v, k) => {
        worst = Math.max(worst, Math.abs(v - (together[i * width + k] as number)) / largest);
      });
    }
  }
  return {
    what: `a row's state beside others is that of the row alone, within ${SAME_ROW}, whatever is stored`,
    found: `${worst.toExponential(1)} in ${queries.length} rows, ${ways.length} ways`,
    pass: worst <= SAME_ROW,
  };
}
