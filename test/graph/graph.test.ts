/** Building graphs: types, errors, shared nodes, what is written for the runtime. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { type Attributes, Graph, type Value } from "../../src/graph/graph.ts";
import { usedInputs } from "../../src/graph/onnx.ts";
import { broadcastShapes } from "../../src/graph/operators.ts";
import fc from "../support/properties.ts";

type Declared = [dtype: "f32" | "i32" | "i64", shape: number[]];

function declare(g: Graph, types: readonly Declared[]): Value[] {
  return types.map(([dtype, shape], i) => g.input(`x${i}`, dtype, shape));
}

const f = (...shape: number[]): Declared => ["f32", shape];
const i64 = (...shape: number[]): Declared => ["i64", shape];

/** Operator, inputs, attributes and the outputs' types that ONNX's documentation gives. */
const inferred: [string, Declared[], Attributes, string][] = [
  ["Add", [f(2, 1, 3), f(4, 1)], {}, "f32[2,4,3]"],
  ["Sum", [f(1), f(5, 1), f(5, 2)], {}, "f32[5,2]"],
  ["ReduceSum", [f(2, 3, 4)], { axes: [-1, 0] }, "f32[1,3,1]"],
  ["Expand", [f(3, 1)], { shape: [2, 1, 4] }, "f32[2,3,4]"],
  ["Transpose", [f(2, 3, 4)], { perm: [2, 0, 1] }, "f32[4,2,3]"],
  ["Concat", [f(2, 3), f(2, 1)], { axis: -1 }, "f32[2,4]"],
  ["Split", [f(2, 5)], { axis: 1, sizes: [4, 1] }, "f32[2,4] f32[2,1]"],
  ["Gather", [f(7, 3), ["i32", [2, 2]]], {}, "f32[2,2,3]"],
  ["GatherElements", [f(4, 9), i64(4, 1)], { axis: 1 }, "f32[4,1]"],
  ["ScatterND", [f(6, 2), i64(3, 1), f(3, 2)], {}, "f32[6,2]"],
  ["Gemm", [f(5, 3), f(7, 5), f(7)], { transA: 1, transB: 1 }, "f32[3,7]"],
  ["FusedMatMul", [f(2, 1, 3, 4), f(6, 5, 4)], { transB: 1 }, "f32[2,6,3,5]"],
  ["SimplifiedLayerNormalization", [f(2, 8), f(8)], {}, "f32[2,8] f32[2,1]"],
];

/** Uses that must be refused, and a word of the reason. */
const refused: [string, Declared[], Attributes, RegExp][] = [
  ["Add", [f(2, 3), f(2)], {}, /do not broadcast/],
  ["Mul", [f(2), i64(2)], {}, /element types differ/],
  ["MatMul", [f(2, 2)], {}, /input 1 is missing/],
  ["ReduceMean", [f(2, 3)], { axes: [2] }, /no axis 2/],
  ["ReduceSum", [f(2, 3)], { axes: [] }, /no axis/],
  ["Softmax", [f(2, 3)], { axis: 0 }, /last axis/],
  ["Reshape", [f(2, 3)], { shape: [4] }, /reshape to \[4\]/],
  ["Transpose", [f(2, 3)], { perm: [0, 0] }, /perm/],
  ["Concat", [f(2, 3), f(3, 3)], { axis: 1 }, /axis 1/],
  ["Concat", [f(2, 3), f(2, 3)], { axis: 2 }, /no axis 2/],
  ["Split", [f(2, 5)], { axis: 1, sizes: [4, 2] }, /add up/],
  ["Gather", [f(2, 5), f(1)], {}, /integer/],
  ["Gather", [f(2, 5), i64(1)], { axis: 1 }, /axis 0/],
  ["GatherElements", [f(2, 5), i64(2)], { axis: 1 }, /rank/],
  ["ScatterElements", [f(2, 5), i64(2, 1), f(2, 2)], { axis: 1 }, /shape/],
  ["ScatterND", [f(6, 2), i64(3), f(3, 2)], {}, /i64\[n,1\]/],
  ["ScatterND", [f(6, 2), i64(3, 1), f(3, 1)], {}, /updates/],
  ["Gemm", [f(5, 3), f(5, 3)], {}, /inner sizes 3 and 5/],
  ["Gemm", [f(2, 5, 3), f(3, 5)], {}, /matrices/],
  ["Gemm", [f(5, 3), f(3, 2), f(3)], {}, /broadcast/],
  ["FusedMatMul", [f(2, 3, 4), f(3, 4, 5)], {}, /do not broadcast/],
  ["MatMul", [f(3, 4), f(3, 4)], {}, /inner sizes 4 and 3/],
  ["SimplifiedLayerNormalization", [f(2, 8), f(4)], {}, /scale/],
  ["RotaryEmbedding", [f(1, 2, 4), i64(2), f(2, 2), f(2, 2)], {}, /\[B,S,hidden\]/],
];

