/**
 * The golden prompts of test/golden (ids, slots, spans, targets) as queries, and the Runner's numbers on them
 * against PyTorch's: both losses, states, predictions, gradients of every tag and of the head.
 */

import type { Label } from "../../src/batch/labels.ts";
import type { Query, Reuse } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import type { Base } from "../../src/models/base.ts";
import type { Prompt } from "../../src/prompts/prompt.ts";
import { readout } from "../../src/train/tasks.ts";
import { type GoldenTensor, readGolden, relativeError } from "./tensors.ts";

export const TAGS = ["SMILES", "Protein", "Function"] as const;
export const FUNCTION_TAG = "Function";
const PAD = -2;

export type Golden = ReadonlyMap<string, GoldenTensor>;

export const goldenPath = (name: string): string =>
  new URL(`../golden/${name}.safetensors`, import.meta.url).pathname;

export function floats(golden: Golden, name: string): Float32Array {
  const tensor = golden.get(name);
  if (!tensor) throw new Error(`the golden file has no ${name}`);
  return Float32Array.from(tensor.data);
}

function rows(golden: Golden, name: string): number[][] {
  const { shape, data } = golden.get(name) as GoldenTensor;
  const width = shape[1] ?? 1;
  return Array.from({ length: shape[0] as number }, (_, i) =>
    Array.from(data.subarray(i * width, (i + 1) * width)),
  );
}

/** Vectors of the three tags, [p, d] each. */
export function goldenVectors(golden: Golden): Map<string, Float32Array> {
  const all = floats(golden, "vectors");
  const size = all.length / TAGS.length;
  return new Map(TAGS.map((tag, i) => [tag, all.slice(i * size, (i + 1) * size)]));
}

/** @param cutAtFunction what stands before the function tag never changes and may be stored */
export function goldenQueries(golden: Golden, isolate: boolean, cutAtFunction: boolean): Query[] {
  const length = (golden.get("vectors") as GoldenTensor).shape[1] as number;
  const firstSlots = rows(golden, "slots").filter((_, i) => i % length === 0);
  return rows(golden, "ids").map((padded, example) => {
    const end = padded.indexOf(PAD) < 0 ? padded.length : padded.indexOf(PAD);
    const own = <T extends number[]>(table: T[]) => table.filter((row) => row[0] === example);
    const slots = own(firstSlots).map(([, position, tag]) => ({
      tag: TAGS[tag as number] as string,
      position: position as number,
    }));
    const [start, stop] = rows(golden, "targets")[example] as [number, number];
    const prompt: Prompt = {
      ids: Int32Array.from(padded.slice(0, end)),
      slots,
      spans: own(rows(golden, "spans")).map(([, from, to, tag]) => ({
        tag: TAGS[tag as number] as string,
        field: "data",
        start: from as number,
        end: to as number,
        isolate: true,
      })),
      pieces: [],
      readout: (rows(golden, "readout")[example] as [number])[0],
      target: stop > start ? { start, end: stop } : null,
      trimmed: [],
    };
    const cut = slots.find((s) => s.tag === FUNCTION_TAG)?.position as number;
    return { prompt, isolate, cut: cutAtFunction ? cut : 0 };
  });
}

export function goldenLabels({ prompt }: Query): Label[] {
  const { start, end } = prompt.target ?? { start: 0, end: 0 };
  return Array.from({ length: end - start }, (_, i) => ({
    position: start + i,
    id: prompt.ids[start + i] as number,
  }));
}

export interface TagGoldenOptions {
  readonly reuse: Reuse;
  /** New tokens of one run; small budgets split the batch. */
  readonly tokens: number;
  /** The order in which the examples are handed over. */
  readonly order?: readonly number[];
}

/** All numbers of one golden file in the layout of the file, as the Runner computes them. */
export async function tagNumbers(
  base: Base,
  golden: Golden,
  { reuse, tokens, order = [0, 1, 2, 3] }: TagGoldenOptions,
): Promise<Map<string, Float32Array>> {
  const isolate = floats(golden, "isolated")[0] === 1;
  const vectors = goldenVectors(golden);
  const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse, tokens });
  const all = goldenQueries(golden, isolate, reuse !== "none");
  const queries = order.map((i) => all[i] as Query);
  const inOrder = (values: Float32Array, width: number): Float32Array => {
    const out = new Float32Array(values.length);
    order.forEach((i, at) => {
      out.set(values.subarray(at * width, (at + 1) * width), i * width);
    });
    return out;
  };
  const numbers = new Map<string, Float32Array>();
  const width = base.architecture.hiddenSize;

  const head = { outputs: 1, weight: floats(golden, "w"), bias: floats(golden, "b") };
  const y = floats(golden, "y");
  const targets = Float32Array.from(order, (i) => y[i] as number);
  const quarter = new Float32Array(order.length).fill(1 / order.length);
  const step = await runner.headStep(queries, readout, targets, quarter, head);
  numbers.set("loss_reg", Float32Array.of(step.loss));
  numbers.set("pred_reg", inOrder(step.predictions, 1));
  numbers.set("grad_reg.w", step.headGradient);
  numbers.set("grad_reg.b", step.biasGradient);
  for (const [tag, gradient] of step.gradients) numbers.set(`grad_reg.vectors ${tag}`, gradient);
  numbers.set("readout_state", inOrder(await runner.hidden(queries, readout), width));

  const asked = order.filter((i) => (all[i] as Query).prompt.target);
  const texts = asked.map((i) => all[i] as Query);
  const labels = texts.map(goldenLabels);
  const total = labels.reduce((n, l) => n + l.length, 0);
  const text = await runner.textStep(texts, labels, new Float32Array(texts.length).fill(1 / total));
  numbers.set("loss_ce", Float32Array.of(text.loss));
  for (const [tag, gradient] of text.gradients) numbers.set(`grad_ce.vectors ${tag}`, gradient);
  const nll = await runner.nll(texts, labels);
  const sorted = asked
    .map((example, i) => ({ example, nll: nll[i] as Float32Array }))
    .sort((a, b) => a.example - b.example);
  numbers.set("token_losses", Float32Array.from(sorted.flatMap((row) => [...row.nll])));
  await runner.clear();
  return numbers;
}

/** The golden file's own numbers under the same names. */
export function goldenNumbers(golden: Golden): Map<string, Float32Array> {
  const numbers = new Map<string, Float32Array>();
  for (const name of [
    "loss_reg",
    "pred_reg",
    "grad_reg.w",
    "grad_reg.b",
    "readout_state",
    "loss_ce",
    "token_losses",
  ]) {
    numbers.set(name, floats(golden, name));
  }
  for (const loss of ["grad_reg", "grad_ce"]) {
    const all = floats(golden, `${loss}.vectors`);
    const size = all.length / TAGS.length;
    TAGS.forEach((tag, i) => {
      numbers.set(`${loss}.vectors ${tag}`, all.slice(i * size, (i + 1) * size));
    });
  }
  return numbers;
}

/** Errors of all numbers of one file; with stored blocks the gradients of the function tag only. */
export async function tagGoldenErrors(
  base: Base,
  file: string,
  options: TagGoldenOptions,
): Promise<Record<string, number>> {
  const golden = await readGolden(goldenPath(file));
  const ours = await tagNumbers(base, golden, options);
  const errors: Record<string, number> = {};
  for (const [name, expected] of goldenNumbers(golden)) {
    const constant = options.reuse !== "none" && /vectors (SMILES|Protein)/.test(name);
    if (!constant) errors[name] = relativeError(ours.get(name) as Float32Array, expected);
  }
  return errors;
}
