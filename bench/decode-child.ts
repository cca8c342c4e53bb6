/**
 * Our side of the benchmark of decoding, a process of its own, in the line protocol of child.ts: the library's own
 * writing of one text, greedy, on a model of random weights.
 *
 *     decode    reads the prompt and writes after it     span    the same; most of the prompt is a stored span
 *
 *     node --import tsx bench/decode-child.ts '{"config": ..., "prompt": 512, ...}' f32
 */
import type { Query } from "../src/batch/layout.ts";
import { Runner } from "../src/batch/runner.ts";
import { Engine } from "../src/engine/engine.ts";
import type { Precision } from "../src/engine/precision.ts";
import { decode } from "../src/generate/decode.ts";
import { chooser } from "../src/generate/sampling.ts";
import { SingleWriter } from "../src/generate/writer.ts";
import { readArchitecture } from "../src/models/families.ts";
import { bareBase } from "../test/support/bare-base.ts";
import { answerLines } from "./answer-lines.mjs";
import type { Decoded, DecodeShape } from "./decode-shape.ts";
import { random, randomFloats, uploadWeights } from "./random-base.ts";

const VECTORS = 10;
/** Tokens of the prompt behind the stored span. */
const BEHIND = 32;

const shape = JSON.parse(process.argv[2] as string) as DecodeShape;
const precision = process.argv[3] as Precision;
const engine = await Engine.start({ threads: shape.threads, precision });
const architecture = readArchitecture(shape.config);
await uploadWeights(engine, architecture);
const base = bareBase(architecture, engine);
const vectors = randomFloats(VECTORS * architecture.hiddenSize);
const runnerOf = (reuse: "none" | "spans") =>
  new Runner(base, () => vectors, { reuse, tokens: shape.prompt });
const [whole, stored] = [runnerOf("none"), runnerOf("spans")];

const ids = Int32Array.from({ length: shape.prompt }, () => Math.floor(random() * architecture.vocabSize));
const prompt = { ids, slots: [], spans: [], pieces: [], readout: null, target: null, trimmed: [] };
const plain: Query = { prompt, isolate: false, cut: shape.prompt - 1 };
const withSpan: Query = {
  ...plain,
  isolate: true,
  prompt: {
    ...prompt,
    ids: ids.map((id, i) => (i < VECTORS ? -1 : id)),
    slots: [{ tag: "Tag", position: 0 }],
    spans: [{ tag: "Tag", field: "text", start: 0, end: shape.prompt - BEHIND, isolate: true }],
  },
};

async function write(runner: Runner, query: Query): Promise<Decoded> {
  const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
  const ends = { maxTokens: shape.tokens, eos: new Set<number>(), room: shape.tokens };
  const writer = new SingleWriter(query.prompt.ids, chooser(greedy, 0), ends);
  const began = performance.now();
  let first = 0;
  for await (const _ of decode(runner, [{ query, writer }], 1)) first ||= performance.now();
  if (writer.ids.length !== shape.tokens) throw new Error(`${writer.ids.length} tokens were written`);
  return { promptSeconds: (first - began) / 1000, decodeSeconds: (performance.now() - first) / 1000 };
}

const answers: Record<string, () => Promise<Decoded>> = {
  decode: () => write(whole, plain),
  span: () => write(stored, withSpan),
};

for (const answer of Object.values(answers)) await answer();
await answerLines(
  (request) => {
    const answer = answers[request];
    if (!answer) throw new Error(`unknown request ${request}`);
    return answer();
  },
  async () => {
    const { weightBytes } = await engine.stats();
    await engine.close();
    return { weightBytes };
  },
);
