/**
 * llama.cpp's side of the benchmark of decoding, in the line protocol of child.ts: one text, greedy, from an empty
 * cache each time.
 *
 *     node bench/peers/llama_cpp.mjs FOLDER-WITH-NODE-LLAMA-CPP MODEL.gguf '{"prompt": 512, "tokens": 128, "threads": 2}'
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { answerLines } from "../answer-lines.mjs";

const [folder, file, options] = process.argv.slice(2);
const { prompt, tokens, threads } = JSON.parse(options);
const entry = createRequire(join(folder, "package.json")).resolve("node-llama-cpp");
const { getLlama } = await import(pathToFileURL(entry).href);
const { version } = JSON.parse(readFileSync(join(dirname(entry), "..", "package.json"), "utf8"));
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: threads });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({
  contextSize: prompt + tokens,
  batchSize: prompt,
  threads: { ideal: threads, min: threads },
});
const sequence = context.getSequence();
const ids = Array.from({ length: prompt }, (_, i) => 300 + ((i * 7919) % 40000));

async function decode() {
  await sequence.clearHistory();
  const began = performance.now();
  let first = 0;
  let written = 0;
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    if (written === 0) first = performance.now();
    if (++written === tokens) break;
  }
  const promptSeconds = (first - began) / 1000;
  return { promptSeconds, decodeSeconds: (performance.now() - first) / 1000 };
}

await decode();
const { release } = llama.llamaCppRelease;
await answerLines(decode, async () => ({ version: `${version}, llama.cpp ${release}` }));
