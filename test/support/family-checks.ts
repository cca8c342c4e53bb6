/**
 * What a family must do beyond one forward pass, as numbers: tags' gradients through the runner, stored spans
 * wherever they stand, decoding from stored keys. Oracle are the goldens of ../shared or the whole prompt.
 */
import { layOut, type Query, type Reuse } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { sightFeeds } from "../../src/batch/sight.ts";
import type { Base } from "../../src/models/base.ts";
import { readout } from "../../src/train/tasks.ts";
import { Random } from "./random.ts";
import { randomQuery, randomVectors, textQuery } from "./random-prompts.ts";
import { goldenLabels } from "./tag-golden.ts";
import { type GoldenTensor, relativeError } from "./tensors.ts";

const TAG_LENGTH = 3;
/** How far before a golden prompt's end the tag stands: near enough to be in sight through two layers' windows of 8. */
const BEFORE_END = 10;

/**
 * A tag that holds what the tokens in its place are to the model leaves the golden numbers as they are, and its
 * gradients are those of `inputs_embeds` there: one tag in each of the two prompts.
 */
export async function tagGradientErrors(
  base: Base,
  golden: ReadonlyMap<string, GoldenTensor>,
  reuse: Reuse,
): Promise<Record<string, number>> {
  const { hiddenSize } = base.architecture;
  const need = (name: string) => (golden.get(name) as GoldenTensor).data as Float32Array;
  const ids = golden.get("input_ids") as GoldenTensor;
  const [rows, length] = ids.shape as [number, number];
  const start = length - BEFORE_END;
  const end = start + TAG_LENGTH;
  const rowsOf = (name: string, row: number) =>
    need(name).subarray((row * length + start) * hiddenSize, (row * length + end) * hiddenSize);
  const nameOf = (row: number) => `Row${row}`;
  const vectors = new Map(
    Array.from({ length: rows }, (_, row) => [nameOf(row), rowsOf("inputs_embeds", row).slice()]),
  );
  const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse, tokens: 256 });
  const queries = Array.from({ length: rows }, (_, row): Query => {
    const text = Int32Array.from(ids.data.subarray(row * length, (row + 1) * length));
    text.fill(-1, start, end);
    const { prompt, ...query } = textQuery(text);
    return {
      ...query,
      cut: start,
      prompt: { ...prompt, slots: [{ tag: nameOf(row), position: start }] },
    };
  });
  const idAt = (row: number, t: number) => ids.data[row * length + t] as number;
  const labels = queries.map((_, row) =>
    Array.from({ length: length - start - 1 }, (_label, i) => ({
      position: start + 1 + i,
      id: idAt(row, start + 1 + i),
    })),
  );
  const text = await runner.textStep(queries, labels, new Float32Array(rows).fill(1 / (rows * (length - 1))));
  const head = await runner.headStep(
    queries,
    () => length - 1,
    need("y"),
    new Float32Array(rows).fill(1 / rows),
    { outputs: 1, weight: need("w"), bias: Float32Array.of(0) },
  );
  await runner.clear();
  const gradients = (found: ReadonlyMap<string, Float32Array>, name: string): number =>
    Math.max(
      ...queries.map((_, row) => relativeError(found.get(nameOf(row)) as Float32Array, rowsOf(name, row))),
    );
  return {
    grad_ce: gradients(text.gradients, "grad_ce"),
    grad_reg: gradients(head.gradients, "grad_reg"),
    pred_reg: relativeError(head.predictions, need("pred_reg")),
    loss_reg: relativeError([head.loss], need("loss_reg")),
  };
}

/**
 * Losses, predictions and the function tag's gradients with stored spans and prefixes, against whole prompts: four
 * random prompts that share two spans' tags, with their spans at many offsets.
 */
export async function storedSpanError(base: Base): Promise<number> {
  const { vocabSize, hiddenSize } = base.architecture;
  const random = new Random(7);
  const vectors = randomVectors(random, hiddenSize);
  const queries: Query[] = [];
  while (queries.length < 4) {
    const query = randomQuery(random, vocabSize, true, true);
    const { spans } = query.prompt;
    if (spans.length === 2 && spans.every((s) => s.isolate)) queries.push(query);
  }
  const weights = Float32Array.of(0.4, 0.3, 0.2, 0.1);
  const head = { outputs: 1, weight: random.floats(hiddenSize), bias: Float32Array.of(0) };
  const numbers = async (reuse: Reuse): Promise<ArrayLike<number>[]> => {
    const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse, tokens: 256 });
    const text = await runner.textStep(queries, queries.map(goldenLabels), weights);
    const targets = Float32Array.of(1, -1, 2, 0);
    const step = await runner.headStep(queries, readout, targets, weights, head);
    await runner.clear();
    const gradients = [text, step].map(({ gradients: g }) => g.get("F") as Float32Array);
    return [[text.loss], [step.loss], step.predictions, ...gradients];
  };
  const whole = await numbers("none");
  const stored = [await numbers("spans"), await numbers("prefix")];
  return Math.max(...stored.flatMap((all) => all.map((x, i) => relativeError(x, whole[i] as Float32Array))));
}

/**
 * How far the keys and values of the same tokens are apart at the beginning of a text and elsewhere in it, or in
 * texts of other lengths: 0 where one stored block serves for all.
 */
export async function placementDifference(
  base: Base,
  whole: { start: number; length: number },
  other: { start: number; length: number },
): Promise<number> {
  const length = 6;
  const ids = Int32Array.from({ length }, (_, i) => 3 + i);
  const shape = { batch: 1, length, past: [] };
  const run = async (place: { start: number; length: number }): Promise<number[]> => {
    const layout = layOut(textQuery(ids), "none", place);
    const feeds = { ids, ...sightFeeds(base.architecture, [{ layout, row: 0, offset: 0 }], shape) };
    const spec = { ...shape, slots: 0, reads: 0, result: { kind: "keys" } } as const;
    return Object.values(await base.run(spec, feeds)).flatMap((x) => [...(x as Float32Array)]);
  };
  return relativeError(await run(other), await run(whole));
}
