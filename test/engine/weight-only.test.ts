/** Weights in 4 and 8 bits: products against numbers unpacked here, whole models against f32, files, refusals. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { Runner } from "../../src/batch/runner.ts";
import { type BlockMatrix, blockMatrix } from "../../src/engine/block-weights.ts";
import { listCached } from "../../src/engine/cache-folder.ts";
import { Engine } from "../../src/engine/engine.ts";
import type { Precision } from "../../src/engine/precision.ts";
import { generate } from "../../src/generate/generate.ts";
import { elementCount, Graph } from "../../src/graph/graph.ts";
import { type Bits, PACKED_ROWS } from "../../src/graph/weight-only.ts";
import { Base } from "../../src/models/base.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { bareBase } from "../support/bare-base.ts";
import { polyglotFolder } from "../support/goldens.ts";
import fc from "../support/properties.ts";
import { Random } from "../support/random.ts";
import { textQuery } from "../support/random-prompts.ts";
import { relativeError } from "../support/tensors.ts";
import { tinyFamilies } from "../support/tiny-families.ts";

const bitsOf = { "4bit": 4, "8bit": 8 } as const;

/** Row `o`, place `i` of what `matrix` stands for, by the operator's specification. */
function unpacked({ values, scale, zero }: BlockMatrix, into: number, bits: Bits, o: number, i: number) {
  const blocks = Math.ceil(into / 32);
  const read = (from: Uint8Array, row: number, rowBytes: number, at: number): number => {
    const byte = from[row * rowBytes + Math.floor((at * bits) / 8)] as number;
    return bits === 8 ? byte : at % 2 === 0 ? byte % 16 : Math.floor(byte / 16);
  };
  const block = Math.floor(i / 32);
  const value = read(values, o, (blocks * 32 * bits) / 8, i);
  const from = read(zero, o, Math.ceil((blocks * bits) / 8), block);
  return (value - from) * (scale[o * blocks + block] as number);
}

const sizes = fc.record({
  out: fc.integer({ min: 1, max: 70 }),
  into: fc.integer({ min: 1, max: 100 }),
  seed: fc.nat(),
  bits: fc.constantFrom(4 as const, 8 as const),
  stored: fc.constantFrom("rows" as const, "columns" as const),
});

test("8 bits round a weight to a step of its block; 4 bits have no more error than steps over the whole range; zeros stay", () => {
  fc.assert(
    fc.property(sizes, ({ out, into, seed, bits, stored }) => {
      const weight = new Random(seed).floats(out * into, -1, 2);
      weight[0] = 0;
      const shape = stored === "rows" ? ([out, into] as const) : ([into, out] as const);
      const matrix = blockMatrix(weight, shape, { bits, stored });
      for (let o = 0; o < out; o++) {
        for (let from = 0; from < into; from += 32) {
          let [least, largest, error, count] = [0, 0, 0, 0];
          for (let i = from; i < Math.min(from + 32, into); i++) {
            const w = weight[stored === "rows" ? o * into + i : i * out + o] as number;
            const off = Math.abs(unpacked(matrix, into, bits, o, i) - w);
            if (w === 0) assert.equal(off, 0);
            [least, largest] = [Math.min(least, w), Math.max(largest, w)];
            [error, count] = [error + off ** 2, count + 1];
          }
          const step = (largest - least) / (2 ** bits - 1);
          assert.ok(error <= count * (step * 1.001) ** 2, `${error} of ${count} with steps of ${step}`);
        }
      }
    }),
  );
});

for (const [precision, bits] of Object.entries(bitsOf)) {
  test(`products in ${precision} are those of the unpacked weights, few rows and many`, async (t) => {
    const engine = await Engine.start({ precision: precision as Precision, threads: 1 });
    t.after(() => engine.close());
    const random = new Random(3);
    const shapes = [
      [1, 1, 1],
      [7, 33, 3],
      [64, 32, 1],
      [61, 95, 17],
      [130, 576, 2],
    ] as const;
    for (const [n, [out, into, few]] of shapes.entries()) {
      for (const rows of [few, PACKED_ROWS]) {
        for (const transB of [1, 0]) {
          const name = `w ${n} ${rows} ${transB}`;
          const shape = transB ? ([out, into] as const) : ([into, out] as const);
          const weight = random.floats(out * into);
          const bias = random.floats(out);
          const stored = transB ? "rows" : "columns";
          const matrix = blockMatrix(weight, shape, { bits, stored });
          await engine.upload(name, shape, weight);
          await engine.upload(`${name} bias`, [out], bias.slice());
          const g = new Graph();
          const inputs = [
            g.input("x", "f32", [rows, into]),
            g.weight(name, shape),
            g.weight(`${name} bias`, [out]),
          ];
          g.output("y", g.one("Gemm", inputs, transB ? { transB } : {}));
          const x = random.floats(rows * into);
          const y = (await (await engine.compile(g)).run({ x })).y as Float32Array;
          y.forEach((found, at) => {
            const [r, o] = [Math.floor(at / out), at % out];
            // With few rows the kernel may round the activations too, to 1/127 of the largest of a block.
            let [exact, rounding] = [bias[o] as number, 1e-4];
            for (let b = 0; b < into; b += 32) {
              let [largest, sum] = [0, 0];
              for (let i = b; i < Math.min(b + 32, into); i++) {
                const w = unpacked(matrix, into, bits, o, i);
                exact += (x[r * into + i] as number) * w;
                largest = Math.max(largest, Math.abs(x[r * into + i] as number));
                sum += Math.abs(w);
              }
              if (rows < PACKED_ROWS) rounding += (largest / 127 / 2) * sum;
            }
            assert.ok(Math.abs(found - exact) <= rounding, `${name}: ${found}, not ${exact}`);
          });
        }
      }
    }
  });
}

