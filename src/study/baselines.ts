/** What a function tag is compared with: predictions from the same rows that need no trained tag. */
import type { Runner } from "../batch/runner.ts";
import { additiveMeans, predictAdditive, predictMean } from "../evaluate/baselines.ts";
import { characterCountRidge } from "../evaluate/features.ts";
import { fingerprintRidge } from "./fingerprints.ts";
import { type FittedHead, fitHead, HeadData, predictSide, type Scores } from "./function-stage.ts";
import type { StudyStage } from "./schema.ts";
import type { Side } from "./sources.ts";
import type { PreparedTask, TaskRow } from "./tasks.ts";

/** Penalties for baselines; wider than the head's, chosen on the same validation rows. */
const baselinePenalties = [0.01, 0.1, 1, 10, 100, 1000, 10000];

/** Baselines that read no base: the same for every seed. Keys are the methods' names in reports. */
export async function plainBaselines(data: HeadData): Promise<Record<string, Scores[]>> {
  const results: Record<string, Scores[]> = {
    mean: data.scores("test", await perOutput(data, (train) => predictMean(train, data.side("test").length))),
    "character counts": data.scores("test", await characterCounts(data)),
  };
  const effects = data.tasks[0]?.spec.effects;
  if (effects?.length === 2) {
    const keyed = (side: Side) => ({
      a: column(data, side, effects[0] as string),
      b: column(data, side, effects[1] as string),
    });
    const predicted = await perOutput(data, (train) =>
      predictAdditive(additiveMeans(keyed("train"), train), keyed("test")),
    );
    results["additive means"] = data.scores("test", predicted);
  }
  const molecules = data.tasks[0]?.spec.molecules;
  if (molecules) {
    const of = (side: Side) => rowsOf(data, side).map(({ row }) => molecules.map((m) => row.fields[m] ?? ""));
    const predicted = await perOutput(data, (train, validation) =>
      fingerprintRidge(
        { molecules: of("train"), y: train },
        { molecules: of("validation"), y: validation },
        of("test"),
        baselinePenalties,
      ),
    );
    results.fingerprints = data.scores("test", predicted);
  }
  return results;
}

/** Ridge on the frozen model's last state of the prompt without the function tag. */
export async function probe(
  runner: Runner,
  stage: StudyStage,
  data: HeadData,
): Promise<{ scores: Scores[]; fitted: FittedHead }> {
  const lengths = Object.fromEntries(data.tasks.map((t) => [t.functionTag as string, 0]));
  const bare = new HeadData(data.tasks, data.scaling, new Set(), lengths);
  const fitted = await fitHead(runner, bare, stage.head.penalties);
  return { fitted, scores: data.scores("test", await predictSide(runner, bare, "test", fitted.head)) };
}

function characterCounts(data: HeadData): Promise<ArrayLike<number>> {
  const texts = (side: Side) => rowsOf(data, side).map(({ task, row }) => fieldTexts(task, row));
  return perOutput(data, (train, validation) => {
    const fit = characterCountRidge(
      { texts: texts("train"), y: train },
      { texts: texts("validation"), y: validation },
      texts("test"),
      baselinePenalties,
    );
    return fit.predictions;
  });
}

const rowsOf = (data: HeadData, side: Side): { task: PreparedTask; row: TaskRow }[] =>
  data.tasks.flatMap((task) => task.rows[side].map((row) => ({ task, row })));

const column = (data: HeadData, side: Side, field: string): string[] =>
  rowsOf(data, side).map(({ row }) => row.fields[field] ?? "");

/** The data fields of the prompt, in order. */
function fieldTexts(task: PreparedTask, row: TaskRow): string[] {
  const prompt = task.compiler.compile(row, { withTarget: false });
  return prompt.pieces.flatMap((p) => (p.kind === "field" ? [row.fields[p.name as string] ?? ""] : []));
}

/** Runs a predictor of one output for each output; results are interleaved as [n, outputs]. */
async function perOutput(
  data: HeadData,
  predict: (train: Float64Array, validation: Float64Array) => Float64Array | Promise<Float64Array>,
): Promise<Float64Array> {
  const outputs = data.scaling.length;
  const of = (side: Side, k: number) => data.targets(side).filter((_, i) => i % outputs === k);
  const columns: Float64Array[] = [];
  for (let k = 0; k < outputs; k++) columns.push(await predict(of("train", k), of("validation", k)));
  const rows = columns[0]?.length ?? 0;
  return Float64Array.from(
    { length: rows * outputs },
    (_, i) => (columns[i % outputs] as Float64Array)[Math.floor(i / outputs)] as number,
  );
}
