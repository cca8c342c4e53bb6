/**
 * The numbers a new tag begins with. They must lie where embedding rows lie: plain normal noise of norm 1 per
 * element trains badly. The default is the mean embedding at the length of a typical row; its rows are equal,
 * so a little noise or sampled rows help where position alone does not tell them apart.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { TagllmError } from "../errors.ts";

/** The embedding table of a base: `rows` is [vocab, width], as they enter it (for gemma3 already scaled). */
export interface EmbeddingTable {
  rows: Float32Array;
  vocab: number;
  width: number;
}

export interface EmbeddingStats {
  /** Mean over the vocabulary, [width]: also the paper's first weights for a head. */
  mean: Float32Array;
  /** Mean Euclidean norm of a row. */
  meanNorm: number;
}

export type TagInit =
  /** Every row the mean embedding, at the mean norm of the table's rows. */
  | { from: "mean"; noise: number }
  /** Rows of the table, drawn without repetition as long as there are enough. */
  | { from: "vocabulary"; noise: number }
  /** The rows of these token ids, repeated or cut to the length. */
  | { from: "text"; ids: ArrayLike<number>; noise: number };

export function embeddingStats({ rows, vocab, width }: EmbeddingTable): EmbeddingStats {
  const sum = new Float64Array(width);
  let norms = 0;
  for (let row = 0; row < vocab; row++) {
    let squares = 0;
    for (let i = 0; i < width; i++) {
      const value = rows[row * width + i]!;
      sum[i]! += value;
      squares += value * value;
    }
    norms += Math.sqrt(squares);
  }
  return { mean: Float32Array.from(sum, (value) => value / vocab), meanNorm: norms / vocab };
}

/** [length, width], every row the mean embedding scaled to the mean norm. Throws tag/init when the mean is 0. */
export function meanInit({ mean, meanNorm }: EmbeddingStats, length: number): Float32Array {
  const norm = Math.hypot(...mean);
  if (!(norm > 0)) {
    const problem = `The embedding rows have the mean norm ${meanNorm} and their mean has the norm ${norm}, which has no direction.`;
    throw new TagllmError("tag/init", problem, 'Initialise from "vocabulary" or "text" instead.');
  }
  const row = mean.map((value) => (value * meanNorm) / norm);
  return repeatRows([row], length);
}

/**
 * Vectors of a new tag, [length, width]. `noise` is the expected norm of what is added to each row, in units
 * of the mean row norm; the same seed gives the same numbers. Throws tag/init.
 */
export function initialVectors(
  table: EmbeddingTable,
  stats: EmbeddingStats,
  length: number,
  init: TagInit,
  seed: number,
): Float32Array {
  const random = xoroshiro128plus(seed);
  const vectors =
    init.from === "mean"
      ? meanInit(stats, length)
      : repeatRows(pickRows(table, chosenIds(table, length, init, random)), length);
  if (init.noise !== 0) addNoise(vectors, (init.noise * stats.meanNorm) / Math.sqrt(table.width), random);
  return vectors;
}

function chosenIds(
  { vocab }: EmbeddingTable,
  length: number,
  init: Exclude<TagInit, { from: "mean" }>,
  random: RandomGenerator,
): number[] {
  if (init.from === "vocabulary") return sampleIds(vocab, Math.min(length, vocab), random);
  if (init.ids.length === 0) {
    throw new TagllmError(
      "tag/init",
      "The text to initialise a tag from has 0 tokens.",
      "Give a longer text.",
    );
  }
  return Array.from(init.ids).slice(0, length);
}

/** `count` different ids below `vocab` (Floyd's method). */
function sampleIds(vocab: number, count: number, random: RandomGenerator): number[] {
  const chosen = new Set<number>();
  for (let top = vocab - count; top < vocab; top++) {
    const id = uniformInt(random, 0, top);
    chosen.add(chosen.has(id) ? top : id);
  }
  return [...chosen];
}

function pickRows({ rows, vocab, width }: EmbeddingTable, ids: readonly number[]): Float32Array[] {
  return ids.map((id) => {
    if (!(Number.isInteger(id) && id >= 0 && id < vocab)) {
      const problem = `A tag cannot start from token ${id}: the embedding table has ${vocab} rows.`;
      throw new TagllmError("tag/init", problem, "Use the tokenizer that belongs to the base.");
    }
    return rows.subarray(id * width, (id + 1) * width);
  });
}

function repeatRows(rows: readonly Float32Array[], length: number): Float32Array {
  const width = rows[0]?.length ?? 0;
  const vectors = new Float32Array(length * width);
  for (let i = 0; i < length; i++) vectors.set(rows[i % rows.length]!, i * width);
  return vectors;
}

/** Normal noise of the given standard deviation (Box-Muller). */
function addNoise(vectors: Float32Array, deviation: number, random: RandomGenerator): void {
  for (let i = 0; i < vectors.length; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat64(random)));
    vectors[i]! += deviation * radius * Math.cos(2 * Math.PI * uniformFloat64(random));
  }
}
