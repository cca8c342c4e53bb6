/**
 * The same graphs on WebGPU and on the CPU: every operator with its gradients, and Tag-LLM's losses and
 * gradients on a real model. Skipped, with what to install, where there is no adapter; without a GPU the software
 * adapter of Debian's chromium serves (its driver file is found here unless VK_ICD_FILENAMES names another).
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import type { Query, Reuse } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { Engine, type HostArray } from "../../src/engine/engine.ts";
import { differentiate } from "../../src/graph/gradients.ts";
import { elementCount, Graph, type Value } from "../../src/graph/graph.ts";
import { Base } from "../../src/models/base.ts";
import { buildProgram, type ProgramSpec } from "../../src/models/program.ts";
import { readout } from "../../src/train/tasks.ts";
import { dtypeOf } from "../graph/finite-differences.ts";
import { gradientCases } from "../graph/gradient-cases.ts";
import { polyglotFolder } from "../support/goldens.ts";
import { Random } from "../support/random.ts";
import { floats, goldenLabels, goldenPath, goldenQueries, goldenVectors } from "../support/tag-golden.ts";
import { readGolden, relativeError } from "../support/tensors.ts";
import { randomFeeds } from "../support/tiny-llama.ts";
import { webGpuError } from "../support/webgpu.ts";

type Outputs = Record<string, HostArray>;

/** f32 sums in another order and exp() of another library; measured 3e-6 on SwiftShader. */
const TOLERANCE = 1e-4;

const adapter = await webGpuError();

