/** Batches of prompts against PyTorch, against each other, and against the same prompts one by one. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Query, Reuse } from "../../src/batch/layout.ts";
import { type HeadStep, Runner, type TextStep } from "../../src/batch/runner.ts";
import type { Base } from "../../src/models/base.ts";
import { Base as RealBase } from "../../src/models/base.ts";
import { readout } from "../../src/train/tasks.ts";
import { checkTags, polyglotFolder, tagFiles } from "../support/goldens.ts";
import { assertWithin } from "../support/model-tests.ts";
import { Random } from "../support/random.ts";
import { randomQuery, randomVectors } from "../support/random-prompts.ts";
import { goldenLabels, goldenPath, tagNumbers } from "../support/tag-golden.ts";
import { readGolden, relativeError } from "../support/tensors.ts";
import { startTinyBase } from "../support/tiny-llama.ts";

describe("tag vectors and head equal PyTorch", () => {
  let base: Base;
  before(async () => {
    base = await RealBase.load(polyglotFolder);
  });
  after(() => base.close());

  for (const file of tagFiles) {
    test(file, async (t) => {
      const checked = await checkTags(base, file);
      assertWithin(checked);
      const worst = checked.reduce((a, b) => (b.error > a.error ? b : a));
      t.diagnostic(`${checked.length} numbers, worst ${worst.name} ${worst.error.toExponential(1)}`);
    });
  }

  test("any budget and any order give the same, summed over micro-batches of unequal lengths", async (t) => {
    const golden = await readGolden(goldenPath("tags-p10-isolated"));
    const whole = await tagNumbers(base, golden, { reuse: "none", tokens: 4096 });
    let worst = 0;
    for (const [tokens, order] of [
      [1, [0, 1, 2, 3]],
      [150, [3, 1, 0, 2]],
      [4096, [2, 3, 1, 0]],
    ] as const) {
      const split = await tagNumbers(base, golden, { reuse: "none", tokens, order });
      for (const [name, expected] of whole) {
        const error = relativeError(split.get(name) as Float32Array, expected);
        assert.ok(error < 1e-5, `${name} with ${tokens} tokens a run: ${error}`);
        worst = Math.max(worst, error);
      }
    }
    t.diagnostic(`largest difference ${worst.toExponential(1)}`);
  });
});

describe("random prompts on a tiny model", () => {
  let base: Base;
  before(async () => {
    base = await startTinyBase(3);
  });
  after(() => base.close());

  const width = 8;
  const head = { outputs: 2, weight: new Random(1).floats(2 * width), bias: Float32Array.of(0.3, -0.2) };
  const queriesOf = (seed: number, count: number, isolate = true, cut = true): Query[] => {
    const random = new Random(seed);
    return Array.from({ length: count }, () => randomQuery(random, 16, isolate, cut));
  };
  const runnerOf = (reuse: Reuse, tokens: number) => {
    const vectors = randomVectors(new Random(2), width);
    return new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse, tokens });
  };

  interface Numbers {
    hidden: Float32Array;
    nll: Float32Array[];
    text: TextStep;
    head: HeadStep;
  }
  const numbersOf = async (runner: Runner, queries: readonly Query[]): Promise<Numbers> => {
    const labels = queries.map(goldenLabels);
    const weights = Float32Array.from(queries, (_, i) => 1 + i);
    const targets = new Random(5).floats(2 * queries.length);
    const numbers = {
      hidden: await runner.hidden(queries, readout),
      nll: await runner.nll(queries, labels),
      text: await runner.textStep(queries, labels, weights),
      head: await runner.headStep(queries, readout, targets, weights, head),
    };
    await runner.clear();
    return numbers;
  };
  const difference = (a: Numbers, b: Numbers, tags: readonly string[]): number => {
    const pairs: [ArrayLike<number>, ArrayLike<number>][] = [
      [a.hidden, b.hidden],
      [a.nll.flatMap((n) => [...n]), b.nll.flatMap((n) => [...n])],
      [[a.text.loss], [b.text.loss]],
      [[a.head.loss], [b.head.loss]],
      [a.head.predictions, b.head.predictions],
      [a.head.headGradient, b.head.headGradient],
      [a.head.biasGradient, b.head.biasGradient],
    ];
    for (const tag of tags) {
      for (const step of ["text", "head"] as const) {
        const [x, y] = [a[step].gradients.get(tag), b[step].gradients.get(tag)];
        assert.equal(x === undefined, y === undefined, `${tag} has a gradient in one only`);
        if (x && y) pairs.push([x, y]);
      }
    }
    return Math.max(...pairs.map(([x, y]) => relativeError(x, y)));
  };

  test("stored spans and prefixes give the numbers of whole prompts", async (t) => {
    let worst = 0;
    for (let seed = 0; seed < 8; seed++) {
      const queries = queriesOf(seed, 5, seed % 4 !== 3);
      const plain = await numbersOf(runnerOf("none", 200), queries);
      for (const reuse of ["spans", "prefix"] as const) {
        const error = difference(await numbersOf(runnerOf(reuse, 200), queries), plain, ["F"]);
        assert.ok(error < 1e-5, `${reuse}, seed ${seed}: ${error}`);
        worst = Math.max(worst, error);
      }
    }
    t.diagnostic(`largest difference ${worst.toExponential(1)}`);
  });

  test("centred errors count less the mean of all prompts, however many runs they take", async (t) => {
    const queries = queriesOf(21, 7, true, false);
    const targets = new Random(5).floats(2 * queries.length);
    const weights = Float32Array.from(queries, (_, i) => 1 + i);
    const step = (tokens: number) =>
      runnerOf("none", tokens).headStep(queries, readout, targets, weights, head, true);
    const [together, alone] = [await step(4096), await step(1)];
    const numbers = ({ loss, predictions, headGradient, gradients }: HeadStep) => [
      [loss],
      predictions,
      headGradient,
      ...["A", "B", "F"].map((tag) => gradients.get(tag) as Float32Array),
    ];
    const expected = numbers(together);
    const errors = numbers(alone).map((own, i) => relativeError(own, expected[i] as ArrayLike<number>));
    const error = Math.max(...errors);
    assert.ok(error < 1e-5, String(errors));
    assert.ok(alone.loss > 0.1, `a loss of ${alone.loss}`);
    t.diagnostic(`largest difference ${error.toExponential(1)}`);
  });

  test("a batch equals its prompts run one by one: neither padding nor neighbours matter", async (t) => {
    const queries = queriesOf(20, 7, true, false);
    const together = await numbersOf(runnerOf("none", 4096), queries);
    const alone = await numbersOf(runnerOf("none", 1), queries);
    const error = difference(together, alone, ["A", "B", "F"]);
    assert.ok(error < 1e-5, String(error));
    t.diagnostic(`largest difference ${error.toExponential(1)}`);
  });

  test("results come back in the caller's order", async () => {
    const queries = queriesOf(21, 9, true, false);
    const order = new Random(4).shuffled(queries.map((_, i) => i));
    const runner = runnerOf("none", 64);
    const straight = await runner.hidden(queries, readout);
    const shuffled = await runner.hidden(
      order.map((i) => queries[i] as Query),
      readout,
    );
    order.forEach((i, at) => {
      const [a, b] = [
        shuffled.subarray(at * width, (at + 1) * width),
        straight.subarray(i * width, (i + 1) * width),
      ];
      assert.ok(relativeError(a, b) < 1e-5);
    });
  });

  test("weights count per prompt: the loss and gradient are the weighted sums", async () => {
    const queries = queriesOf(22, 4, true, false);
    const labels = queries.map(goldenLabels);
    const runner = runnerOf("none", 4096);
    const only = await Promise.all(
      queries.map((_, i) =>
        runner.textStep(
          queries,
          labels,
          queries.map((__, k) => +(k === i)),
        ),
      ),
    );
    const weights = [0.5, 2, 0, -1];
    const all = await runner.textStep(queries, labels, weights);
    const weighted = (value: (s: TextStep) => number) =>
      only.reduce((n, s, i) => n + (weights[i] as number) * value(s), 0);
    assert.ok(Math.abs(all.loss - weighted((s) => s.loss)) < 1e-5);
    const gradient = all.gradients.get("F") as Float32Array;
    gradient.forEach((x, k) => {
      assert.ok(Math.abs(x - weighted((s) => s.gradients.get("F")?.[k] as number)) < 1e-5);
    });
  });

  test("a span that several prompts share is stored once, and clear forgets all", async () => {
    const shared = queriesOf(30, 9).find(({ prompt }) => prompt.spans.some((s) => s.isolate)) as Query;
    const twice = [shared, { ...shared, prompt: { ...shared.prompt } }];
    const runner = runnerOf("spans", 4096);
    await runner.hidden([shared], readout);
    const { residents, residentBytes } = await base.engine.stats();
    assert.ok(residents > 0 && residentBytes > 0);
    await runner.hidden(twice, readout);
    assert.equal((await base.engine.stats()).residents, residents);
    await runner.clear();
    assert.equal((await base.engine.stats()).residents, 0);
  });

  test("prompts without tags, labels or neighbours are run too", async () => {
    const bare: Query = {
      prompt: {
        ids: Int32Array.of(1, 2, 3),
        slots: [],
        spans: [],
        pieces: [],
        readout: 2,
        target: null,
        trimmed: [],
      },
      isolate: true,
      cut: 0,
    };
    const runner = runnerOf("prefix", 64);
    assert.ok((await runner.hidden([bare], readout)).every(Number.isFinite));
    assert.deepEqual(
      (await runner.nll([bare], [[]])).map((n) => n.length),
      [0],
    );
    const label = { position: 1, id: 2 };
    const step = await runner.textStep([bare], [[label]], [1]);
    const [nll] = await runner.nll([bare], [[label]]);
    assert.equal(step.loss, nll?.[0]);
    assert.equal(step.gradients.size, 0);
    assert.deepEqual(await runner.hidden([], readout), new Float32Array(0));
  });

  test("an interrupted runner starts nothing more", async () => {
    const controller = new AbortController();
    const options = { reuse: "none", tokens: 64, signal: controller.signal } as const;
    const vectors = randomVectors(new Random(2), width);
    const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options);
    const queries = queriesOf(40, 12);
    const running = runner.hidden(queries, readout);
    controller.abort();
    await assert.rejects(running, { code: "aborted" });
  });
});
