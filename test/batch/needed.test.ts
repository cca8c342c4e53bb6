/**
 * Less work, the same numbers: packed rows, the last layer only where it is read, constant positions forward
 * only, the vocabulary head in parts, a block that rows share fed once; each against the plain path.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Group, groupAlone, groupByShape, groupPacked } from "../../src/batch/grouping.ts";
import { KeyCache } from "../../src/batch/key-cache.ts";
import type { Layout, Query } from "../../src/batch/layout.ts";
import { Runner, type RunnerOptions } from "../../src/batch/runner.ts";
import { Engine, type HostArray } from "../../src/engine/engine.ts";
import { differentiate } from "../../src/graph/gradients.ts";
import { Graph, type Value } from "../../src/graph/graph.ts";
import { declareAttentionInputs } from "../../src/models/attention.ts";
import type { Base } from "../../src/models/base.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, type ProgramSpec } from "../../src/models/program.ts";
import { readout } from "../../src/train/tasks.ts";
import fc from "../support/properties.ts";
import { Random } from "../support/random.ts";
import { queriesAboutOne, randomQuery, randomVectors } from "../support/random-prompts.ts";
import { goldenLabels } from "../support/tag-golden.ts";
import { relativeError } from "../support/tensors.ts";
import { tinyFamilies } from "../support/tiny-families.ts";
import { randomFeeds, startTinyBase, tinyLlama, uploadRandomWeights } from "../support/tiny-llama.ts";

const WIDTH = tinyLlama.hidden_size;
const architecture = readArchitecture(tinyLlama);
const countOf = (g: Graph, op: string) => g.live().filter((n) => n.op === op).length;

describe("runners give the plain runner's numbers", () => {
  let base: Base;
  const specs: ProgramSpec[] = [];
  before(async () => {
    const real = await startTinyBase(3);
    const run: Base["run"] = (spec, ...rest) => {
      specs.push(spec);
      return real.run(spec, ...rest);
    };
    base = { ...real, run } as unknown as Base;
  });
  after(() => base.close());

  const head = { outputs: 2, weight: new Random(1).floats(2 * WIDTH), bias: Float32Array.of(0.3, -0.2) };

  /** Of texts that are to go on. */
  async function logitsAfter(runner: Runner, queries: readonly Query[]): Promise<Float32Array[]> {
    const layouts = runner.layouts(queries);
    const stored = Math.max(...layouts.map(({ past }) => past.length));
    const cache = new KeyCache(base, stored + 1);
    const lanes = layouts.map((_, i) => i);
    await cache.arrange(
      lanes.map(() => null),
      new Array(stored + 1).fill(64),
    );
    const logits = await runner.begin(layouts, cache, lanes);
    await cache.close();
    return logits.map((row) => row.slice());
  }

  /** Everything that a runner computes of the function tag, as one list. */
  async function numbersOf(queries: readonly Query[], options: RunnerOptions): Promise<HostArray[]> {
    const vectors = randomVectors(new Random(2), WIDTH);
    const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options);
    const labels = queries.map(goldenLabels);
    const weights = Float32Array.from(queries, (_, i) => 1 + (i % 3));
    const targets = new Random(5).floats(2 * queries.length);
    const hidden = await runner.hidden(queries, readout);
    const nll = await runner.nll(queries, labels);
    const text = await runner.textStep(queries, labels, weights);
    const step = await runner.headStep(queries, readout, targets, weights, head);
    const next = await logitsAfter(runner, queries);
    await runner.clear();
    return [
      hidden,
      Float32Array.from(nll.flatMap((n) => [...n])),
      Float32Array.of(text.loss, step.loss),
      text.gradients.get("F") as Float32Array,
      step.gradients.get("F") as Float32Array,
      step.predictions,
      step.hidden,
      step.headGradient,
      step.biasGradient,
      ...next,
    ];
  }

  for (const [name, cut, reuse, tokens] of [
    ["packed rows", false, "none", 128],
    ["constant positions, whole prompts", true, "none", 24],
    ["constant text between stored spans", true, "spans", 64],
    ["stored prefixes", true, "prefix", 64],
  ] as const) {
    test(name, async (t) => {
      let worst = 0;
      const lean: ProgramSpec[] = [];
      for (let seed = 0; seed < 3; seed++) {
        const random = new Random(100 + seed);
        const queries = Array.from({ length: 6 }, () => randomQuery(random, 16, seed !== 2, cut));
        specs.length = 0;
        const plain = await numbersOf(queries, { reuse: "none", tokens, plain: true });
        assert.ok(specs.every((s) => s.tail === undefined && s.constant === undefined));
        specs.length = 0;
        const less = await numbersOf(queries, { reuse, tokens });
        lean.push(...specs);
        plain.forEach((expected, i) => {
          const error = relativeError(less[i] as Float32Array, expected as Float32Array);
          assert.ok(error < 1e-5, `seed ${seed}, number ${i}: ${error}`);
          worst = Math.max(worst, error);
        });
      }
      assert.ok(
        lean.some((s) => s.tail),
        "the last layer is run where it is read",
      );
      assert.ok(!cut || reuse === "prefix" || lean.some((s) => s.constant), "something is constant");
      assert.ok(cut || lean.every((s) => s.length >= 64), "rows are packed");
      t.diagnostic(`largest difference ${worst.toExponential(1)}`);
    });
  }

  for (const reuse of ["spans", "prefix"] as const) {
    test(`a span that all rows have in common is fed once, ${reuse}`, async (t) => {
      let worst = 0;
      for (const seed of [0, 1, 2]) {
        const queries = queriesAboutOne(new Random(200 + seed), 16, 9);
        const plain = await numbersOf(queries, { reuse: "none", tokens: 96, plain: true });
        specs.length = 0;
        const less = await numbersOf(queries, { reuse, tokens: 96, sharedOnly: true });
        const stored = specs.filter(({ result }) => result.kind !== "keys");
        assert.ok(
          stored.some(({ shared }) => shared?.[0]),
          "rows share the long span",
        );
        assert.ok(
          stored.every(({ past }) => (reuse === "spans" ? past.length === 2 : past.length >= 2)),
          "the other spans are stored too, and with prefixes the text",
        );
        plain.forEach((expected, i) => {
          const error = relativeError(less[i] as Float32Array, expected as Float32Array);
          assert.ok(error < 1e-5, `seed ${seed}, number ${i}: ${error}`);
          worst = Math.max(worst, error);
        });
      }
      t.diagnostic(`largest difference ${worst.toExponential(1)}`);
    });
  }

  test("spans are stored where one of a prompt's is used again, or run in their place", async () => {
    const random = new Random(9);
    const vectors = randomVectors(new Random(2), WIDTH);
    const options = { reuse: "spans", sharedOnly: true, tokens: 96 } as const;
    const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options);
    const about = [...queriesAboutOne(random, 16, 3), ...queriesAboutOne(random, 16, 1)];
    assert.deepEqual(
      runner.layouts(about).map(({ past }) => past.length),
      [2, 2, 2, 0],
    );
    const all = new Runner(base, (tag) => vectors.get(tag) as Float32Array, {
      ...options,
      sharedOnly: false,
    });
    assert.ok(all.layouts(about).every(({ past }) => past.length === 2));
  });

  test("a stored prefix may end within a tag", async () => {
    const random = new Random(8);
    const queries = Array.from({ length: 6 }, () => randomQuery(random, 16, true, true)).map((query) => ({
      ...query,
      cut: query.prompt.readout as number,
    }));
    const vectors = randomVectors(new Random(2), WIDTH);
    const numbers = async (options: RunnerOptions): Promise<Float32Array> => {
      const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, options);
      const hidden = await runner.hidden(queries, readout);
      await runner.clear();
      return hidden;
    };
    const plain = await numbers({ reuse: "none", tokens: 64, plain: true });
    assert.ok(relativeError(await numbers({ reuse: "prefix", tokens: 64 }), plain) < 1e-5);
  });

  test("logits in parts of any size give the loss and gradient of whole logits", async (t) => {
    const spec = { batch: 2, length: 7, past: [], slots: 3, reads: 9 } as const;
    const text = { ...spec, result: { kind: "text", train: true } } as const;
    const feeds = randomFeeds(architecture, buildProgram(architecture, text), text, 4);
    const whole = await (await base.engine.compile(wholeLogits(spec))).run(feeds);
    let worst = 0;
    for (const chunk of [1, 2, 4, 9, undefined]) {
      const g = buildProgram(architecture, { ...text, ...(chunk && { chunk }) });
      assert.equal(countOf(g, "ScatterElements"), Math.ceil(9 / (chunk ?? 9)));
      const parts = await (await base.engine.compile(g)).run(feeds);
      for (const [name, expected] of Object.entries(whole)) {
        const error = relativeError(parts[name] as Float32Array, expected as Float32Array);
        assert.ok(error < 1e-6, `${name} in parts of ${chunk}: ${error}`);
        worst = Math.max(worst, error);
      }
    }
    t.diagnostic(`largest difference ${worst.toExponential(1)}`);
  });

  test("nothing that is computed behind the gradient of a part reads its logits", () => {
    const spec = { batch: 2, length: 7, past: [], slots: 3, reads: 9, chunk: 3 } as const;
    const g = buildProgram(architecture, { ...spec, result: { kind: "text", train: true } });
    const before = new Set<Value>([g.outputs.get("grad.vectors") as Value]);
    for (const { inputs, outputs } of g.live().reverse())
      if (outputs.some((o) => before.has(o))) for (const v of inputs) before.add(v);
    const wide = (v: Value) => v.kind === "computed" && v.shape.at(-1) === tinyLlama.vocab_size;
    const readers = g.live().filter(({ inputs }) => inputs.some(wide));
    assert.ok(readers.length >= 3 * 5);
    for (const { op, outputs } of readers) assert.ok(before.has(outputs[0] as Value), op);
  });
});