test("without an adapter the error says what to install", {
  skip: process.platform !== "linux",
}, async () => {
  const engine = JSON.stringify(new URL("../../src/engine/engine.ts", import.meta.url).href);
  const script = `const { Engine } = await import(${engine});
    await Engine.start({ device: "webgpu" }).catch(({ code, message }) => console.log(JSON.stringify({ code, message })));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script],
    { env: { ...process.env, VK_ICD_FILENAMES: "/nowhere.json" } },
  );
  const { code, message } = JSON.parse(stdout);
  assert.equal(code, "engine/device");
  assert.match(
    message,
    /^The device webgpu was asked for and no WebGPU adapter was found \([^/:]*: No supported adapters\)\. Install .*chromium.*--device cpu/,
  );
});

describe("webgpu", { skip: adapter ? `${adapter.problem} ${adapter.cure}` : false }, () => {
  const devices = ["webgpu", "cpu"] as const;
  let engines: Engine[];
  before(async () => {
    engines = await Promise.all(devices.map((device) => Engine.start({ device })));
  });
  after(() => Promise.all(engines.map((engine) => engine.close())));

  for (const [op, makeCase] of Object.entries(gradientCases)) {
    test(`${op} and its gradients`, async () => {
      for (let use = 0; use < 2; use++) {
        const one = makeCase(new Random(50 + use), use);
        const random = new Random(use);
        const g = new Graph();
        const feeds: Record<string, HostArray> = {};
        const fed = (name: string, shape: readonly number[], data?: HostArray): Value => {
          feeds[name] = data ?? random.floats(elementCount(shape));
          return g.input(name, dtypeOf(feeds[name]), shape);
        };
        const inputs = one.inputs.map(({ shape, data }, i) => fed(`x${i}`, shape, data));
        const terms = one.build(g, inputs).map((y, i) => {
          g.output(`y${i}`, y);
          const weighted = g.one("Mul", [y, fed(`w${i}`, y.shape)]);
          const flat = g.one("Reshape", [weighted], { shape: [elementCount(y.shape)] });
          return g.one("ReduceSum", [flat], { axes: [0] });
        });
        const trained = inputs.filter((v, i) => v.dtype === "f32" && !one.inputs[i]?.constant);
        const loss = terms.length > 1 ? g.one("Sum", terms) : (terms[0] as Value);
        for (const [i, gradient] of differentiate(g, loss, trained).entries()) g.output(`g${i}`, gradient);
        const compiled = await Promise.all(engines.map((engine) => engine.compile(g)));
        const [gpu, cpu] = (await Promise.all(compiled.map((p) => p.run(feeds)))) as [Outputs, Outputs];
        for (const name of g.outputs.keys()) {
          for (const [i, x] of (cpu[name] as Float32Array).entries()) {
            const error = Math.abs(x - ((gpu[name] as Float32Array)[i] as number));
            assert.ok(error <= 1e-5 * Math.max(1, Math.abs(x)), `${one.label}, ${name}: ${error}`);
          }
        }
      }
    });
  }
});

describe("polyglot-5m on webgpu equals the CPU", { skip: adapter ? adapter.problem : false }, () => {
  const bases: Base[] = [];
  before(async () => {
    for (const device of ["webgpu", "cpu"] as const) bases.push(await Base.load(polyglotFolder, { device }));
  });
  after(() => Promise.all(bases.map((base) => base.close())));

  test("logits", async (t) => {
    const spec: ProgramSpec = {
      batch: 2,
      length: 12,
      past: [],
      slots: 4,
      reads: 6,
      result: { kind: "logits" },
    };
    const [gpu, cpu] = await onBoth(async (base) => {
      const feeds = randomFeeds(base.architecture, buildProgram(base.architecture, spec), spec, 1);
      const { logits } = await base.run(spec, feeds);
      return { logits: logits as Float32Array };
    });
    assertEqual(t, gpu, cpu);
  });

  /** Two short prompts with targets; SwiftShader is slow. */
  const asked = async (base: Base, reuse: Reuse) => {
    const golden = await readGolden(goldenPath("tags-p1-isolated"));
    const vectors = goldenVectors(golden);
    const runner = new Runner(base, (tag) => vectors.get(tag) as Float32Array, { reuse, tokens: 1024 });
    const queries = goldenQueries(golden, true, reuse !== "none");
    return { golden, runner, queries: [0, 2].map((i) => queries[i] as Query) };
  };

  test("next-token loss and gradients of all tags, whole prompts", async (t) => {
    const [gpu, cpu] = await onBoth(async (base) => {
      const { runner, queries } = await asked(base, "none");
      const { loss, gradients } = await runner.textStep(queries, queries.map(goldenLabels), [0.1, 0.2]);
      return { loss: [loss], ...Object.fromEntries(gradients) };
    });
    assert.equal(Object.keys(cpu).length, 4);
    assertEqual(t, gpu, cpu);
  });

  test("squared error, predictions and gradients of function tag and head, on stored prefixes", async (t) => {
    const [gpu, cpu] = await onBoth(async (base) => {
      const { runner, queries, golden } = await asked(base, "prefix");
      const head = { outputs: 1, weight: floats(golden, "w"), bias: floats(golden, "b") };
      const step = await runner.headStep(queries, readout, Float32Array.of(3, -1), [0.5, 0.5], head);
      const { loss, gradients, predictions, headGradient, biasGradient } = step;
      return { loss: [loss], predictions, headGradient, biasGradient, ...Object.fromEntries(gradients) };
    });
    assert.ok("Function" in cpu);
    assertEqual(t, gpu, cpu);
  });

  type Numbers = Record<string, ArrayLike<number>>;
  const onBoth = async (work: (base: Base) => Promise<Numbers>): Promise<[Numbers, Numbers]> =>
    (await Promise.all(bases.map(work))) as [Numbers, Numbers];
  const assertEqual = (t: TestContext, gpu: Numbers, cpu: Numbers): void => {
    const errors = Object.entries(cpu).map(([name, expected]) => ({
      name,
      error: relativeError(gpu[name] as ArrayLike<number>, expected),
    }));
    for (const { name, error } of errors) assert.ok(error < TOLERANCE, `${name}: ${error}`);
    t.diagnostic(errors.map(({ name, error }) => `${name} ${error.toExponential(1)}`).join(", "));
  };
});
