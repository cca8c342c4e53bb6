/** What a function tag is compared with: predictions from the same rows that need no trained tag. */
import { applyHead } from "../batch/head.ts";
import type { Runner } from "../batch/runner.ts";
import { additiveMeans, predictAdditive } from "../evaluate/baselines.ts";
import { alphabetsOf, characterCounts } from "../evaluate/features.ts";
import { fingerprints } from "./fingerprints.ts";
import { type FittedHead, fitHead, HeadData, predictSide, type Scores } from "./function-stage.ts";
import type { StudyStage } from "./schema.ts";
import type { Side } from "./sources.ts";
import type { PreparedTask, TaskRow } from "./tasks.ts";

/** Penalties for baselines; wider than the head's, chosen on the same validation rows. */
const baselinePenalties = [0.01, 0.1, 1, 10, 100, 1000, 10000, 100000];

/** Baselines of each task that read no base: the same for every seed. Keys are the methods' names in reports. */
export async function featureBaselines(data: HeadData): Promise<Record<string, Scores>[]> {
  const found: Record<string, Scores>[] = [];
  for (const own of data.perTask()) found.push(await baselinesOf(own));
  return found;
}

/** Of one task: another has other fields, and its targets another mean. */
async function baselinesOf(data: HeadData): Promise<Record<string, Scores>> {
  const { spec } = data.tasks[0] as PreparedTask;
  const predictions: Record<string, Float64Array> = {
    [hasNumbers(data) ? "mean" : "class shares"]: constant(data),
    "character counts": fromFeatures(data, characterFeatures(data), true),
  };
  const { effects, molecules } = spec;
  if (effects) {
    const keyed = (side: Side) => ({
      a: column(data, side, effects[0] as string),
      b: column(data, side, effects[1] as string),
    });
    predictions["additive means"] = perOutput(data, (train) =>
      predictAdditive(additiveMeans(keyed("train"), train), keyed("test")),
    );
  }
  if (molecules) {
    const of = (side: Side) => data.rows(side).map((row) => molecules.map((m) => row.fields[m] ?? ""));
    const bits = {
      train: await fingerprints(of("train")),
      validation: await fingerprints(of("validation")),
      test: await fingerprints(of("test")),
    };
    predictions.fingerprints = fromFeatures(data, bits, false);
  }
  return Object.fromEntries(
    Object.entries(predictions).map(([method, found]) => [method, data.scores("test", found)[0] as Scores]),
  );
}

const hasNumbers = (data: HeadData): boolean => data.tasks.every((t) => t.kind === "number");

/** What one would say of every row without looking at it. */
function constant(data: HeadData): Float64Array {
  const average = data.answer.average(data.rows("train"));
  const rows = data.rows("test").length;
  return Float64Array.from(
    { length: rows * average.length },
    (_, i) => average[i % average.length] as number,
  );
}

/** The same kind of head on other features than the base's hidden states. */
function fromFeatures(data: HeadData, x: Record<Side, Float32Array>, standardise: boolean): Float64Array {
  const of = (side: Side) => ({ x: x[side], rows: data.rows(side) });
  const options = { penalties: baselinePenalties, standardise };
  const { head } = data.answer.fit(of("train"), of("validation"), options);
  return data.answer.predictions(applyHead(x.test, head));
}

/** Ridge on the frozen model's last state of the prompt without the function tag. */
export async function probe(
  runner: Runner,
  stage: StudyStage,
  data: HeadData,
): Promise<{ scores: Scores[]; fitted: FittedHead }> {
  const lengths = Object.fromEntries(data.tasks.map((t) => [t.functionTag as string, 0]));
  const bare = new HeadData(data.tasks, data.answer, new Set(), lengths);
  const fitted = await fitHead(runner, bare, stage.head.penalties);
  return { fitted, scores: data.scores("test", await predictSide(runner, bare, "test", fitted.head)) };
}

function characterFeatures(data: HeadData): Record<Side, Float32Array> {
  const texts = (side: Side) =>
    data.tasks.flatMap((task) => task.rows[side].map((row) => fieldTexts(task, row)));
  const alphabets = alphabetsOf(texts("train"));
  const of = (side: Side) => characterCounts(texts(side), alphabets);
  return { train: of("train"), validation: of("validation"), test: of("test") };
}

const column = (data: HeadData, side: Side, field: string): string[] =>
  data.rows(side).map((row) => row.fields[field] ?? "");

/** The data of the prompt by field. */
const fieldTexts = (task: PreparedTask, { fields }: TaskRow): Record<string, string> =>
  Object.fromEntries(task.fields.map((field) => [field, fields[field] as string]));

/** Runs a predictor of one output for each output; results are interleaved as [n, outputs]. */
function perOutput(data: HeadData, predict: (train: Float64Array) => Float64Array): Float64Array {
  const { outputs } = data.answer;
  const train = data.targets("train");
  const columns = Array.from({ length: outputs }, (_, k) =>
    predict(train.filter((_value, i) => i % outputs === k)),
  );
  const rows = columns[0]?.length ?? 0;
  return Float64Array.from(
    { length: rows * outputs },
    (_, i) => (columns[i % outputs] as Float64Array)[Math.floor(i / outputs)] as number,
  );
}
