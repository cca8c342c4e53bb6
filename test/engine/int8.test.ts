/** Frozen products in 8-bit integers against f32: gradients point the same way, losses agree, rows keep apart. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Query, Reuse } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { Engine } from "../../src/engine/engine.ts";
import { integerMatrix } from "../../src/engine/int8.ts";
import { Graph } from "../../src/graph/graph.ts";
import { integerWeight, quantise } from "../../src/graph/quantise.ts";
import { Base } from "../../src/models/base.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, isRounded, type Result } from "../../src/models/program.ts";
import { readout } from "../../src/train/tasks.ts";
import { polyglotFolder } from "../support/goldens.ts";
import fc from "../support/properties.ts";
import { Random } from "../support/random.ts";
import { randomQuery, randomVectors } from "../support/random-prompts.ts";
import { goldenLabels } from "../support/tag-golden.ts";
import { relativeError } from "../support/tensors.ts";
import { tinyFamilies } from "../support/tiny-families.ts";

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((x, i) => {
    const y = b[i] as number;
    [ab, aa, bb] = [ab + x * y, aa + x * x, bb + y * y];
  });
  return ab / Math.sqrt(aa * bb);
}

test("weights are rounded to half a step of their column", () => {
  for (const direction of ["forward", "backward"] as const) {
    const [out, into] = [65, 130];
    const weight = new Random(6).floats(out * into);
    const { values, scale } = integerMatrix(weight, [out, into], direction);
    weight.forEach((w, at) => {
      const [o, i] = [Math.floor(at / into), at % into];
      const [place, column] = direction === "forward" ? [i * out + o, o] : [at, i];
      assert.equal(values[place], Math.round(w / (scale[column] as number)) + 0);
    });
  }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(),
      (out, into, seed) => {
        const weight = new Random(seed).floats(out * into);
        for (const direction of ["forward", "backward"] as const) {
          const { values, scale } = integerMatrix(weight, [out, into], direction);
          weight.forEach((w, at) => {
            const [o, i] = [Math.floor(at / into), at % into];
            const [place, column] = direction === "forward" ? [i * out + o, o] : [at, i];
            const step = scale[column] as number;
            assert.ok(Math.abs((values[place] as number) * step - w) <= step * 0.5001);
          });
        }
      },
    ),
  );
});

describe("products in both directions", () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.start({ precision: "int8", threads: 1 });
  });
  after(() => engine.close());

  test("are those of f32 up to rounding, and a row is the same beside rows a thousand times larger", async () => {
    const [out, into, rows] = [24, 40, 3];
    const random = new Random(1);
    const weight = random.floats(out * into);
    await engine.upload("w", [out, into], weight.slice());
    for (const transB of [1, 0]) {
      const [inner, columns] = transB ? [into, out] : [out, into];
      const g = new Graph();
      const x = g.input("x", "f32", [rows, inner]);
      g.output("y", g.one("Gemm", [x, g.weight("w", [out, into])], transB ? { transB } : {}));
      const program = await engine.compile(g);
      const values = random.floats(rows * inner);
      const run = async (feed: Float32Array) => (await program.run({ x: feed })).y as Float32Array;
      const y = await run(values);
      const exact = Float32Array.from({ length: rows * columns }, (_, at) => {
        const [r, c] = [Math.floor(at / columns), at % columns];
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          const w = weight[transB ? c * into + k : k * into + c] as number;
          sum += (values[r * inner + k] as number) * w;
        }
        return sum;
      });
      assert.ok(relativeError(y, exact) < 0.02);
      const louder = await run(values.map((v, i) => (i < inner ? v : v * 1000)));
      assert.deepEqual(louder.subarray(0, columns), y.subarray(0, columns));
      const silent = await run(values.map((v, i) => (i < inner ? v : 0)));
      assert.deepEqual(silent.subarray(0, columns), y.subarray(0, columns));
      assert.ok(silent.subarray(columns).every((v) => v === 0));
    }
  });
});

/** All families, and what some of their checkpoints have besides. */
const families = [
  ...Object.entries(tinyFamilies),
  ["gemma3_text", { ...tinyFamilies.gemma3_text, final_logit_softcapping: 30 }],
  ["llama", { ...tinyFamilies.llama, hidden_act: "gelu" }],
] as const;

