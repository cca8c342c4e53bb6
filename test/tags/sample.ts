/** Small valid tags for tests. */
import { baseFingerprint } from "../../src/models/fingerprint.ts";
import type { Tag } from "../../src/tags/tag.ts";

export const sampleBase = baseFingerprint({
  name: "tiny",
  architecture: "llama",
  hiddenSize: 4,
  layers: 2,
  vocabSize: 10,
  tokenizer: "a".repeat(64),
  weights: "b".repeat(64),
});

export function domainTag(changes: Partial<Tag> = {}): Tag {
  return {
    name: "SMILES",
    kind: "domain",
    vectors: Float32Array.from({ length: 12 }, (_, i) => (i - 5) / 7),
    length: 3,
    width: 4,
    head: null,
    splitCharacters: true,
    isolate: true,
    bos: false,
    scaling: null,
    template: null,
    outputs: [],
    usesTags: [],
    base: sampleBase,
    provenance: { created: "2025-01-01T00:00:00Z", steps: 200 },
    ...changes,
  };
}

export function functionTag(changes: Partial<Tag> = {}): Tag {
  return domainTag({
    name: "QED",
    kind: "function",
    head: {
      weight: Float32Array.from({ length: 8 }, (_, i) => i / 3),
      bias: Float32Array.of(0.1, -0.2),
      outputs: 2,
    },
    splitCharacters: false,
    isolate: true,
    scaling: [
      { mean: 0.1, scale: 2 },
      { mean: -3e-7, scale: 1e9 },
    ],
    template: 'The value of "<SMILES> {smiles}"\n\\< é 😀 is <QED> {qed}.',
    outputs: ["qed", "logp"],
    usesTags: [{ name: "SMILES", sha256: "c".repeat(64) }],
    ...changes,
  });
}