describe("positions that attend in parts, each to the keys up to its own end, give the numbers of all at once", () => {
  for (const [type, sizes] of Object.entries(tinyFamilies)) {
    test(type, async (t) => {
      const family = readArchitecture({ model_type: type, ...sizes });
      const engine = await Engine.start({ threads: 1 });
      t.after(() => engine.close());
      await uploadRandomWeights(engine, family, 6);
      let worst = 0;
      for (const own of [{}, { past: [3] }, { constant: { length: 4, trained: 2 } }]) {
        const shape = { batch: 2, length: 11, past: [], slots: 3, reads: 4, ...own };
        const spec: ProgramSpec = { ...shape, result: { kind: "text", train: true } };
        const feeds = randomFeeds(family, buildProgram(family, spec), spec, 7);
        // Rows of what runs backward too: 2 x 7.
        if (spec.constant) {
          feeds.trained = BigInt64Array.of(1n, 9n);
          feeds.reads = BigInt64Array.of(0n, 5n, 8n, 13n);
        }
        const whole = await (await engine.compile(buildProgram(family, spec))).run(feeds);
        for (const together of [1, 4, 10, 11]) {
          const g = buildProgram(family, { ...spec, together });
          const parts = await (await engine.compile(g)).run(feeds);
          for (const [name, expected] of Object.entries(whole)) {
            const error = relativeError(parts[name] as Float32Array, expected as Float32Array);
            assert.ok(error < 1e-5, `${name}, ${together} together: ${error}`);
            worst = Math.max(worst, error);
          }
        }
      }
      t.diagnostic(`largest difference ${worst.toExponential(1)}`);
    });
  }
});

