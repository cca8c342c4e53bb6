/**
 * llama.cpp as a second witness: the same random weights, written as GGUF and read by node-llama-cpp, give the same
 * greedy tokens and the same probabilities. It is no dependency, as its packages for all platforms take 700 MB; this
 * needs 85 MB and downloads nothing more:
 *
 *   npm install --no-save --omit=optional node-llama-cpp @node-llama-cpp/linux-x64
 *
 * LLAMA_CPP=FOLDER names another folder in which that was done.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Runner } from "../../src/batch/runner.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Lanes, type Token } from "../../src/generate/lanes.ts";
import { elementCount } from "../../src/graph/graph.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { bareBase } from "../support/bare-base.ts";
import { encodeGguf, type NamedTensor } from "../support/gguf.ts";
import { Random } from "../support/random.ts";
import { textQuery } from "../support/random-prompts.ts";

interface LlamaCpp {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{ getSequence(): Sequence }>;
    }>;
    dispose(): Promise<void>;
  }>;
}

interface Sequence {
  controlledEvaluate(
    input: readonly (number | [number, object])[],
  ): Promise<readonly ({ next: { probabilities?: Map<number, number> } } | undefined)[]>;
}

async function findLlamaCpp(): Promise<LlamaCpp | null> {
  const from = process.env.LLAMA_CPP;
  try {
    if (from === undefined) return (await import("node-llama-cpp" as string)) as LlamaCpp;
    const path = createRequire(join(from, "package.json")).resolve("node-llama-cpp");
    return (await import(pathToFileURL(path).href)) as LlamaCpp;
  } catch {
    return null;
  }
}

const llamaCpp = await findLlamaCpp();
const skip =
  llamaCpp === null && "needs node-llama-cpp: see the first lines of test/models/llama-cpp.test.ts";

const sizes = {
  vocab_size: 320,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
};
const shapes = {
  llama: { ...sizes, head_dim: 16, rms_norm_eps: 1e-5, rope_theta: 10000, tie_word_embeddings: false },
  qwen3: { ...sizes, head_dim: 32, rms_norm_eps: 1e-6, rope_theta: 1e6, tie_word_embeddings: true },
};

const prompt = [1, 17, 99, 42, 7, 150, 33, 64, 81, 12, 120, 5];
const steps = 12;

for (const [family, shape] of Object.entries(shapes)) {
  test(`llama.cpp says the same of random weights: ${family}`, { skip }, async (t) => {
    const config = { model_type: family, ...shape };
    const architecture = readArchitecture(config);
    const random = new Random(5);
    const tensors = new Map<string, NamedTensor>();
    for (const [name, dims] of architecture.tensors) {
      const spread = dims.length === 1 ? 0.3 : 2 * Math.sqrt(3 / (dims[1] as number));
      const values = random.floats(elementCount(dims), -spread, spread);
      tensors.set(name, { shape: dims, values: dims.length === 1 ? values.map((v) => 1 + v) : values });
    }
    const engine = await Engine.start();
    for (const [name, { shape: dims, values }] of tensors) await engine.upload(name, dims, values.slice());
    const base = bareBase(architecture, engine);
    const runner = new Runner(base, () => new Float32Array(0), { reuse: "spans", tokens: 256 });
    const lanes = new Lanes(runner, { count: 1, tips: 1, blocks: 0 });
    t.after(async () => {
      await lanes.close();
      await engine.close();
    });

    const folder = await mkdtemp(join(tmpdir(), "gguf-"));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, "model.gguf");
    await writeFile(file, encodeGguf(config, tensors));
    const llama = await (llamaCpp as LlamaCpp).getLlama({ gpu: false, build: "never", logLevel: "error" });
    t.after(() => llama.dispose());
    const model = await llama.loadModel({ modelPath: file, defaultContextFlashAttention: false });
    const sequence = (
      await model.createContext({
        contextSize: 64,
        experimentalKvCacheKeyType: "F32",
        experimentalKvCacheValueType: "F32",
      })
    ).getSequence();
    const asked = { temperature: 1, topK: 0, topP: 1, minP: 0 };
    const last = (id: number): [number, object] => [
      id,
      { generateNext: { probabilities: true, options: asked } },
    ];

    const layouts = runner.layouts([textQuery(Int32Array.from(prompt))]);
    let [ours] = await lanes.enter(layouts.map((layout) => ({ lane: 0, layout })));
    let before: Token | null = null;
    let theirs = (await sequence.controlledEvaluate([...prompt.slice(0, -1), last(prompt.at(-1)!)])).at(-1);
    let difference = 0;
    for (let step = 0; ; step++) {
      const own = softmax(ours!);
      const { probabilities } = theirs!.next;
      assert.equal(probabilities!.size, own.length);
      for (const [id, p] of probabilities!) difference = Math.max(difference, Math.abs(p - own[id]!));
      const best = own.indexOf(Math.max(...own));
      const [first] = [...probabilities!].sort(([, a], [, b]) => b - a);
      assert.equal(first![0], best, `token ${step}`);
      if (step === steps - 1) break;
      const [stepped] = await lanes.step([{ lane: 0, next: [{ id: best, before }] }]);
      before = stepped!.tokens[0]!;
      ours = stepped!.logits[0];
      theirs = (await sequence.controlledEvaluate([last(best)])).at(-1);
    }
    t.diagnostic(`largest difference of a probability: ${difference.toExponential(1)}`);
    assert.ok(difference < 1e-3, `${difference}`);
  });
}

function softmax(logits: Float32Array): Float64Array {
  const largest = Math.max(...logits);
  const raised = Float64Array.from(logits, (x) => Math.exp(x - largest));
  const sum = raised.reduce((a, b) => a + b, 0);
  return raised.map((x) => x / sum);
}
