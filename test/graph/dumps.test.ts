/**
 * The text form of whole programs, kept in test/golden/dumps so that a change of the emitted graphs is seen in
 * review. After an intended change: UPDATE_DUMPS=1 node --import tsx --test test/graph/dumps.test.ts
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { dumpGraph } from "../../src/graph/dump.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { buildProgram, type ProgramSpec } from "../../src/models/program.ts";
import { tinyFamilies } from "../support/tiny-families.ts";
import { tinyLlama } from "../support/tiny-llama.ts";

const programs: Record<string, ProgramSpec> = {
  "train-text": { batch: 2, length: 6, past: [], slots: 3, reads: 4, result: { kind: "text", train: true } },
  "train-head-on-stored": {
    batch: 2,
    length: 3,
    past: [5, 7],
    slots: 4,
    reads: 2,
    result: { kind: "head", outputs: 1, centred: false },
  },
  prefill: { batch: 1, length: 6, past: [], slots: 2, reads: 0, result: { kind: "keys" } },
};

const onStored: ProgramSpec = {
  batch: 1,
  length: 3,
  past: [4],
  slots: 1,
  reads: 1,
  result: { kind: "logits" },
};

function testDump(name: string, config: Record<string, unknown>, spec: ProgramSpec): void {
  test(name, async () => {
    const file = new URL(`../golden/dumps/${name}.txt`, import.meta.url);
    const build = () => dumpGraph(buildProgram(readArchitecture(config), spec));
    const dump = build();
    assert.equal(build(), dump, "two builds give one text");
    if (process.env.UPDATE_DUMPS) await writeFile(file, dump);
    assert.equal(
      dump,
      await readFile(file, "utf8"),
      "the graph has changed; if it was meant to: UPDATE_DUMPS=1 node --import tsx --test test/graph/dumps.test.ts",
    );
  });
}

for (const [name, spec] of Object.entries(programs)) testDump(`llama-${name}`, tinyLlama, spec);
/** Two layers, of both kinds where a family has two. */
const two = {
  num_hidden_layers: 2,
  n_layer: 2,
  sliding_window_pattern: 2,
  no_rope_layer_interval: 2,
};
for (const [model_type, config] of Object.entries(tinyFamilies)) {
  if (model_type === "llama") continue;
  testDump(`${model_type}-logits-on-stored`, { model_type, ...config, ...two }, onStored);
}