describe("a stored block that all rows share gives the numbers of a copy for each row", () => {
  for (const [type, sizes] of Object.entries(tinyFamilies)) {
    test(type, async (t) => {
      const family = readArchitecture({ model_type: type, ...sizes });
      const engine = await Engine.start({ threads: 1 });
      t.after(() => engine.close());
      await uploadRandomWeights(engine, family, 6);
      const shape = { batch: 3, length: 5, past: [4, 3], slots: 3, reads: 3 };
      const lastOfRows = { tail: BigInt64Array.of(4n, 9n, 14n), reads: BigInt64Array.of(0n, 1n, 2n) };
      let worst = 0;
      for (const own of [{}, { together: 2 }, { tail: 1 }]) {
        for (const shared of [
          [true, false],
          [false, true],
          [true, true],
        ]) {
          const spec: ProgramSpec = { ...shape, ...own, shared, result: { kind: "text", train: true } };
          const g = buildProgram(family, spec);
          const once = randomFeeds(family, g, spec, 8);
          if (spec.tail) Object.assign(once, lastOfRows);
          const { shared: _shared, ...apart } = spec;
          const copies: Record<string, HostArray> = { ...once };
          for (const [name, values] of Object.entries(once)) {
            const block = /^past\.(\d)\.(key|value)/.exec(name);
            if (!block || !shared[Number(block[1])]) continue;
            const rows = new Float32Array(3 * values.length);
            for (let row = 0; row < 3; row++) rows.set(values as Float32Array, row * values.length);
            copies[name] = rows;
          }
          const whole = await (await engine.compile(buildProgram(family, apart))).run(copies);
          const outputs = await (await engine.compile(g)).run(once);
          for (const [name, expected] of Object.entries(whole)) {
            const error = relativeError(outputs[name] as Float32Array, expected as Float32Array);
            assert.ok(error < 1e-5, `${name}, ${JSON.stringify(own)}, shared ${shared}: ${error}`);
            worst = Math.max(worst, error);
          }
        }
      }
      t.diagnostic(`largest difference ${worst.toExponential(1)}`);
    });
  }
});

