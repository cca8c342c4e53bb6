/**
 * Runs a checkpoint on the inputs of a golden file and returns the error of every number in it, measured as
 * max|x - g| / max|g|.
 */
import { layOut } from "../../src/batch/layout.ts";
import { sightFeeds } from "../../src/batch/sight.ts";
import type { Engine, Feed } from "../../src/engine/engine.ts";
import { differentiate } from "../../src/graph/gradients.ts";
import { Graph, type Value } from "../../src/graph/graph.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import { declareAttentionInputs } from "../../src/models/attention.ts";
import type { Base } from "../../src/models/base.ts";
import { embedTokens } from "../../src/models/program.ts";
import { openBareBase } from "./bare-base.ts";
import { textQuery } from "./random-prompts.ts";
import { type GoldenTensor, readGolden, relativeError } from "./tensors.ts";

export type GoldenErrors = Record<string, number>;

export async function checkModelGolden(
  folder: string,
  goldenFile: string,
  configName?: string,
): Promise<GoldenErrors> {
  const base = await openBareBase(folder, {}, configName);
  try {
    return await goldenErrors(base, await readGolden(goldenFile));
  } finally {
    await base.close();
  }
}

export async function goldenErrors(
  { engine, architecture }: Base,
  golden: Map<string, GoldenTensor>,
): Promise<GoldenErrors> {
  const errors = await compareForward(engine, architecture, golden);
  if (golden.has("greedy_ids")) errors.greedy_ids = await compareGreedy(engine, architecture, golden);
  return errors;
}

function need(golden: Map<string, GoldenTensor>, name: string): GoldenTensor {
  const tensor = golden.get(name);
  if (!tensor) throw new Error(`golden file has no ${name}`);
  return tensor;
}

/** Rows of plain text from their first position. */
function textFeeds(
  architecture: Architecture,
  ids: Int32Array,
  batch: number,
  length: number,
): Record<string, Feed> {
  const layout = layOut(textQuery(new Int32Array(length)), "none");
  const placed = Array.from({ length: batch }, (_, row) => ({ layout, row, offset: 0 }));
  return { ids, ...sightFeeds(architecture, placed, { batch, length, past: [] }) };
}

async function compareForward(
  engine: Engine,
  architecture: Architecture,
  golden: Map<string, GoldenTensor>,
): Promise<GoldenErrors> {
  const idTensor = need(golden, "input_ids");
  const [batch, length] = idTensor.shape as [number, number];
  const g = new Graph();
  const embeddings = embedTokens(g, architecture, g.input("ids", "i32", [batch * length]));
  const { layers, hidden } = architecture.forward(
    g,
    embeddings,
    declareAttentionInputs(g, architecture, { batch, length, past: [] }),
  );
  layers.forEach((layer, l) => {
    g.output(`layer_out.${l}`, layer);
  });
  const logits = architecture.logits(g, hidden);
  g.output("last_hidden_state", hidden);
  g.output("logits", logits);

  const scored = g.constant(
    BigInt64Array.from(
      Array.from({ length: batch * (length - 1) }, (_, i) => BigInt(i + Math.floor(i / (length - 1)))),
    ),
    [batch * (length - 1)],
  );
  const logp = g.one("LogSoftmax", [g.one("Gather", [logits, scored])]);
  const labels = g.input("labels", "i64", [batch * (length - 1), 1]);
  const picked = g.one("GatherElements", [logp, labels], { axis: 1 });
  const ce = g.one("Neg", [g.one("ReduceMean", [picked], { axes: [0, 1] })]);
  g.output("loss_ce", ce);
  g.output("grad_ce", differentiate(g, ce, [embeddings])[0] as Value);

  const lastRows = g.constant(
    BigInt64Array.from({ length: batch }, (_, b) => BigInt((b + 1) * length - 1)),
    [batch],
  );
  const w = g.input("w", "f32", [architecture.hiddenSize, 1]);
  const prediction = g.one("Gemm", [g.one("Gather", [hidden, lastRows]), w]);
  const error = g.one("Sub", [prediction, g.input("y", "f32", [batch, 1])]);
  const mse = g.one("ReduceMean", [g.one("Mul", [error, error])], { axes: [0, 1] });
  g.output("pred_reg", prediction);
  g.output("loss_reg", mse);
  g.output("grad_reg", differentiate(g, mse, [embeddings])[0] as Value);

  const ids = idTensor.data as Int32Array;
  const next = Array.from(ids).filter((_, i) => i % length !== 0);
  const program = await engine.compile(g);
  const outputs = await program.run({
    ...textFeeds(architecture, ids, batch, length),
    labels: BigInt64Array.from(next, BigInt),
    w: need(golden, "w").data as Float32Array,
    y: need(golden, "y").data as Float32Array,
  });
  const errors: GoldenErrors = {};
  for (const name of g.outputs.keys()) {
    errors[name] = relativeError(outputs[name] as Float32Array, need(golden, name).data);
  }
  return errors;
}

/**
 * Share of greedy tokens that differ: 0 when the continuation is exact. Each comes from a whole pass, of one
 * program for all lengths: what stands after the last token is seen by none before it.
 */
async function compareGreedy(
  engine: Engine,
  architecture: Architecture,
  golden: Map<string, GoldenTensor>,
): Promise<number> {
  const expected = need(golden, "greedy_ids").data;
  const begin = need(golden, "input_ids").shape[1] as number;
  const sequence = Array.from(need(golden, "input_ids").data.subarray(0, begin));
  const shape = { batch: 1, length: begin + expected.length, past: [] };
  const g = new Graph();
  const embeddings = embedTokens(g, architecture, g.input("ids", "i32", [shape.length]));
  const { hidden } = architecture.forward(g, embeddings, declareAttentionInputs(g, architecture, shape));
  const last = g.one("Gather", [hidden, g.input("last", "i64", [1])]);
  g.output("logits", architecture.logits(g, last));
  const program = await engine.compile(g);
  let wrong = 0;
  for (const want of expected) {
    const ids = new Int32Array(shape.length);
    ids.set(sequence);
    const layout = layOut(textQuery(Int32Array.from(sequence)), "none");
    const { logits } = await program.run({
      ids,
      last: BigInt64Array.of(BigInt(sequence.length - 1)),
      ...sightFeeds(architecture, [{ layout, row: 0, offset: 0 }], shape),
    });
    const best = (logits as Float32Array).reduce((b, x, i, all) => (x > (all[b] as number) ? i : b), 0);
    if (best !== want) wrong++;
    sequence.push(best);
  }
  return wrong / expected.length;
}
