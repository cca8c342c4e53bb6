/** Where tags lie among the vocabulary: rows of the embedding without a token are nobody's neighbours. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Base } from "../../src/models/base.ts";
import { geometryOf } from "../../src/report/geometry.ts";
import { domainTag, sampleBase } from "../tags/sample.ts";

test("the nearest rows that have no token are passed over", async () => {
  const rows = Float32Array.of(1, 0, 0, 0, 1, 0.1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0);
  const tokenizer = {
    hasToken: (id: number) => id !== 0 && id !== 3,
    tokenText: (id: number) => {
      assert.ok(tokenizer.hasToken(id));
      return `token ${id}`;
    },
  };
  const base = {
    fingerprint: sampleBase,
    architecture: { hiddenSize: 4 },
    embeddingRows: async () => rows,
    tokenizer,
  } as unknown as Base;
  const tag = domainTag({ vectors: Float32Array.of(1, 0, 0, 0), length: 1 });
  const { tags } = await geometryOf(base, [tag], 3);
  assert.deepEqual(
    tags[0]!.vectors[0]!.nearest.map(({ token }) => token),
    ["token 1", "token 2"],
  );
});
