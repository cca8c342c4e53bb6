/** A lowered graph computes the same numbers with operators that its device has. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Engine, type HostArray } from "../../src/engine/engine.ts";
import { composites } from "../../src/graph/composites.ts";
import { elementCount, Graph } from "../../src/graph/graph.ts";
import { lower } from "../../src/graph/lower.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, type ProgramSpec } from "../../src/models/program.ts";
import { Random } from "../support/random.ts";
import { relativeError } from "../support/tensors.ts";
import { randomFeeds, tinyLlama, uploadRandomWeights } from "../support/tiny-llama.ts";
import { gradientCases } from "./gradient-cases.ts";

/** Only the order of sums may differ. */
const TOLERANCE = 1e-6;
const LACKING = ["FusedMatMul", "LogSoftmax"];

const specs: ProgramSpec[] = [
  { batch: 2, length: 6, past: [], slots: 3, reads: 4, result: { kind: "text", train: true } },
  {
    batch: 2,
    length: 3,
    past: [5, 2],
    slots: 2,
    reads: 2,
    result: { kind: "head", outputs: 1, centred: false },
  },
];

describe("lowering for webgpu", () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.start({ threads: 1 });
  });
  after(() => engine.close());

  const compare = async (g: Graph, feeds: Record<string, HostArray>): Promise<number> => {
    const [plain, lowered] = await Promise.all(
      [g, lower(g, "webgpu")].map(async (graph) => (await engine.compile(graph)).run(feeds)),
    );
    const errors = [...g.outputs.keys()].map((name) =>
      relativeError(lowered?.[name] as Float32Array, plain?.[name] as Float32Array),
    );
    return Math.max(...errors);
  };

  test("for the CPU nothing but composites is rewritten", () => {
    const g = buildProgram(readArchitecture(tinyLlama), specs[0] as ProgramSpec);
    const lowered = lower(g, "cpu");
    assert.ok(Object.keys(composites).every((op) => g.nodes.some((n) => n.op === op)));
    assert.ok(lowered.nodes.every((n) => !(n.op in composites)));
    assert.equal(lower(lowered, "cpu"), lowered);
  });

  for (const spec of specs) {
    test(`a ${spec.result.kind} program equals itself lowered`, async () => {
      const architecture = readArchitecture(tinyLlama);
      const g = buildProgram(architecture, spec);
      const lowered = lower(g, "webgpu");
      assert.deepEqual(
        lowered.nodes.filter((n) => LACKING.includes(n.op)),
        [],
      );
      assert.ok(g.nodes.some((n) => n.op === "FusedMatMul"));
      assert.deepEqual([...lowered.outputs.keys()], [...g.outputs.keys()]);
      await uploadRandomWeights(engine, architecture, 7);
      assert.ok((await compare(g, randomFeeds(architecture, g, spec, 3))) < TOLERANCE);
    });
  }

  for (const op of LACKING) {
    test(`${op} in all its uses`, async () => {
      for (let use = 0; use < 16; use++) {
        const random = new Random(use);
        const one = (gradientCases[op] as (typeof gradientCases)[string])(random, use);
        const g = new Graph();
        const inputs = one.inputs.map(({ shape }, i) => g.input(`x${i}`, "f32", shape));
        for (const [i, y] of one.build(g, inputs).entries())
          g.output(`y${i}`, g.one("Mul", [y, g.scalar(1)]));
        const feeds = Object.fromEntries(
          inputs.map((v) => [v.name, random.floats(elementCount(v.shape), 0.1, 1)]),
        );
        const error = await compare(g, feeds);
        assert.ok(error < TOLERANCE, `${one.label}: ${error}`);
      }
    });
  }
});
