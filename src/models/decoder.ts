/**
 * A decoder from its parts: the walk over layers that all families share. What differs is in the layers that a
 * family makes, and in what it does before the first and after the last.
 */
import type { Graph, Value } from "../graph/graph.ts";
import type { Architecture } from "./architecture.ts";
import { type AttentionInputs, attend, type LayerAttention, queriesOf } from "./attention.ts";
import type { Rope } from "./rope.ts";
import type { Sizes } from "./sizes.ts";
import type { Block, Weights } from "./weights.ts";

/** [B * n, heads * headDim] each, before rotation. */
export interface Projected {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** What a layer is given for its place in a program. */
export interface LayerStep {
  /** The rows that go on once keys and values are made: all of them, or in the last layer those that are read. */
  rows(x: Value): Value;
  /** The heads' contexts, [B * n, heads * headDim]. */
  attend(projected: Projected): Value;
}

export type LayerRun = (g: Graph, x: Value, step: LayerStep) => Value;

export interface Layer {
  readonly run: LayerRun;
  /** null where positions are not rotated. */
  readonly rope: Rope | null;
  /** How many positions it sees, itself included; all when absent. */
  readonly window?: number | null;
  /** Of scores; 1 / sqrt(headDim) when absent. */
  readonly scale?: number;
  readonly softcap?: number | null;
}

export interface DecoderParts {
  readonly modelType: string;
  readonly sizes: Sizes;
  readonly weights: Weights;
  readonly embedding: string;
  /** Name of the vocabulary head; null when it is the embedding table. */
  readonly head: string | null;
  readonly layers: readonly Layer[];
  readonly norm: Block;
  readonly prefixes?: readonly string[];
  readonly embeddingScale?: number;
  readonly placement?: "any" | "fixed";
  /** What becomes of the embeddings before the first layer. */
  prepare?(g: Graph, embeddings: Value, inputs: AttentionInputs): Value;
  /** What becomes of the vocabulary head's products. */
  readonly finish?: Block;
}

export function decoder(parts: DecoderParts): Architecture {
  const { sizes, weights, embedding, head, layers, prepare, finish } = parts;
  const { hidden, heads, kvHeads, headDim, vocab } = sizes;
  const ropes = [...new Set(layers.flatMap(({ rope }) => rope ?? []))];
  const windows = [...new Set(layers.map(({ window }) => window ?? null))];
  const how = layers.map(
    ({ rope, window, scale, softcap }): LayerAttention => ({
      window: windows.indexOf(window ?? null),
      rope: rope && ropes.indexOf(rope),
      scale: scale ?? 1 / Math.sqrt(headDim),
      softcap: softcap ?? null,
    }),
  );
  weights.tensor(embedding, [vocab, hidden]);
  const table = weights.tensor(head ?? embedding, [vocab, hidden]);
  return {
    modelType: parts.modelType,
    layers: layers.length,
    hiddenSize: hidden,
    heads,
    kvHeads,
    headDim,
    vocabSize: vocab,
    maxPositions: sizes.positions,
    ropes,
    windows,
    placement: parts.placement ?? "any",
    embeddingScale: parts.embeddingScale ?? 1,
    embedding,
    vocabularyHead: head ?? embedding,
    tensors: weights.shapes,
    prefixes: parts.prefixes ?? ["model.", ""],
    logits(g, rows) {
      const logits = g.one("Gemm", [rows, table(g)], { transB: 1 });
      return finish ? finish(g, logits) : logits;
    },
    forward(g, embeddings, inputs) {
      const residuals: Value[] = [];
      const keys: Value[] = [];
      const values: Value[] = [];
      let x = prepare ? prepare(g, embeddings, inputs) : embeddings;
      layers.forEach(({ run }, l) => {
        const own = how[l] as LayerAttention;
        const queries = queriesOf(g, inputs, own, l === layers.length - 1);
        x = run(g, x, {
          rows: queries.rows,
          attend(projected) {
            const sizesOf = { heads, kvHeads, headDim, ropes };
            const { context, key, value } = attend(g, projected, inputs, queries, sizesOf, own, l);
            keys.push(key);
            values.push(value);
            return context;
          },
        });
        residuals.push(x);
      });
      return { layers: residuals, hidden: parts.norm(g, x), keys, values };
    },
  };
}