test("every family: what outliers would drown stays exact, at the vocabulary head and around the gate", () => {
  for (const [type, sizes] of families) {
    const family = readArchitecture({ model_type: type, ...sizes });
    const train = { kind: "text", train: true } as const;
    const head = { kind: "head", outputs: 1, centred: false } as const;
    for (const [result, past] of [
      [train, []],
      [train, [16]],
      [head, []],
    ] as const) {
      const spec = { batch: 2, length: 5, past, slots: 2, reads: 2, result };
      const inputs = [...quantise(buildProgram(family, spec)).inputs.keys()];
      const rounded = new Set(
        inputs.map(integerWeight).flatMap((w) => (w ? `${w.direction} ${w.name}` : [])),
      );
      const drowned = [...rounded].filter((product) =>
        /^forward .*down_proj|^backward .*(gate|up)_proj/.test(product),
      );
      assert.deepEqual(drowned, [], type);
      assert.ok(!rounded.has(`backward ${family.vocabularyHead}`), `${type}: behind the vocabulary head`);
      assert.equal(rounded.has(`forward ${family.vocabularyHead}`), result.kind === "text", type);
    }
  }
});

test("every family: training on whole texts has integer products both ways, all else none", () => {
  for (const [type, sizes] of Object.entries(tinyFamilies)) {
    const family = readArchitecture({ model_type: type, ...sizes });
    const layer = family.layers > 2 ? 1 : 0;
    const ofLayer = (names: readonly string[]) =>
      new Set(names.filter((name) => RegExp(`(?:layers|h)\\.${layer}\\.`).test(name))).size;
    const matrices = [...family.tensors].filter(
      ([name, shape]) => shape.length === 2 && !name.includes("norm"),
    );
    const all = ofLayer(matrices.map(([name]) => name));
    const train = { kind: "text", train: true } as const;
    const spec = { batch: 2, length: 5, past: [], slots: 2, reads: 2, result: train };
    const inputs = [...quantise(buildProgram(family, spec)).inputs.keys()];
    const rounded = inputs.flatMap((name) => integerWeight(name) ?? []);
    for (const [direction, exact] of [
      ["forward", 1],
      ["backward", 2],
    ] as const) {
      const names = rounded.filter((w) => w.direction === direction).map(({ name }) => name);
      assert.ok(ofLayer(names) >= all - exact, `${type}, ${direction}: all but what is around a gate`);
    }
    assert.ok(isRounded(spec));
    const others: Result[] = [
      { kind: "head", outputs: 1, centred: false },
      { kind: "keys" },
      { kind: "hidden" },
      { kind: "logits" },
      { kind: "text", train: false },
    ];
    for (const result of others) assert.ok(!isRounded({ ...spec, result }), result.kind);
    assert.ok(!isRounded({ ...spec, past: [16] }), "on stored text");
  }
});

describe("a step of polyglot-5m", () => {
  const bases: Record<"f32" | "int8", Base> = {} as never;
  before(async () => {
    for (const precision of ["f32", "int8"] as const)
      bases[precision] = await Base.load(polyglotFolder, { precision });
  });
  after(() => Promise.all(Object.values(bases).map((base) => base.close())));

  const random = new Random(7);
  const queries: Query[] = Array.from({ length: 4 }, () => randomQuery(random, 4096, true, false));
  const runnerOf = (base: Base, reuse: Reuse = "none") => {
    const vectors = randomVectors(new Random(2), base.architecture.hiddenSize);
    for (const [tag, v] of vectors)
      vectors.set(
        tag,
        v.map((x) => x / 10),
      );
    return new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse, tokens: 512 });
  };

  test("text: gradients point the same way, losses agree; a head's are those of f32", async (t) => {
    const { hiddenSize } = bases.f32.architecture;
    const head = { outputs: 1, weight: new Random(3).floats(hiddenSize), bias: Float32Array.of(0) };
    const [f32, int8] = await Promise.all(
      [bases.f32, bases.int8].map(async (base) => {
        const runner = runnerOf(base);
        const weights = queries.map(() => 1);
        return {
          text: await runner.textStep(queries, queries.map(goldenLabels), weights),
          head: await runner.headStep(queries, readout, new Float32Array(queries.length), weights, head),
        };
      }),
    );
    const [a, b] = [f32?.text, int8?.text];
    for (const [tag, gradient] of a?.gradients ?? []) {
      const same = cosine(gradient, b?.gradients.get(tag) as Float32Array);
      t.diagnostic(`${tag}: cosine ${same.toFixed(4)}`);
      assert.ok(same >= 0.99 && same < 1, `${tag}: ${same}`);
    }
    const change = Math.abs((b?.loss as number) / (a?.loss as number) - 1);
    t.diagnostic(`losses differ by ${(100 * change).toFixed(2)} %`);
    assert.ok(0 < change && change < 0.02, String(change));
    assert.deepEqual(int8?.head, f32?.head);
  });
});