/** The same loss with all logits at once, differentiated as it stands. */
function wholeLogits({ batch, length, slots, reads }: Omit<ProgramSpec, "result">): Graph {
  const g = new Graph();
  const { hiddenSize, vocabSize } = architecture;
  const vectors = g.input("vectors", "f32", [slots, hiddenSize]);
  const table = g.weight(architecture.embedding, [vocabSize, hiddenSize]);
  const tokens = g.one("Gather", [table, g.input("ids", "i32", [batch * length])]);
  const embeddings = g.one("ScatterND", [tokens, g.input("slots", "i64", [slots, 1]), vectors]);
  const inputs = declareAttentionInputs(g, architecture, { batch, length, past: [] });
  const { hidden } = architecture.forward(g, embeddings, inputs);
  const rows = g.one("Gather", [hidden, g.input("reads", "i64", [reads])]);
  const logp = g.one("LogSoftmax", [architecture.logits(g, rows)]);
  const picked = g.one("GatherElements", [logp, g.input("labels", "i64", [reads, 1])], { axis: 1 });
  const nll = g.one("Neg", [picked]);
  const weighted = g.one("Mul", [nll, g.input("weights", "f32", [reads, 1])]);
  const loss = g.one("ReduceSum", [weighted], { axes: [0, 1] });
  g.output("nll", g.one("Reshape", [nll], { shape: [reads] }));
  g.output("loss", loss);
  g.output("grad.vectors", differentiate(g, loss, [vectors])[0] as Value);
  return g;
}

