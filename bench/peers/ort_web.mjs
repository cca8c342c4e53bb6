/**
 * onnxruntime-web's side of the benchmark of a step, on WebAssembly in Node, in the line protocol of child.ts: our own
 * graphs and feeds as bench/web-step.ts wrote them, weights as constants.
 *
 *     node bench/peers/ort_web.mjs FOLDER-WITH-ONNXRUNTIME-WEB STEP-FOLDER THREADS
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { answerLines } from "../answer-lines.mjs";

const [packages, folder, threads] = process.argv.slice(2);
const ort = createRequire(join(packages, "package.json"))("onnxruntime-web");
ort.env.wasm.numThreads = Number(threads);
ort.env.logLevel = "error";

const { graphs, runs } = JSON.parse(readFileSync(join(folder, "runs.json"), "utf8"));
const weights = new Uint8Array(readFileSync(join(folder, "weights.bin")));
const sessions = [];
for (let i = 0; i < graphs; i++) {
  const onnx = new Uint8Array(readFileSync(join(folder, `graph-${i}.onnx`)));
  const externalData = [{ path: "weights.bin", data: weights }];
  sessions.push(
    await ort.InferenceSession.create(onnx, {
      executionProviders: ["wasm"],
      externalData,
      logSeverityLevel: 3,
    }),
  );
}

const arrays = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array };
const tensorOf = ({ dtype, dims, data }) => {
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  return new ort.Tensor(dtype, new arrays[dtype](bytes.buffer), dims);
};
const feeds = runs.map(({ feeds: own }) =>
  Object.fromEntries(Object.entries(own).map(([name, feed]) => [name, tensorOf(feed)])),
);

async function step() {
  const began = performance.now();
  let loss = 0;
  for (const [i, { graph }] of runs.entries()) {
    const outputs = await sessions[graph].run(feeds[i]);
    loss += outputs.loss.data[0];
    if (!outputs["grad.vectors"].data.some((g) => g !== 0)) throw new Error("the tag has no gradient");
  }
  return { seconds: (performance.now() - began) / 1000, loss };
}

await step();
await answerLines(step, async () => ({ version: ort.env.versions.web }));
