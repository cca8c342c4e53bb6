/** Weights read in the checkpoint's files against weights read into memory: the same bits, without their memory. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Engine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/protocol.ts";
import { elementCount, Graph } from "../../src/graph/graph.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, hasGradients, type ProgramSpec } from "../../src/models/program.ts";
import { encodeSafetensors, readHeader, type TensorInfo } from "../../src/weights/safetensors.ts";
import { Random } from "../support/random.ts";
import { tinyFamilies } from "../support/tiny-families.ts";
import { randomFeeds } from "../support/tiny-llama.ts";

type Named = { name: string; info: TensorInfo };

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "tagllm mapped é "));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Random weights of an architecture in two files, as shards of a checkpoint are. */
async function writeShards(folder: string, { tensors }: Pick<Architecture, "tensors">): Promise<Named[]> {
  const random = new Random(7);
  const names = [...tensors.keys()];
  const found: Named[] = [];
  for (const part of [0, 1]) {
    const own = names.filter((_, i) => i % 2 === part);
    const entries = own.map((name) => {
      const shape = tensors.get(name) as readonly number[];
      const spread = shape.length === 1 ? 0.1 : Math.sqrt(3 / (shape[1] as number));
      const values = random.floats(elementCount(shape), -spread, spread);
      const data = name.includes("norm") ? values.map((v) => 1 + v) : values;
      return [name, { dtype: "F32", shape, data }] as const;
    });
    const file = join(folder, `model ${part}.safetensors`);
    writeFileSync(file, encodeSafetensors(Object.fromEntries(entries)));
    found.push(...[...(await readHeader(file)).tensors].map(([name, info]) => ({ name, info })));
  }
  return found;
}

async function startEngine(
  t: TestContext,
  tensors: readonly Named[],
  options: Partial<EngineOptions>,
): Promise<Engine> {
  const engine = await Engine.start({ threads: 1, ...options });
  t.after(() => engine.close());
  await engine.load(tensors);
  return engine;
}

const shape = { batch: 2, length: 8, past: [], slots: 3, reads: 4 };
const specs: ProgramSpec[] = [
  { ...shape, result: { kind: "hidden" } },
  { ...shape, result: { kind: "text", train: true } },
  { ...shape, result: { kind: "head", outputs: 2, centred: true } },
  { ...shape, past: [16], result: { kind: "logits" } },
];

for (const [family, config] of Object.entries(tinyFamilies)) {
  test(`${family}: the same bits as with weights in memory`, async (t) => {
    const architecture = readArchitecture({ ...config, model_type: family });
    const tensors = await writeShards(temporaryFolder(t), architecture);
    const precisions = family === "llama" ? (["f32", "int8", "8bit"] as const) : (["f32"] as const);
    for (const precision of precisions) {
      const mapped = await startEngine(t, tensors, { precision });
      const read = await startEngine(t, tensors, { precision, mapWeights: false });
      for (const [i, spec] of specs.entries()) {
        if (precision === "8bit" && hasGradients(spec.result)) continue;
        const graph = buildProgram(architecture, spec);
        const feeds = randomFeeds(architecture, graph, spec, i);
        const [a, b] = [await mapped.compile(graph), await read.compile(graph)];
        assert.deepEqual(
          await a.run(feeds),
          await b.run(feeds),
          `${precision}, ${JSON.stringify(spec.result)}`,
        );
      }
      const bytes = 4 * tensors.reduce((n, { info }) => n + elementCount(info.shape), 0);
      const [own, others] = [await mapped.stats(), await read.stats()];
      assert.deepEqual([own.mappedBytes, others.mappedBytes], [bytes, 0]);
      if (precision === "f32") assert.deepEqual([own.weightBytes, others.weightBytes], [0, bytes]);
      if (precision === "int8") assert.ok(own.weightBytes < others.weightBytes, `${own.weightBytes}`);
    }
  });
}

