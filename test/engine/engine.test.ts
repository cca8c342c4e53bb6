/** The engine as its callers see it: what is kept, what is refused and in which words, how it ends. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Engine, type Feed, type Program } from "../../src/engine/engine.ts";
import { essence } from "../../src/engine/translate.ts";
import { TagllmError } from "../../src/errors.ts";
import { Graph } from "../../src/graph/graph.ts";

function graph(build: (g: Graph) => void): Graph {
  const g = new Graph();
  build(g);
  return g;
}

/** What a C++ program would say and a user should not read. */
const INTERNAL = /onnxruntime_src|\.(?:cc|h|cpp)\b|::|\/core\/|\bvoid\b|\[with |Non-zero status/;

const fails = async (work: Promise<unknown>, code: string, ...words: RegExp[]) => {
  const error = await work.then(
    () => assert.fail("it did not fail"),
    (e: unknown) => e,
  );
  assert.ok(error instanceof TagllmError, String(error));
  assert.equal(error.code, code, error.message);
  assert.doesNotMatch(error.message, INTERNAL);
  for (const word of words) assert.match(error.problem, word);
};

const addOne = graph((g) => g.output("y", g.one("Add", [g.input("x", "f32", [2]), g.scalar(1)])));

describe("runs", () => {
  let engine: Engine;
  before(async () => {
    engine = await Engine.start({ threads: 1 });
  });
  after(() => engine.close());

  test("a program that was dropped is gone and says so", async () => {
    const { programs } = await engine.stats();
    const [dropped, kept] = [await engine.compile(addOne), await engine.compile(addOne)];
    await dropped.drop();
    assert.equal((await engine.stats()).programs, programs + 1);
    await fails(dropped.run({ x: Float32Array.of(1, 2) }), "engine/run", /program has been dropped/);
    assert.deepEqual((await kept.run({ x: Float32Array.of(1, 2) })).y, Float32Array.of(2, 3));
  });

  test("a program takes its inputs, gives its outputs, and may be run again and at once", async () => {
    const program = await engine.compile(addOne);
    assert.deepEqual(program.inputs, [{ name: "x", dtype: "f32", shape: [2] }]);
    assert.deepEqual(program.outputs, [{ name: "y", dtype: "f32", shape: [2] }]);
    const runs = await Promise.all([0, 1, 2].map((n) => program.run({ x: Float32Array.of(n, -n) })));
    assert.deepEqual(
      runs.map(({ y }) => Array.from(y as Float32Array)),
      [
        [1, 1],
        [2, 0],
        [3, -1],
      ],
    );
    assert.ok(engine.busySeconds > 0);
  });

  test("all element types pass through unchanged", async () => {
    const types = graph((g) => {
      for (const dtype of ["f32", "i32", "i64"] as const) g.output(`y.${dtype}`, g.input(dtype, dtype, [2]));
    });
    const feeds = {
      f32: Float32Array.of(1e-40, -Infinity),
      i32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
      i64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
    };
    const outputs = await (await engine.compile(types)).run(feeds);
    for (const dtype of ["f32", "i32", "i64"] as const) assert.deepEqual(outputs[`y.${dtype}`], feeds[dtype]);
  });

  test("kept rows are cut to their lengths, fed back padded with zeros, and forgotten on release", async () => {
    const made = graph((g) => g.output("y", g.one("Neg", [g.input("x", "f32", [2, 2, 3, 1])])));
    const shown = graph((g) => g.output("y", g.one("Neg", [g.input("x", "f32", [3, 2, 4, 1])])));
    const before = await engine.stats();
    const x = Float32Array.from({ length: 12 }, (_, i) => -1 - i);
    const keep = { y: { names: ["first", "second"], lengths: [2, 3] } };
    assert.deepEqual(
      await (await engine.compile(made)).run({ x }, { keep }),
      {},
      "kept outputs stay in the engine",
    );
    const held = await engine.stats();
    assert.equal(held.residents - before.residents, 2);
    assert.equal(held.residentBytes - before.residentBytes, 4 * (2 * 2 + 2 * 3));
    const program = await engine.compile(shown);
    const { y } = await program.run({ x: { stack: ["second", null, "first"] } });
    const second = [7, 8, 9, 0, 10, 11, 12, 0];
    const first = [1, 2, 0, 0, 4, 5, 0, 0];
    assert.deepEqual(
      Array.from(y as Float32Array, (v) => 0 - v),
      [...second, ...new Array(8).fill(0), ...first],
    );
    await engine.release(["first", "second"]);
    assert.equal((await engine.stats()).residents, before.residents);
    await fails(
      program.run({ x: { stack: ["second", null, "first"] } }),
      "engine/run",
      /nothing is kept under second/,
    );
  });

  test("what is reserved is written in place, read where it lies, and grows with what it holds", async () => {
    const before = await engine.stats();
    const made = graph((g) => g.output("y", g.one("Neg", [g.input("x", "f32", [2, 2, 2, 1])])));
    const shown = (rows: number, size: number) =>
      graph((g) => g.output("y", g.one("Neg", [g.input("x", "f32", [rows, 2, size, 1])])));
    const holds = async (rows: number, size: number) => {
      const { y } = await (await engine.compile(shown(rows, size))).run({ x: { held: "texts" } });
      return Array.from(y as Float32Array, (v) => 0 - v);
    };
    await engine.reserve(["texts"], [2, 2, 3, 1], [null, null]);
    const x = Float32Array.from({ length: 8 }, (_, i) => -1 - i);
    const program = await engine.compile(made);
    const stretches = [
      { row: 0, at: 1, count: 1, toRow: 1, toAt: 2 },
      { row: 1, at: 0, count: 2, toRow: 0, toAt: 0 },
    ];
    assert.deepEqual(await program.run({ x }, { keep: { y: { into: "texts", stretches } } }), {});
    assert.deepEqual(await holds(2, 3), [5, 6, 0, 7, 8, 0, 0, 0, 2, 0, 0, 4]);
    await program.run({ x }, { keep: { y: { names: ["block", null], lengths: [1, 0] } } });
    await engine.place([{ name: "block", into: "texts", row: 1 }]);
    assert.deepEqual(await holds(2, 3), [5, 6, 0, 7, 8, 0, 1, 0, 2, 3, 0, 4]);
    await engine.reserve(["texts"], [3, 2, 4, 1], [1, null, 0]);
    const zeros = new Array(8).fill(0);
    assert.deepEqual(await holds(3, 4), [1, 0, 2, 0, 3, 0, 4, 0, ...zeros, 5, 6, 0, 0, 7, 8, 0, 0]);
    await fails(
      program.run({ x }, { keep: { y: { into: "texts", stretches: [{ ...stretches[0]!, toAt: 4 }] } } }),
      "engine/run",
      /do not fit 4/,
    );
    await engine.release(["texts", "block"]);
    assert.equal((await engine.stats()).residents, before.residents);
  });

  test("wrong feeds are named", async () => {
    const program = await engine.compile(addOne);
    await fails(program.run({}), "engine/run", /input x was not fed/);
    await fails(program.run({ x: new Float32Array(3) }), "engine/run", /input x takes \[2\].*not 3/);
    await fails(
      program.run({ x: new Int32Array(2) as Feed }),
      "engine/run",
      /input x takes f32, not a Int32Array/,
    );
    assert.deepEqual(
      (await program.run({ x: new Float32Array(2) })).y,
      Float32Array.of(1, 1),
      "the engine goes on",
    );
  });

  const outOfRange: [string, (g: Graph) => void, RegExp][] = [
    [
      "Gather",
      (g) => g.output("y", g.one("Gather", [g.input("x", "f32", [4, 2]), g.input("i", "i64", [2])])),
      /Gather .*idx=9/,
    ],
    [
      "GatherElements",
      (g) =>
        g.output(
          "y",
          g.one("GatherElements", [g.input("x", "f32", [2, 4]), g.input("i", "i64", [2, 1])], { axis: 1 }),
        ),
      /GatherElements .*Out of range value/,
    ],
    [
      "ScatterND",
      (g) =>
        g.output(
          "y",
          g.one("ScatterND", [
            g.input("x", "f32", [4]),
            g.input("i", "i64", [2, 1]),
            g.input("u", "f32", [2]),
          ]),
        ),
      /ScatterND .*9/,
    ],
  ];
  for (const [op, build, message] of outOfRange) {
    test(`an index that ${op} cannot reach is an error, not a read elsewhere`, async () => {
      const program = await engine.compile(graph(build));
      const feeds = Object.fromEntries(
        program.inputs.map(({ name, shape }) => [
          name,
          name === "i" ? BigInt64Array.of(0n, 9n) : new Float32Array(shape.reduce((n, d) => n * d, 1)),
        ]),
      );
      await fails(program.run(feeds), "engine/run", message);
    });
  }

  test("a graph that the runtime refuses is an error in plain words", async () => {
    const wrongType = graph((g) =>
      g.output("y", g.one("Gemm", [g.input("a", "i64", [2, 2]), g.input("b", "i64", [2, 2])])),
    );
    await fails(engine.compile(wrongType), "engine/compile", /Type/);
    const unknown = graph((g) =>
      g.output("y", g.one("Softmax", [g.input("x", "f32", [2])], { nonsense: 3 })),
    );
    await fails(engine.compile(unknown), "engine/compile", /nonsense/);
  });

  test("too little memory is an error of its own", async () => {
    const huge = 2 ** 24; // squared and in f32: more than an address space holds
    const inside = graph((g) => {
      const wide = g.one("Expand", [g.input("x", "f32", [1, 1])], { shape: [huge, huge] });
      g.output("y", g.one("ReduceSum", [wide], { axes: [0, 1] }));
    });
    const outside = graph((g) =>
      g.output("y", g.one("Expand", [g.input("x", "f32", [1, 1])], { shape: [huge, huge] })),
    );
    for (const each of [inside, outside]) {
      const program = await engine.compile(each);
      await fails(program.run({ x: new Float32Array(1) }), "engine/memory", /[Nn]ot enough memory/);
    }
  });

  test("weights must be there, in the shape that the graph asks for", async () => {
    const needs = (name: string) => graph((g) => g.output("y", g.one("Neg", [g.weight(name, [4, 2])])));
    await fails(engine.compile(needs("absent")), "weights/tensor-missing", /absent \[4,2\]/);
    await engine.upload("turned", [2, 4], new Float32Array(8));
    await fails(engine.compile(needs("turned")), "weights/shape", /turned .*\[2,4\].*\[4,2\]/);
    await fails(
      engine.upload("short", [2, 4], new Float32Array(7)),
      "engine/run",
      /short takes \[2,4\], not 7 numbers/,
    );
    await engine.upload("right", [4, 2], new Float32Array(8).fill(2));
    const { y } = await (await engine.compile(needs("right"))).run({});
    assert.deepEqual(y, new Float32Array(8).fill(-2));
  });

  test("an aborted signal stops before the next run", async () => {
    const program = await engine.compile(addOne);
    const controller = new AbortController();
    const x = new Float32Array(2);
    await program.run({ x }, { signal: controller.signal });
    controller.abort();
    await fails(program.run({ x }, { signal: controller.signal }), "aborted");
    assert.ok((await program.run({ x })).y, "other runs are untouched");
  });
});

describe("the end", () => {
  const x = new Float32Array(2);
  const everything = (engine: Engine, program: Program): Promise<unknown>[] => [
    program.run({ x }),
    engine.compile(addOne),
    engine.load([]),
    engine.upload("w", [1], new Float32Array(1)),
    engine.release([]),
    engine.stats(),
  ];

  test("after close everything is refused, closing again is not", async () => {
    const engine = await Engine.start({ threads: 1 });
    const program = await engine.compile(addOne);
    const underWay = program.run({ x });
    await Promise.all([engine.close(), engine.close()]);
    assert.ok((await underWay).y, "what was asked before is finished");
    for (const work of everything(engine, program)) await fails(work, "engine/closed", /closed/);
    await engine.close();
  });

  test("when the worker ends by itself, what waits and what comes later fails", async () => {
    const engine = await Engine.start({ threads: 1 });
    const program = await engine.compile(addOne);
    const waiting = program.run({ x });
    // biome-ignore lint/complexity/useLiteralKeys: private; a crash cannot be asked for
    void engine["worker"].terminate();
    await fails(waiting, "engine/closed", /ended with code/);
    for (const work of everything(engine, program)) await fails(work, "engine/closed");
    await engine.close();
  });

  test("when the worker throws, the reason is told", async () => {
    const engine = await Engine.start({ threads: 1 });
    const program = await engine.compile(addOne);
    // biome-ignore lint/complexity/useLiteralKeys: private; no request makes the worker throw
    engine["worker"].postMessage({ id: -1 });
    await fails(program.run({ x }), "engine/closed", /worker thread died: .*kind/);
    await engine.close();
  });
});

describe("the beginning", () => {
  test("a runtime that cannot be loaded is an error of its own, with the reason", async () => {
    const broken = new URL("./broken-runtime.cjs", import.meta.url).pathname;
    const engine = JSON.stringify(new URL("../../src/engine/engine.ts", import.meta.url).href);
    const script = `const { Engine } = await import(${engine});
      await Engine.start().catch((e) => console.log(JSON.stringify({ code: e.code, problem: e.problem })));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", script],
      { env: { ...process.env, NODE_OPTIONS: `--require ${broken}` } },
    );
    const { code, problem } = JSON.parse(stdout);
    assert.equal(code, "engine/start");
    assert.match(
      problem,
      /^onnxruntime could not be loaded.*libonnxruntime\.so\.1: cannot open shared object file/,
    );
  });
});

describe("runtime messages", () => {
  const messages: [string, string][] = [
    [
      "Non-zero status code returned while running GatherElements node. Name:'v0' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/gather_elements.cc:150 void onnxruntime::core_impl(const Tensor*, const Tensor*, Tensor*, int64_t, concurrency::ThreadPool*) [with Tin = long int; int64_t = long int] GatherElements op: Out of range value in index tensor\n",
      "GatherElements (v0): GatherElements op: Out of range value in index tensor",
    ],
    [
      "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 1125899906842624",
      "Failed to allocate memory for requested buffer of size 1125899906842624",
    ],
    [
      "[ONNXRuntimeError] : 1 : FAIL : D:\\a\\_work\\1\\s\\onnxruntime\\core\\framework\\op_kernel.h:83 onnxruntime::OpKernelContext::Input Missing Input: x",
      "Missing Input: x",
    ],
    [
      "/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters",
      "Failed to get a WebGPU adapter: No supported adapters",
    ],
    ["Exception caught: std::bad_alloc", "Exception caught:"],
    [
      "Got invalid dimensions for input: x\n index: 0 Got: 5 Expected: 4",
      "Got invalid dimensions for input: x index: 0 Got: 5 Expected: 4",
    ],
    ["Load model from /home/me/model.onnx failed", "Load model from /home/me/model.onnx failed"],
  ];
  for (const [raw, plain] of messages) {
    test(plain, () => assert.equal(essence(raw), plain));
  }
});