describe("types", () => {
  for (const [op, types, attributes, expected] of inferred) {
    test(`${op}(${types.map(([, s]) => `[${s}]`).join(", ")}) is ${expected}`, () => {
      const g = new Graph();
      const outputs = g.apply(op, declare(g, types), attributes);
      assert.equal(outputs.map((o) => `${o.dtype}[${o.shape}]`).join(" "), expected);
    });
  }

  for (const [op, types, attributes, reason] of refused) {
    test(`${op}(${types.map(([, s]) => `[${s}]`).join(", ")}) ${JSON.stringify(attributes)} is refused`, () => {
      const g = new Graph();
      const inputs = declare(g, types);
      assert.throws(
        () => g.apply(op, inputs, attributes),
        (e) => {
          assert.ok(e instanceof TagllmError);
          assert.equal(e.code, "graph/shape");
          const shown = types.map(([dtype, shape]) => `${dtype}[${shape.join(",")}]`).join(", ");
          assert.ok(e.problem.startsWith(`${op}(${shown}) ${JSON.stringify(attributes)}: `), e.problem);
          assert.match(e.problem, reason);
          return true;
        },
      );
      assert.equal(g.nodes.length, 0);
    });
  }

  test("broadcasting is symmetric, and equals what indexing by hand gives", () => {
    const dims = fc.array(fc.constantFrom(1, 2, 3), { maxLength: 4 });
    fc.assert(
      fc.property(dims, dims, (a, b) => {
        const [x, y] = [[...a].reverse(), [...b].reverse()];
        const rank = Math.max(a.length, b.length);
        const fits = x.every((d, i) => i >= y.length || d === y[i] || d === 1 || y[i] === 1);
        if (!fits) {
          assert.throws(() => broadcastShapes(a, b));
          assert.throws(() => broadcastShapes(b, a));
          return;
        }
        const expected = Array.from({ length: rank }, (_, i) => Math.max(x[i] ?? 1, y[i] ?? 1)).reverse();
        assert.deepEqual(broadcastShapes(a, b), expected);
        assert.deepEqual(broadcastShapes(b, a), expected);
      }),
    );
  });

  test("an unknown operator names itself and those that are known", () => {
    const g = new Graph();
    assert.throws(
      () => g.one("Mish", declare(g, [f(2)])),
      (e) =>
        e instanceof TagllmError &&
        e.code === "graph/operator" &&
        /Mish/.test(e.problem) &&
        /Sigmoid/.test(e.cure),
    );
  });
});

describe("nodes", () => {
  test("the same operator on the same inputs is one node; other inputs or attributes make another", () => {
    const g = new Graph();
    const [x, y] = declare(g, [f(2, 2), f(2, 2)]) as [Value, Value];
    assert.equal(g.one("Add", [x, y]), g.one("Add", [x, y]));
    assert.notEqual(g.one("Add", [x, y]), g.one("Add", [y, x]));
    assert.notEqual(g.one("Gemm", [x, y]), g.one("Gemm", [x, y], { transB: 1 }));
    const scaled = (float: number) => g.one("Gemm", [x, y], { alpha: { float } });
    assert.equal(scaled(0.5), scaled(0.5));
    assert.notEqual(scaled(0.5), scaled(0.25));
    assert.equal(g.nodes.length, 6);
  });

  test("equal constants are one value; type and shape count", () => {
    const g = new Graph();
    assert.equal(g.scalar(2), g.constant(Float32Array.of(2), []));
    assert.notEqual(g.scalar(2), g.constant(Float32Array.of(2), [1]));
    assert.notEqual(g.constant(Int32Array.of(2), [1]), g.constant(BigInt64Array.of(2n), [1]));
    assert.notEqual(g.constant(Float32Array.of(1, 2), [2]), g.constant(Float32Array.of(12), [1]));
  });

  test("a weight may be asked for again, an input or output may not be declared twice", () => {
    const g = new Graph();
    const w = g.weight("w", [2]);
    assert.equal(g.weight("w", [2]), w);
    g.input("x", "f32", [2]);
    assert.throws(() => g.input("x", "f32", [2]), /x is declared twice/);
    g.output("y", w);
    assert.throws(() => g.output("y", w), /y is declared twice/);
  });

  test("only what the outputs need is written and must be fed", () => {
    const g = new Graph();
    const [x, y] = declare(g, [f(2), f(2)]) as [Value, Value];
    const w = g.weight("w", [2]);
    g.weight("unused", [2]);
    const needed = g.one("Mul", [x, w]);
    g.one("Exp", [y]);
    g.output("z", g.one("Neg", [needed]));
    assert.deepEqual(
      g.live().map((n) => n.op),
      ["Mul", "Neg"],
    );
    assert.deepEqual(
      usedInputs(g).map((v) => v.name),
      ["x0", "w"],
    );
  });
});
