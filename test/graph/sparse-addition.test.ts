/** A product with a matrix that had one number of each row added to is computed without that matrix. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Engine } from "../../src/engine/engine.ts";
import { Graph, type Value } from "../../src/graph/graph.ts";
import { multiplyAround } from "../../src/graph/sparse-addition.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram } from "../../src/models/program.ts";
import { Random } from "../support/random.ts";
import { relativeError } from "../support/tensors.ts";
import { tinyLlama } from "../support/tiny-llama.ts";

const [M, N, K] = [5, 7, 3];

function sumOf(g: Graph, columns = 1): Value {
  const index = g.input("column", "i64", [M, columns]);
  const addend = g.input("addend", "f32", [M, columns]);
  return g.one("ScatterElements", [g.input("dense", "f32", [M, N]), index, addend], {
    axis: 1,
    reduction: "add",
  });
}

const scattersOf = (g: Graph): number => g.live().filter(({ op }) => op === "ScatterElements").length;

function graphOf(build: (g: Graph) => void): Graph {
  const g = new Graph();
  build(g);
  return g;
}

describe("a sum that is multiplied from the left", () => {
  const product = graphOf((g) => g.output("y", g.one("Gemm", [sumOf(g), g.input("w", "f32", [N, K])])));

  test("is not computed, and the product is the same", async (t) => {
    const around = multiplyAround(product);
    assert.equal(scattersOf(product), 1);
    assert.equal(scattersOf(around), 0);
    const random = new Random(3);
    const feeds = {
      dense: random.floats(M * N),
      column: BigInt64Array.from([0, 6, 2, 2, 5], BigInt),
      addend: random.floats(M),
      w: random.floats(N * K),
    };
    const expected = new Float32Array(M * K);
    for (let m = 0; m < M; m++)
      for (let k = 0; k < K; k++) {
        for (let n = 0; n < N; n++) {
          const added = Number(feeds.column[m]) === n ? (feeds.addend[m] as number) : 0;
          const sum = (feeds.dense[m * N + n] as number) + added;
          expected[m * K + k] = (expected[m * K + k] as number) + sum * (feeds.w[n * K + k] as number);
        }
      }
    const engine = await Engine.start({ threads: 1 });
    t.after(() => engine.close());
    const { y } = await (await engine.compile(around)).run(feeds);
    assert.ok(relativeError(y as Float32Array, expected) < 1e-6);
  });

  test("is computed for whoever else needs it", () => {
    const both = graphOf((g) => {
      const sum = sumOf(g);
      g.output("sum", sum);
      g.output("y", g.one("Gemm", [sum, g.input("w", "f32", [N, K])]));
    });
    assert.equal(scattersOf(multiplyAround(both)), 1);
  });

  const others: Record<string, (g: Graph) => void> = {
    "two numbers of each row": (g) =>
      g.output("y", g.one("Gemm", [sumOf(g, 2), g.input("w", "f32", [N, K])])),
    "a turned weight": (g) =>
      g.output("y", g.one("Gemm", [sumOf(g), g.input("w", "f32", [K, N])], { transB: 1 })),
    "a turned sum": (g) =>
      g.output("y", g.one("Gemm", [sumOf(g), g.input("w", "f32", [M, K])], { transA: 1 })),
    "a scaled product": (g) =>
      g.output("y", g.one("Gemm", [sumOf(g), g.input("w", "f32", [N, K])], { alpha: { float: 2 } })),
    "a product with a bias": (g) =>
      g.output("y", g.one("Gemm", [sumOf(g), g.input("w", "f32", [N, K]), g.input("b", "f32", [K])])),
  };
  for (const [what, build] of Object.entries(others))
    test(`${what} is left as it is`, () => assert.equal(scattersOf(multiplyAround(graphOf(build))), 1));
});

test("what a text loss sends back to a head without a scale is such a sum", () => {
  const spec = { batch: 2, length: 6, past: [], slots: 3, reads: 4 } as const;
  const g = buildProgram(readArchitecture(tinyLlama), { ...spec, result: { kind: "text", train: true } });
  assert.ok(scattersOf(g) > 0);
  assert.equal(scattersOf(multiplyAround(g)), 0);
});