describe("what is not needed is not emitted", () => {
  const shape = { batch: 2, length: 6, past: [], slots: 2 } as const;
  const { layers } = architecture;

  test("keys and values need neither attention nor MLP of the last layer", () => {
    const g = buildProgram(architecture, { ...shape, reads: 0, result: { kind: "keys" } });
    assert.equal(countOf(g, "Attend"), layers - 1);
    assert.equal(countOf(g, "Gemm"), 7 * (layers - 1) + 2);
    assert.equal(countOf(g, "SimplifiedLayerNormalization"), 2 * (layers - 1) + 1);
  });

  test("with a tail every product of the last layer but those of keys and values has its rows", () => {
    const spec = { ...shape, reads: 2, tail: 1, result: { kind: "hidden" } } as const;
    const rows = (op: string, axis: number) =>
      buildProgram(architecture, spec)
        .live()
        .filter((n) => n.op === op && n.outputs[0]?.shape.at(axis) === 2).length;
    assert.equal(rows("Gemm", 0), 5, "q, o, gate, up, down");
    assert.equal(rows("SimplifiedLayerNormalization", 0), 2);
  });

  test("nothing is sent back through constant positions", () => {
    const g = buildProgram(architecture, {
      ...shape,
      reads: 2,
      constant: { length: 4, trained: 1 },
      result: { kind: "text", train: true },
    });
    const backward = g.live().filter((n) => n.op === "Gemm" && !n.attributes.transB);
    assert.equal(backward.length, 7 * layers + 1);
    for (const n of backward)
      assert.ok((n.inputs[0]?.shape[0] as number) <= 2 * 2, "rows of fresh positions");
  });
});

describe("packing", () => {
  const layoutOf = (length: number): Layout => ({
    query: { prompt: { ids: new Int32Array(length) }, isolate: false, cut: 0 } as unknown as Query,
    past: [],
    fresh: Int32Array.from({ length }, (_, i) => i),
    whole: { start: 0, length },
  });
  const nameless = () => assert.fail("nothing is stored");
  const waste = (groups: readonly Group[], lengths: readonly number[]) =>
    1 - lengths.reduce((n, l) => n + l, 0) / groups.reduce((n, g) => n + g.batch * g.length, 0);

  test("every prompt stands in one row, and no row overflows", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(lengths, fc.constantFrom(1, 64, 512, 1024), (all, tokens) => {
        const groups = groupPacked(all.map(layoutOf), tokens, nameless, architecture);
        const placed = groups.flatMap(({ rows }) => rows.flat()).sort((a, b) => a - b);
        assert.deepEqual(placed, [...all.keys()]);
        for (const { rows, batch, length } of groups) {
          assert.ok(rows.length <= batch);
          for (const row of rows) assert.ok(row.reduce((n, i) => n + (all[i] as number), 0) <= length);
        }
      }),
    );
  });

  test("more rows of one shape than a call may have arguments", () => {
    const block = { kind: "span", origin: 0, positions: new Int32Array(5) } as const;
    for (const past of [[], [block]]) {
      const layouts = new Array<Layout>(200_000).fill({ ...layoutOf(20), past });
      const groups = groupByShape(layouts, 2048, () => "span");
      assert.equal(groups.flatMap(({ rows }) => rows).length, layouts.length);
      assert.ok(groups.every(({ length }) => length === 32));
    }
  });

  test("less than a tenth is padding where there is enough to pack", (t) => {
    for (let seed = 0; seed < 5; seed++) {
      const random = new Random(seed);
      const lengths = Array.from({ length: 200 }, () => random.int(20, 200));
      const layouts = lengths.map(layoutOf);
      const [packed, apart] = [
        groupPacked(layouts, 512, nameless, architecture),
        groupAlone(layouts, 512, nameless),
      ];
      assert.ok(waste(packed, lengths) < 0.1, String(waste(packed, lengths)));
      const percent = (groups: readonly Group[]) => (100 * waste(groups, lengths)).toFixed(1);
      t.diagnostic(`padding ${percent(packed)} %, a row for each prompt ${percent(apart)} %`);
    }
  });

  test("blocks that are stored in shapes of their own are padded more: once, where prompts are read often", (t) => {
    for (const [least, most] of [
      [20, 100],
      [100, 1000],
    ] as const) {
      const random = new Random(least);
      const lengths = Array.from({ length: 400 }, () => random.int(least, most));
      const wasted = waste(groupByShape(lengths.map(layoutOf), 512, nameless), lengths);
      t.diagnostic(`padding ${(100 * wasted).toFixed(1)} % with ${least} to ${most} tokens`);
      assert.ok(wasted < 0.15, String(wasted));
    }
  });
});