/** Memory of this process that no file stands behind. */
function anonymousBytes(): number {
  const line = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(line?.[1]) * 1024;
}

test("three programs on mapped weights take less memory than the weights once", {
  skip: platform() !== "linux" && "reads /proc",
}, async (t) => {
  const [width, layers] = [1024, 24];
  const names = Array.from({ length: layers }, (_, l) => `w${l}`);
  const tensors = new Map(names.map((name) => [name, [width, width]]));
  const named = await writeShards(temporaryFolder(t), { tensors });
  const addedBytes = async (mapWeights: boolean): Promise<number> => {
    const before = anonymousBytes();
    const engine = await startEngine(t, named, { mapWeights });
    for (const rows of [1, 2, 3]) {
      const g = new Graph();
      const x = g.input("x", "f32", [rows, width]);
      const product = (y: typeof x, name: string) =>
        g.one("Gemm", [y, g.weight(name, [width, width])], { transB: 1 });
      g.output("y", names.reduce(product, x));
      const { y } = await (await engine.compile(g)).run({ x: new Float32Array(rows * width).fill(1) });
      assert.ok((y as Float32Array).every(Number.isFinite));
    }
    return anonymousBytes() - before;
  };
  const weights = 4 * layers * width * width;
  const [mapped, read] = [await addedBytes(true), await addedBytes(false)];
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  t.diagnostic(`weights ${megabytes(weights)} MB; added ${megabytes(mapped)} MB, read ${megabytes(read)} MB`);
  assert.ok(
    mapped < weights / 2 && read > 0.9 * weights,
    `${mapped} and ${read} beside weights of ${weights}`,
  );
});

test("a mapped weight of another shape, and a file that has shrunk, are refused", async (t) => {
  const folder = temporaryFolder(t);
  const named = await writeShards(folder, { tensors: new Map([["w", [4, 2]]]) });
  const engine = await startEngine(t, named, {});
  const turned = new Graph();
  turned.output("y", turned.one("Neg", [turned.weight("w", [2, 4])]));
  await assert.rejects(engine.compile(turned), { code: "weights/shape" });
  const file = (named[0] as Named).info.file;
  truncateSync(file, (named[0] as Named).info.end - 1);
  await assert.rejects(startEngine(t, named, {}), { code: "weights/truncated" });
});

test("files outside the first one's folder, bf16 and numbers across words are read into memory", async (t) => {
  const folder = temporaryFolder(t);
  const [own, other] = [join(folder, "a"), join(folder, "b")];
  for (const place of [own, other]) mkdirSync(place);
  const write = async (file: string, name: string, dtype: "F32" | "BF16"): Promise<Named> => {
    const data = dtype === "F32" ? Float32Array.of(1, 2) : Uint16Array.of(0x3f80, 0x4000);
    writeFileSync(file, encodeSafetensors({ [name]: { dtype, shape: [2], data } }));
    return { name, info: (await readHeader(file)).tensors.get(name) as TensorInfo };
  };
  const inFirst = await write(join(own, "1.safetensors"), "first", "F32");
  const outside = await write(join(other, "2.safetensors"), "outside", "F32");
  const half = await write(join(own, "3.safetensors"), "half", "BF16");
  const across = join(own, "across");
  writeFileSync(across, Buffer.concat([Buffer.alloc(1), Buffer.from(Float32Array.of(1, 2).buffer)]));
  const shifted: Named = { name: "shifted", info: { ...inFirst.info, file: across, begin: 1, end: 9 } };
  const all = [inFirst, outside, half, shifted];
  const engine = await startEngine(t, all, {});
  for (const { name } of all) {
    const g = new Graph();
    g.output("y", g.one("Neg", [g.weight(name, [2])]));
    const { y } = await (await engine.compile(g)).run({});
    assert.deepEqual(y, Float32Array.of(-1, -2), name);
  }
  const { mappedBytes, weightBytes } = await engine.stats();
  assert.deepEqual([mappedBytes, weightBytes], [8, 24]);
});
