/** Where tags lie among the base's own embeddings. */
import type { Base } from "../models/base.ts";
import { requireBase } from "../tags/base.ts";
import type { Tag } from "../tags/tag.ts";

export interface TagGeometry {
  readonly tag: string;
  readonly kind: string;
  readonly vectors: readonly { readonly norm: number; readonly nearest: readonly NearToken[] }[];
}

export interface NearToken {
  readonly token: string;
  readonly cosine: number;
}

export interface Geometry {
  /** Mean norm of the vocabulary's rows. */
  readonly vocabularyNorm: number;
  readonly tags: readonly TagGeometry[];
  /** Cosine of the tags' mean vectors, [tags, tags]. */
  readonly cosines: readonly (readonly number[])[];
}

/** @throws tag/wrong-base */
export async function geometryOf(base: Base, tags: readonly Tag[], nearest = 3): Promise<Geometry> {
  for (const tag of tags) requireBase(tag, base.fingerprint);
  const placed = tags.filter((t) => t.length > 0);
  const rows = await base.embeddingRows();
  const width = base.architecture.hiddenSize;
  const count = rows.length / width;
  const norms = Float64Array.from({ length: count }, (_, i) =>
    norm(rows.subarray(i * width, (i + 1) * width)),
  );
  const means = placed.map((t) => meanRow(t.vectors, width));
  return {
    vocabularyNorm: norms.reduce((s, n) => s + n, 0) / count,
    tags: placed.map(({ name, kind, vectors, length }) => ({
      tag: name,
      kind,
      vectors: Array.from({ length }, (_, i) => {
        const vector = vectors.subarray(i * width, (i + 1) * width);
        return { norm: norm(vector), nearest: nearestTokens(base, vector, rows, norms, nearest) };
      }),
    })),
    cosines: means.map((a) => means.map((b) => dot(a, b) / (norm(a) * norm(b)))),
  };
}

function nearestTokens(
  base: Base,
  vector: Float32Array,
  rows: Float32Array,
  norms: Float64Array,
  count: number,
): NearToken[] {
  const own = norm(vector);
  const best: { id: number; cosine: number }[] = [];
  norms.forEach((n, id) => {
    if (!base.tokenizer.hasToken(id)) return;
    const row = rows.subarray(id * vector.length, (id + 1) * vector.length);
    const cosine = n > 0 ? dot(vector, row) / (own * n) : -1;
    if (best.length === count && cosine <= (best[count - 1] as { cosine: number }).cosine) return;
    best.push({ id, cosine });
    best.sort((a, b) => b.cosine - a.cosine);
    if (best.length > count) best.pop();
  });
  return best.map(({ id, cosine }) => ({ token: base.tokenizer.tokenText(id), cosine }));
}

function meanRow(vectors: Float32Array, width: number): Float32Array {
  const mean = new Float32Array(width);
  const rows = vectors.length / width;
  vectors.forEach((x, i) => {
    mean[i % width] = (mean[i % width] as number) + x / rows;
  });
  return mean;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

const norm = (a: Float32Array): number => Math.sqrt(dot(a, a));
