/**
 * Two small tags for polyglot-5m, untrained: what docs/interop.md feeds to another program.
 *
 *     node --import tsx test/golden/make/interop-tags.ts      and then interop.py beside it
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Base } from "../../../src/models/base.ts";
import { defaultBase } from "../../../src/models/default-base.ts";
import { saveTag, tagFile } from "../../../src/tags/file.ts";
import { embeddingStats, initialVectors } from "../../../src/tags/init.ts";
import { type Tag, tagDigest } from "../../../src/tags/tag.ts";

const folder = join(fileURLToPath(new URL("../interop", import.meta.url)), "tags");
const base = await Base.load(defaultBase);
const { vocabSize: vocab, hiddenSize: width } = base.architecture;
const table = { rows: await base.embeddingRows(), vocab, width };
await base.close();
const stats = embeddingStats(table);
const vectors = (seed: number) => initialVectors(table, stats, 3, { from: "vocabulary", noise: 0.5 }, seed);

const common = { length: 3, width, isolate: true, provenance: {}, base: base.fingerprint };
const smiles: Tag = {
  ...common,
  name: "SMILES",
  kind: "domain",
  vectors: vectors(1),
  head: null,
  splitCharacters: false,
  bos: false,
  scaling: null,
  template: null,
  outputs: [],
  usesTags: [],
};
const logp: Tag = {
  ...common,
  name: "LogP",
  kind: "function",
  vectors: vectors(2),
  head: { outputs: 1, weight: stats.mean.map((v, i) => (i % 2 ? 1 : -1) * v), bias: Float32Array.of(0.25) },
  splitCharacters: false,
  bos: true,
  scaling: [{ mean: 2.5, scale: 1.5 }],
  template: "The molecule is <SMILES> {smiles}. \nIts logP is <LogP>",
  outputs: ["logp"],
  usesTags: [{ name: "SMILES", sha256: tagDigest(smiles) }],
};
for (const tag of [smiles, logp]) await saveTag(tagFile(folder, tag.name), tag);
