/**
 * One token at a time with the keys and values of those before it, against a golden file, whose numbers are of
 * whole prompts; and the greedy tokens of what generates text.
 */
import type { Layout } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { decode } from "../../src/generate/decode.ts";
import { Lanes, type Token } from "../../src/generate/lanes.ts";
import { chooser } from "../../src/generate/sampling.ts";
import { SingleWriter } from "../../src/generate/writer.ts";
import type { Base } from "../../src/models/base.ts";
import { textQuery } from "./random-prompts.ts";
import { type GoldenTensor, relativeError } from "./tensors.ts";

export interface CachedErrors {
  /** Of the logits at every position of the first prompt. */
  readonly logits: number;
  /** Of the logits that the greedy tokens were chosen from. */
  readonly greedyLogits: number;
  /** How often all keys had to be made anew, as the text became too long for the frequencies they had. */
  readonly remade: number;
}

const plainRunner = (base: Base): Runner =>
  new Runner(base, () => new Float32Array(0), { reuse: "spans", tokens: 256 });

/** The first token is the prompt, all others follow one by one. */
export async function cachedErrors(
  base: Base,
  golden: ReadonlyMap<string, GoldenTensor>,
): Promise<CachedErrors> {
  const ids = golden.get("input_ids") as GoldenTensor;
  const length = ids.shape[1] as number;
  const prompt = Array.from(ids.data.subarray(0, length));
  const text = [...prompt, ...Array.from((golden.get("greedy_ids") as GoldenTensor).data)];
  const runner = plainRunner(base);
  let begun = 0;
  const begin = runner.begin.bind(runner);
  runner.begin = (...given) => {
    begun++;
    return begin(...given);
  };
  const lanes = new Lanes(runner, { count: 1, tips: 1, blocks: 0 });
  const found: number[][] = [];
  const [layout] = runner.layouts([textQuery(Int32Array.of(text[0] as number))]);
  for (const logits of await lanes.enter([{ lane: 0, layout: layout as Layout }])) found.push([...logits]);
  let before: Token | null = null;
  for (const id of text.slice(1, -1)) {
    for (const { tokens, logits } of await lanes.step([{ lane: 0, next: [{ id, before }] }])) {
      before = tokens[0] as Token;
      found.push([...(logits[0] as Float32Array)]);
    }
  }
  await lanes.close();
  const all = golden.get("logits") as GoldenTensor;
  const { vocabSize } = base.architecture;
  return {
    logits: relativeError(found.slice(0, length).flat(), all.data.subarray(0, length * vocabSize)),
    greedyLogits: relativeError(
      found.slice(length - 1).flat(),
      (golden.get("greedy_logits") as GoldenTensor).data,
    ),
    remade: begun - 1,
  };
}

/** The greedy continuations of both golden prompts, written side by side. */
export async function greedyIds(
  base: Base,
  golden: ReadonlyMap<string, GoldenTensor>,
  count: number,
): Promise<(readonly number[])[]> {
  const ids = golden.get("input_ids") as GoldenTensor;
  const [rows, length] = ids.shape as [number, number];
  const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
  const ends = { maxTokens: count, eos: new Set<number>(), room: count };
  const texts = Array.from({ length: rows }, (_, row) => {
    const prompt = Int32Array.from(ids.data.subarray(row * length, (row + 1) * length));
    return { query: textQuery(prompt), writer: new SingleWriter(prompt, chooser(greedy, 0), ends) };
  });
  for await (const _ of decode(plainRunner(base), texts, 2));
  return texts.map(({ writer }) => writer.ids);
}