/** Logits after each position of one text, and what the weights take in memory. */
async function logitsOf(config: object, precision: Precision) {
  const architecture = readArchitecture({ ...config });
  const engine = await Engine.start({ precision, threads: 1 });
  try {
    const random = new Random(11);
    for (const [name, shape] of architecture.tensors) {
      const values = random.floats(elementCount(shape), -0.4, 0.4);
      await engine.upload(name, shape, shape.length === 1 ? values.map((v) => 1 + v / 4) : values);
    }
    const runner = new Runner(bareBase(architecture, engine), () => new Float32Array(0), {
      reuse: "none",
      tokens: 512,
    });
    const ids = Int32Array.from({ length: 12 }, (_, i) => (5 * i + 3) % 16);
    const labels = Array.from({ length: 11 }, (_, i) => ({ position: i + 1, id: ids[i + 1] as number }));
    return ((await runner.nll([textQuery(ids)], [labels])) as [Float32Array])[0];
  } finally {
    await engine.close();
  }
}

describe("every family", () => {
  for (const [type, config] of Object.entries(tinyFamilies)) {
    for (const tie_word_embeddings of [true, false]) {
      const whole = { model_type: type, ...config, tie_word_embeddings };
      test(`${type}, ${tie_word_embeddings ? "tied" : "untied"} head: 8 bits are near f32, 4 bits not as near`, async (t) => {
        const f32 = await logitsOf(whole, "f32");
        const [eight, four] = [await logitsOf(whole, "8bit"), await logitsOf(whole, "4bit")];
        const [near, far] = [relativeError(eight, f32), relativeError(four, f32)];
        t.diagnostic(`8 bits ${near.toExponential(1)}, 4 bits ${far.toExponential(1)}`);
        assert.ok(near > 0 && near < 0.02, String(near));
        assert.ok(far > near && far < 0.5, String(far));
      });
    }
  }
});

describe("polyglot-5m", () => {
  const prompts = ["In the beginning God created the heaven", "Et Dieu dit"];
  const options = { maxTokens: 12 };

  function ownCache(t: TestContext): string {
    const folder = mkdtempSync(join(tmpdir(), "tagllm-weights-"));
    process.env.TAGLLM_CACHE = folder;
    t.after(() => {
      delete process.env.TAGLLM_CACHE;
      rmSync(folder, { recursive: true });
    });
    return folder;
  }

  async function written(precision: Precision) {
    const base = await Base.load(polyglotFolder, { precision, threads: 1 });
    try {
      const texts = await generate(base, prompts, options);
      return { ids: texts.map(({ ids }) => [...ids]), stats: await base.engine.stats() };
    } finally {
      await base.close();
    }
  }

  test("files of weights are made once, and a damaged one is made again", async (t) => {
    const cache = ownCache(t);
    const first = await written("4bit");
    const folder = join(cache, "weights", readdirSync(join(cache, "weights"))[0] as string);
    const files = readdirSync(folder).filter((name) => name.endsWith(".4bit"));
    assert.equal(files.length, 6 * 7 + 1);
    const [listed] = await listCached("weights");
    assert.deepEqual(
      [listed?.about?.base, listed?.about?.precision, listed?.files, listed?.current],
      ["polyglot-5m", "4bit", files.length, true],
    );
    const path = join(folder, files[3] as string);
    const whole = readFileSync(path);
    assert.deepEqual((await written("4bit")).ids, first.ids);
    for (const damaged of [whole.subarray(0, 100), whole.map((b, i) => (i === 1000 ? b ^ 1 : b))]) {
      writeFileSync(path, damaged);
      assert.deepEqual((await written("4bit")).ids, first.ids);
      assert.deepEqual(readFileSync(path), whole);
    }
    await written("8bit");
    assert.equal((await listCached("weights")).length, 2);
  });

  test("what only products use is in memory in few bits, once for all programs", async (t) => {
    ownCache(t);
    const [f32, eight, four] = [await written("f32"), await written("8bit"), await written("4bit")];
    assert.ok(eight.stats.programs >= 2);
    const table = 4096 * 256;
    const products = f32.stats.weightBytes / 4 - table - 13 * 256;
    const expected = (bits: number) =>
      4 * (table + 13 * 256) + ((products + table) * (bits + 1 + bits / 32)) / 8;
    for (const [bits, { stats }] of [[8, eight] as const, [4, four] as const])
      assert.ok(Math.abs(stats.weightBytes / expected(bits) - 1) < 0.01, `${stats.weightBytes}`);
  });

  test("nothing is trained", async (t) => {
    ownCache(t);
    const base = await Base.load(polyglotFolder, { precision: "8bit" });
    t.after(() => base.close());
    const runner = new Runner(base, () => new Float32Array(0), { reuse: "none", tokens: 64 });
    await assert.rejects(
      runner.textStep([textQuery(Int32Array.of(1, 2, 3))], [[{ position: 2, id: 3 }]], [1]),
      { code: "engine/precision" },
    );
  });
});
