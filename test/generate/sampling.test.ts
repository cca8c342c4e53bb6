/** Logits processors and beam search against PyTorch (test/golden/make/generate.py). */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { BeamWriter } from "../../src/generate/beams.ts";
import { chooser, penaliseRepetition, softmax, warp } from "../../src/generate/sampling.ts";
import { Random } from "../support/random.ts";

const golden = JSON.parse(await readFile(new URL("../golden/generate.json", import.meta.url), "utf8"));

describe("what is done to logits is what Hugging Face's formulas say", () => {
  for (const { logits, seen, scores, ...sampling } of golden.processors) {
    test(JSON.stringify(sampling), () => {
      const penalised = penaliseRepetition(Float32Array.from(logits), seen, sampling.repetitionPenalty);
      const found = [...warp(penalised, sampling)];
      assert.deepEqual(
        found.map((x) => x === Number.NEGATIVE_INFINITY),
        scores.map((x: number | null) => x === null),
      );
      found.forEach((x, i) => {
        if (scores[i] !== null) assert.ok(Math.abs(x - scores[i]) < 1e-5, `${i}: ${x} for ${scores[i]}`);
      });
    });
  }
});

test("draws have the probabilities that the scores say", () => {
  const logits = new Random(1).floats(6, -2, 2);
  const sampling = { temperature: 0.7, topK: 4, topP: 1, minP: 0, repetitionPenalty: 1 };
  const expected = softmax(warp(logits, sampling));
  const choose = chooser(sampling, 5);
  const counts = new Float64Array(6);
  const draws = 20_000;
  for (let i = 0; i < draws; i++) {
    const id = choose(logits, new Set());
    counts[id] = (counts[id] as number) + 1;
  }
  expected.forEach((p, id) => {
    const spread = Math.sqrt((p * (1 - p)) / draws);
    assert.ok(Math.abs((counts[id] as number) / draws - p) <= 4 * spread, `token ${id}`);
  });
});

test("the first draws of seeds side by side are as even as any, by themselves and beside each other", () => {
  const [tokens, seeds] = [5, 1000];
  const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
  const even = new Float32Array(tokens);
  const draws = Array.from({ length: seeds }, (_, seed) => {
    const choose = chooser(sampling, seed);
    return [choose(even, new Set()), choose(even, new Set())] as const;
  });
  const first = draws.map(([id]) => id);
  const second = draws.map(([, id]) => id);
  const pairs = (a: number[], b: number[]) => a.map((id, i) => id * tokens + (b[i] as number));
  const cases = [
    ["first draws", first, tokens, 18.5],
    ["second draws", second, tokens, 18.5],
    ["both draws of a seed", pairs(first, second), tokens ** 2, 51.2],
    ["first draws of neighbours", pairs(first, [...first.slice(1), first[0] as number]), tokens ** 2, 51.2],
  ] as const;
  for (const [name, values, kinds, limit] of cases) {
    const expected = seeds / kinds;
    const counts = new Float64Array(kinds);
    for (const value of values) counts[value] = (counts[value] as number) + 1;
    const chiSquare = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    assert.ok(chiSquare < limit, `${name}: ${chiSquare}`); // p = 0.001
  }
});

interface Search {
  setting: {
    beams: number;
    lengthPenalty: number;
    earlyStopping: boolean | "never";
    maxTokens: number;
    repetitionPenalty: number;
  };
  eos: number[];
  prompt: number[];
  table: number[];
  depths: number;
  vocab: number;
  ids: number[];
  score: number;
}

/** Runs a writer on a made-up language model: logits after a token, by the depth at which it stands. */
function search({ setting, eos, prompt, table, depths, vocab }: Omit<Search, "ids" | "score">): BeamWriter {
  const ends = { maxTokens: setting.maxTokens, eos: new Set(eos), room: 1000 };
  const writer = new BeamWriter(prompt, setting, ends);
  const after = (depth: number, id: number) => {
    const at = ((depth % depths) * vocab + id) * vocab;
    return Float32Array.from(table.slice(at, at + vocab));
  };
  let next = writer.advance([after(0, prompt.at(-1) as number)]);
  for (let depth = 1; next.length; depth++) next = writer.advance(next.map(({ id }) => after(depth, id)));
  return writer;
}

describe("beam search finds what Hugging Face's finds", () => {
  for (const [i, given] of (golden.searches as Search[]).entries()) {
    test(`${i}: ${JSON.stringify({ ...given.setting, eos: given.eos })}`, () => {
      const writer = search(given);
      assert.deepEqual(writer.ids, given.ids);
      assert.ok(Math.abs(writer.score - given.score) < 1e-4, `${writer.score} for ${given.score}`);
    });
  }
});

test("as many beams as there are texts find the likeliest of all texts", () => {
  const [vocab, length] = [4, 3];
  const random = new Random(9);
  for (let round = 0; round < 10; round++) {
    const table = [...random.floats(length * vocab * vocab, -2, 2)];
    const model = { table, depths: length, vocab, prompt: [0], eos: [] };
    const setting = {
      beams: vocab ** length,
      lengthPenalty: 0,
      earlyStopping: "never",
      repetitionPenalty: 1,
    } as const;
    const found = search({ ...model, setting: { ...setting, maxTokens: length } });
    let best = { ids: [] as number[], score: Number.NEGATIVE_INFINITY };
    const walk = (ids: number[], score: number) => {
      if (ids.length === length) {
        if (score > best.score) best = { ids, score };
        return;
      }
      const at = (ids.length * vocab + (ids.at(-1) ?? 0)) * vocab;
      softmax(Float32Array.from(table.slice(at, at + vocab))).forEach((p, id) => {
        walk([...ids, id], score + Math.log(p));
      });
    };
    walk([], 0);
    assert.deepEqual(found.ids, best.ids);
    assert.ok(Math.abs(found.score - best.score) < 1e-5);
  }
});

test("a temperature near 0 draws the likeliest token", () => {
  const sampling = { temperature: 1e-38, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
  const logits = Float32Array.of(3, 40, 39.9, -5);
  for (let seed = 0; seed < 5; seed++) assert.equal(chooser(sampling, seed)(logits, new Set()), 1);
});
