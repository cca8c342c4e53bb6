/** The walk over a graph: what is emitted, what is summed, what is refused. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Engine, type HostArray } from "../../src/engine/engine.ts";
import { TagllmError } from "../../src/errors.ts";
import { differentiate, gradients } from "../../src/graph/gradients.ts";
import { Graph, type Value } from "../../src/graph/graph.ts";
import { lower } from "../../src/graph/lower.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram } from "../../src/models/program.ts";
import { tinyLlama } from "../support/tiny-llama.ts";

const total = (g: Graph, x: Value): Value => g.one("ReduceSum", [x], { axes: x.shape.map((_, i) => i) });

const countOf = (g: Graph, op: string, keep: (attributes: object) => boolean = () => true) =>
  g.live().filter((n) => n.op === op && keep(n.attributes)).length;

describe("differentiate", () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.start({ threads: 1 });
  });
  after(() => engine.close());

  const gradientsOf = async (
    g: Graph,
    loss: Value,
    wrt: readonly Value[],
    feeds: Record<string, HostArray>,
  ) => {
    for (const [i, gradient] of differentiate(g, loss, wrt).entries()) g.output(`g${i}`, gradient);
    const outputs = await (await engine.compile(g)).run(feeds);
    return wrt.map((_, i) => Array.from(outputs[`g${i}`] as Float32Array));
  };
  const near = (ours: readonly number[] | undefined, expected: readonly number[]) => {
    assert.equal(ours?.length, expected.length);
    for (const [i, x] of expected.entries()) {
      const error = Math.abs(x - (ours?.[i] as number));
      assert.ok(error < 1e-5 * Math.max(1, Math.abs(x)), `${ours} is not ${expected}`);
    }
  };

  test("a value used several times gets the sum of its gradients", async () => {
    const g = new Graph();
    const x = g.input("x", "f32", [3]);
    const e = g.one("Exp", [x]);
    const y = g.one("Sum", [g.one("Mul", [x, e]), g.one("Mul", [x, x]), x, x]);
    const xs = [-0.5, 0.25, 1.5];
    const [gradient] = await gradientsOf(g, total(g, y), [x], { x: Float32Array.from(xs) });
    near(
      gradient,
      xs.map((v) => Math.exp(v) * (1 + v) + 2 * v + 2),
    );
  });

  test("values on the way can be asked for beside the inputs they come from", async () => {
    const g = new Graph();
    const x = g.input("x", "f32", [2]);
    const square = g.one("Mul", [x, x]);
    const loss = total(g, g.one("Mul", [square, square]));
    const [dx, dSquare, dLoss] = await gradientsOf(g, loss, [x, square, loss], { x: Float32Array.of(2, -3) });
    near(dx, [4 * 8, 4 * -27]);
    near(dSquare, [2 * 4, 2 * 9]);
    near(dLoss, [1]);
  });

  test("two losses of one graph do not disturb each other", async () => {
    const g = new Graph();
    const x = g.input("x", "f32", [2]);
    const e = g.one("Exp", [x]);
    const [first] = differentiate(g, total(g, e), [x]);
    g.output("first", first as Value);
    const [second] = await gradientsOf(g, total(g, g.one("Mul", [e, e])), [x], { x: Float32Array.of(0, 1) });
    near(second, [2, 2 * Math.E ** 2]);
  });

  test("what the loss does not depend on gets zeros of its shape", async () => {
    const g = new Graph();
    const [x, aside, unused] = [
      g.input("x", "f32", [2]),
      g.input("aside", "f32", [2, 3]),
      g.input("unused", "f32", []),
    ];
    g.output("seen", g.one("Exp", [aside]));
    const feeds = { x: Float32Array.of(1, 2), aside: new Float32Array(6) };
    const [, zeros, scalar] = await gradientsOf(g, total(g, x), [x, aside, unused], feeds);
    assert.deepEqual(zeros, [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(scalar, [0]);
  });

  test("all operators without a rule are named in one error, before anything is emitted", () => {
    const g = new Graph();
    const x = g.input("x", "f32", [4]);
    const y = g.one("Sigmoid", [g.one("ReduceMax", [g.one("Exp", [x])], { axes: [0] })]);
    const aside = g.one("ReduceMax", [g.one("Neg", [x])], { axes: [0] });
    g.output("aside", aside);
    const nodes = g.nodes.length;
    const rule = gradients.Sigmoid as (typeof gradients)[string];
    delete gradients.Sigmoid;
    try {
      assert.throws(
        () => differentiate(g, y, [x]),
        (e) =>
          e instanceof TagllmError &&
          e.code === "graph/no-gradient" &&
          e.problem.includes("operators ReduceMax, Sigmoid."),
      );
    } finally {
      gradients.Sigmoid = rule;
    }
    assert.equal(g.nodes.length, nodes);
    // Off the path an operator needs no rule.
    assert.doesNotThrow(() => differentiate(g, total(g, g.one("Exp", [x])), [x]));
  });

  test("indices and rotation tables cannot be trained", () => {
    const g = new Graph();
    const x = g.input("x", "f32", [4, 2]);
    const index = g.input("index", "i64", [3]);
    const refused = (input: number, op: string) => (e: unknown) =>
      e instanceof TagllmError &&
      e.code === "graph/no-gradient" &&
      e.problem.startsWith(`Input ${input} of ${op} `);
    assert.throws(
      () => differentiate(g, total(g, g.one("Gather", [x, index])), [index]),
      refused(1, "Gather"),
    );
    const [q, ids] = [g.input("q", "f32", [1, 2, 4]), g.constant(BigInt64Array.of(0n, 1n), [1, 2])];
    const [cos, sin] = [g.input("cos", "f32", [2, 2]), g.input("sin", "f32", [2, 2])];
    const rotated = total(g, g.one("RotaryEmbedding", [q, ids, cos, sin]));
    assert.throws(() => differentiate(g, rotated, [cos]), refused(2, "RotaryEmbedding"));
  });

  test("the norm's second output has no gradient and says so", () => {
    const g = new Graph();
    const [x, scale] = [g.input("x", "f32", [2, 4]), g.input("scale", "f32", [4])];
    const [y, inverse] = g.apply("SimplifiedLayerNormalization", [x, scale], { axis: -1 }) as [Value, Value];
    const named = (e: unknown) =>
      e instanceof TagllmError &&
      e.code === "graph/no-gradient" &&
      e.problem.includes("SimplifiedLayerNormalization");
    assert.throws(() => differentiate(g, total(g, inverse), [x]), named);
    assert.throws(() => differentiate(g, total(g, g.one("Mul", [y, inverse])), [x]), named);
  });

  test("a loss must have one element", () => {
    const g = new Graph();
    const x = g.input("x", "f32", [2]);
    assert.throws(() => differentiate(g, g.one("Exp", [x]), [x]), /one element, not \[2\]/);
  });

  test("with a frozen model no gradient of a weight is emitted", () => {
    const architecture = readArchitecture(tinyLlama);
    const spec = { batch: 2, length: 6, past: [], slots: 3, reads: 4 };
    const g = buildProgram(architecture, { ...spec, result: { kind: "text", train: true } });
    const linears = 7 * architecture.layers + 1;
    assert.equal(
      countOf(g, "Gemm"),
      2 * linears,
      "one product forward and one backward for every linear map",
    );
    assert.equal(
      countOf(g, "Gemm", (a) => "transA" in a),
      0,
      "a weight's gradient would be a product with transA",
    );
    const attention = 2 * architecture.layers;
    assert.equal(
      countOf(lower(g, "cpu"), "FusedMatMul"),
      3 * attention,
      "scores and mix: one forward, two backward each",
    );
    const evaluation = buildProgram(architecture, { ...spec, result: { kind: "text", train: false } });
    assert.equal(countOf(evaluation, "Gemm"), linears);
  });

  test("stored keys and values and the positions before them get no gradient", () => {
    const architecture = readArchitecture(tinyLlama);
    const g = buildProgram(architecture, {
      batch: 1,
      length: 4,
      past: [5, 3],
      slots: 2,
      reads: 1,
      result: { kind: "head", outputs: 1, centred: false },
    });
    const stored = new Set([...g.inputs.values()].filter((v) => v.name.startsWith("past.")));
    const backward = g
      .live()
      .filter((n) => n.op === "FusedMatMul" && n.attributes.transA && n.inputs.every((v) => !stored.has(v)));
    // For each layer: gradients of the own keys and of the own values; none for either past block.
    assert.equal(backward.length, 2 * architecture.layers);
  });

  test("when a weight is trained its gradient is emitted, and only its own", () => {
    const architecture = readArchitecture(tinyLlama);
    const g = buildProgram(architecture, {
      batch: 1,
      length: 5,
      past: [],
      slots: 0,
      reads: 2,
      result: { kind: "logits" },
    });
    const loss = total(g, g.outputs.get("logits") as Value);
    const weight = g.inputs.get("model.layers.1.mlp.down_proj.weight") as Value;
    const [gradient] = differentiate(g, loss, [weight]);
    g.output("gradient", gradient as Value);
    assert.deepEqual(gradient?.shape, weight.shape);
    assert.equal(
      countOf(g, "Gemm", (a) => "transA" in a),
      1,
    );
    // Backward stops at the last layer's MLP: through the head, and the weight's own product.
    assert.equal(countOf(g, "Gemm"), 7 * architecture.layers + 1 + 2);
  });
});
