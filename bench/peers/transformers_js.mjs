/**
 * transformers.js' side of the benchmark of decoding, in the line protocol of child.ts: its own `generate`, greedy.
 *
 *     node bench/peers/transformers_js.mjs FOLDER-WITH-TRANSFORMERS MODEL-FOLDER '{"prompt": 512, "tokens": 128, ...}'
 */
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { answerLines } from "../answer-lines.mjs";

const [folder, place, options] = process.argv.slice(2);
const { prompt, tokens, threads, format } = JSON.parse(options);
const require = createRequire(join(folder, "package.json"));
const entry = require.resolve("@huggingface/transformers").replace(/\.cjs$/, ".mjs");
const { AutoModelForCausalLM, BaseStreamer, Tensor, env } = await import(pathToFileURL(entry).href);
env.allowRemoteModels = false;
env.localModelPath = dirname(place);
const model = await AutoModelForCausalLM.from_pretrained(basename(place), {
  dtype: format === "f32" ? "fp32" : "q4",
  device: "cpu",
  local_files_only: true,
  session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
});
const ids = BigInt64Array.from({ length: prompt }, (_, i) => BigInt(300 + ((i * 7919) % 40000)));
const inputs = new Tensor("int64", ids, [1, prompt]);
const mask = new Tensor("int64", new BigInt64Array(prompt).fill(1n), [1, prompt]);

/** Hears the prompt, then every token. */
class Clock extends BaseStreamer {
  heard = 0;
  first = 0;
  put() {
    if (++this.heard === 2) this.first = performance.now();
  }
  end() {}
}

async function decode() {
  const clock = new Clock();
  const began = performance.now();
  await model.generate({
    inputs,
    attention_mask: mask,
    max_new_tokens: tokens,
    do_sample: false,
    streamer: clock,
  });
  if (clock.heard !== tokens + 1) throw new Error(`${clock.heard - 1} tokens were written`);
  return {
    promptSeconds: (clock.first - began) / 1000,
    decodeSeconds: (performance.now() - clock.first) / 1000,
  };
}

await decode();
await answerLines(decode, async () => ({ version: env.version }));
