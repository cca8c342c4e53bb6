/**
 * One token at a time with the keys and values of those before it, through the same forward function that runs
 * whole prompts; against a golden file, whose numbers are of whole prompts.
 */
import { layOut } from "../../src/batch/layout.ts";
import { sightFeeds } from "../../src/batch/sight.ts";
import type { Program } from "../../src/engine/engine.ts";
import { Graph, type Value } from "../../src/graph/graph.ts";
import { declareAttentionInputs } from "../../src/models/attention.ts";
import type { Base } from "../../src/models/base.ts";
import { embedTokens } from "../../src/models/program.ts";
import { textQuery } from "./random-prompts.ts";
import { type GoldenTensor, relativeError } from "./tensors.ts";

export interface CachedErrors {
  /** Of the logits at every position of the first prompt. */
  readonly logits: number;
  /** Of the logits that the greedy tokens were chosen from. */
  readonly greedyLogits: number;
  /** Greedy tokens that differ. */
  readonly greedyWrong: number;
  /** How often all keys had to be made anew, as the text became too long for the frequencies they had. */
  readonly remade: number;
}

export async function cachedErrors(
  base: Base,
  golden: ReadonlyMap<string, GoldenTensor>,
): Promise<CachedErrors> {
  const { vocabSize } = base.architecture;
  const ids = golden.get("input_ids") as GoldenTensor;
  const length = ids.shape[1] as number;
  const wanted = golden.get("greedy_ids") as GoldenTensor;
  const text = Array.from(ids.data.subarray(0, length));
  const decoder = await Decoder.make(base, length + wanted.data.length);
  const found: number[] = [];
  const greedy: number[] = [];
  let greedyWrong = 0;
  for (let t = 0; t < length; t++) {
    const logits = await decoder.next(text.slice(0, t + 1));
    found.push(...logits);
    if (t === length - 1) greedy.push(...logits);
  }
  for (const [step, want] of wanted.data.entries()) {
    const latest = greedy.slice(step * vocabSize);
    const best = latest.indexOf(Math.max(...latest));
    if (best !== want) greedyWrong++;
    text.push(best);
    if (step + 1 < wanted.data.length) greedy.push(...(await decoder.next(text)));
  }
  return {
    logits: relativeError(found, (golden.get("logits") as GoldenTensor).data.subarray(0, found.length)),
    greedyLogits: relativeError(greedy, (golden.get("greedy_logits") as GoldenTensor).data),
    greedyWrong,
    remade: decoder.remade,
  };
}

class Decoder {
  remade = 0;
  private readonly base: Base;
  private readonly size: number;
  private readonly step: Program;
  private readonly cache: Float32Array[];
  private regime = "";

  private constructor(base: Base, size: number, step: Program) {
    this.base = base;
    this.size = size;
    this.step = step;
    const { layers, kvHeads, headDim } = base.architecture;
    this.cache = Array.from({ length: 2 * layers }, () => new Float32Array(kvHeads * size * headDim));
  }

  /** @param size the longest text */
  static async make(base: Base, size: number): Promise<Decoder> {
    const { architecture } = base;
    const g = new Graph();
    const inputs = declareAttentionInputs(g, architecture, { batch: 1, length: 1, past: [size] });
    const embeddings = embedTokens(g, architecture, g.input("ids", "i32", [1]));
    const { hidden, keys, values } = architecture.forward(g, embeddings, inputs);
    g.output("logits", architecture.logits(g, hidden));
    [...keys, ...values].forEach((x: Value, i) => {
      g.output(`cache.${i}`, x);
    });
    return new Decoder(base, size, await base.engine.compile(g));
  }

  /** Logits after the last token of `text`, the others being in the cache. */
  async next(text: readonly number[]): Promise<Float32Array> {
    const regime = this.base.architecture.ropes.map((rope) => rope.regime(text.length)).join();
    if (text.length > 1 && regime !== this.regime) {
      this.remade++;
      for (let t = 0; t < text.length - 1; t++) await this.run(text, t);
    }
    this.regime = regime;
    return this.run(text, text.length - 1);
  }

  /** Position `t` of a text that is as long as `text`. */
  private async run(text: readonly number[], t: number): Promise<Float32Array> {
    const { architecture } = this.base;
    const { layers, kvHeads, headDim } = architecture;
    const positions = Int32Array.from({ length: t }, (_, i) => i);
    const layout = {
      ...layOut(textQuery(Int32Array.from(text)), "none"),
      past: [{ kind: "text", origin: 0, positions } as const],
      fresh: Int32Array.of(t),
    };
    const shape = { batch: 1, length: 1, past: [this.size] };
    const feeds: Record<string, Float32Array> = {};
    for (let l = 0; l < layers; l++) {
      feeds[`past.0.key.${l}`] = this.cache[l] as Float32Array;
      feeds[`past.0.value.${l}`] = this.cache[layers + l] as Float32Array;
    }
    const outputs = await this.step.run({
      ids: Int32Array.of(text[t] as number),
      ...sightFeeds(architecture, [{ layout, row: 0, offset: 0 }], shape),
      ...feeds,
    });
    this.cache.forEach((held, i) => {
      const fresh = outputs[`cache.${i}`] as Float32Array;
      for (let h = 0; h < kvHeads; h++) {
        held.set(fresh.subarray(h * headDim, (h + 1) * headDim), (h * this.size + t) * headDim);
      }
    });
    return outputs.logits as Float32Array;
  }
}
