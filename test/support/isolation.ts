/**
 * How exact span isolation is, as numbers. A span (domain tag and data) is put behind different texts and
 * another span; compared are its keys and values in all layers, and the states that later text gets from it.
 *
 * Stored: what the runner keeps for the span, read back from the engine. Full mask: the whole prompt in one run,
 * where the span's rows of keys and values stand at the span's slots; keys are rotated back by the span's offset
 * (in f64) before they are compared across offsets.
 */
import { BlockNames } from "../../src/batch/blocks.ts";
import { makeBatch } from "../../src/batch/feeds.ts";
import { layOut, type Query } from "../../src/batch/layout.ts";
import { Runner } from "../../src/batch/runner.ts";
import { roundLength } from "../../src/batch/sizes.ts";
import { BlockStore } from "../../src/batch/store.ts";
import { Graph } from "../../src/graph/graph.ts";
import type { Base } from "../../src/models/base.ts";
import type { Rope } from "../../src/models/rope.ts";
import { readout } from "../../src/train/tasks.ts";
import { Random } from "./random.ts";
import { goldenPath, goldenVectors } from "./tag-golden.ts";
import { readGolden, relativeError } from "./tensors.ts";

export interface IsolationNumbers {
  /** Numbers of stored keys and values that differ in any bit between a span's uses at different offsets. */
  readonly storedDiffering: number;
  /**
   * Stored when the span was first computed in a batch with other spans, against alone: max|x - y| / max|y|.
   * Not bit-equal: the runtime picks its order of sums by the shape of the whole batch.
   */
  readonly storedInBatch: number;
  /** Numbers that differ in any bit through the full mask: the same slot behind different text. */
  readonly sameSlotDiffering: number;
  /** Through the full mask at other slots: max|x - y| / max|y| over keys and values of all layers. */
  readonly otherSlots: number;
  /** States at the read-out, stored span against full mask: max|x - y| / max|y|. */
  readonly readOut: number;
  /** The same slot behind different text without isolation: what an ineffective mask would show. */
  readonly withoutIsolation: number;
  /** How many numbers each comparison covers. */
  readonly compared: number;
}

const SPAN_TOKENS = 30;
const TAIL_TOKENS = 6;
const OFFSETS = [0, 7, 16, 29];

interface Placed {
  readonly query: Query;
  /** The measured span's first position. */
  readonly start: number;
}

interface Pieces {
  /** Text before the span. */
  readonly before: readonly number[];
  /** Data of a span before the measured one. */
  readonly other?: readonly number[];
  readonly data: readonly number[];
  readonly tail: readonly number[];
}

function place({ before, other, data, tail }: Pieces, length: number, isolate: boolean): Placed {
  const ids = [...before];
  const slots: { tag: string; position: number }[] = [];
  const spans: Query["prompt"]["spans"] = [];
  const add = (tag: string, field: readonly number[]) => {
    const start = ids.length;
    slots.push({ tag, position: start });
    ids.push(...new Array<number>(length).fill(-1), ...field);
    if (field.length) spans.push({ tag, field: "data", start, end: ids.length, isolate: true });
    return start;
  };
  if (other) add("SMILES", other);
  const start = add("Protein", data);
  ids.push(...tail);
  const cut = add("Function", []);
  const prompt = {
    ids: Int32Array.from(ids),
    slots,
    spans,
    pieces: [],
    readout: ids.length - 1,
    target: null,
    trimmed: [],
  };
  return { query: { prompt, isolate, cut }, start };
}

export async function measureIsolation(base: Base): Promise<IsolationNumbers> {
  const vectors = goldenVectors(await readGolden(goldenPath("tags-p10-isolated")));
  const { hiddenSize, vocabSize } = base.architecture;
  const length = (vectors.get("Protein") as Float32Array).length / hiddenSize;
  const random = new Random(11);
  const tokens = (count: number) => Array.from({ length: count }, () => random.int(3, vocabSize - 1));
  const [data, tail] = [tokens(SPAN_TOKENS), tokens(TAIL_TOKENS)];
  const make = (before: readonly number[], other?: readonly number[], isolate = true) =>
    place({ before, data, tail, ...(other && { other }) }, length, isolate);
  const uses = [...OFFSETS.map((n) => make(tokens(n))), make(tokens(4), tokens(9))];
  const size = length + SPAN_TOKENS;
  const run = new Measurement(base, vectors, size);

  const [first, ...others] = await Promise.all(uses.map((use) => run.stored([use], use)));
  const neighbours = [make([], tokens(5)), make(tokens(2), tokens(60))];
  const inBatch = await run.stored([...neighbours, ...uses], uses[0] as Placed);
  const [left, right] = [make(tokens(16)), make(tokens(16))];
  const [plainLeft, plainRight] = [left, right].map(({ query, start }) => ({
    query: { ...query, isolate: false },
    start,
  })) as [Placed, Placed];
  const [reference, ...elsewhere] = await Promise.all(uses.map((use) => run.throughMask(use)));
  return {
    storedDiffering: Math.max(...others.map((x) => differing(x, first as Float32Array))),
    storedInBatch: relativeError(inBatch, first as Float32Array),
    sameSlotDiffering: differing(await run.throughMask(left), await run.throughMask(right)),
    otherSlots: Math.max(...elsewhere.map((x) => relativeError(x, reference as Float32Array))),
    readOut: relativeError(await run.states("spans", uses), await run.states("none", uses)),
    withoutIsolation: relativeError(await run.throughMask(plainLeft), await run.throughMask(plainRight)),
    compared: (first as Float32Array).length,
  };
}

function differing(x: Float32Array, y: Float32Array): number {
  const [a, b] = [
    new Uint32Array(x.buffer, x.byteOffset, x.length),
    new Uint32Array(y.buffer, y.byteOffset, y.length),
  ];
  return a.reduce((n, bits, i) => n + (bits === b[i] ? 0 : 1), 0);
}

/** Keys and values of one span as one array: layers x (keys, values) x heads x positions x headDim. */
class Measurement {
  private readonly base: Base;
  private readonly vectors: ReadonlyMap<string, Float32Array>;
  private readonly size: number;

  constructor(base: Base, vectors: ReadonlyMap<string, Float32Array>, size: number) {
    this.base = base;
    this.vectors = vectors;
    this.size = size;
  }

  private readonly vectorsOf = (tag: string): Float32Array => this.vectors.get(tag) as Float32Array;

  private runner(reuse: "spans" | "none", store?: BlockStore): Runner {
    return new Runner(this.base, this.vectorsOf, { reuse, tokens: 1024 }, store);
  }

  async states(reuse: "spans" | "none", uses: readonly Placed[]): Promise<Float32Array> {
    const runner = this.runner(reuse);
    const queries = uses.map((use) => use.query);
    const states = await runner.hidden(queries, readout);
    await runner.clear();
    return states;
  }

  /** What a fresh runner stores for the span of `wanted` when it runs `uses`. */
  async stored(uses: readonly Placed[], wanted: Placed): Promise<Float32Array> {
    const store = new BlockStore(this.base);
    const runner = this.runner("spans", store);
    const queries = uses.map((use) => use.query);
    await runner.hidden(queries, readout);
    const layout = layOut(wanted.query, "spans");
    const block = layout.past.findIndex((b) => b.origin === wanted.start);
    const key = new BlockNames(this.base.architecture, this.vectorsOf).of(layout, block);
    const { kvHeads, headDim, layers } = this.base.architecture;
    const g = new Graph();
    g.output("y", g.input("x", "f32", [1, kvHeads, this.size, headDim]));
    const program = await this.base.engine.compile(g);
    const parts: Float32Array[] = [];
    for (let l = 0; l < layers; l++) {
      for (const part of ["key", "value"] as const) {
        const { y } = await program.run({ x: { stack: [store.residentName(key, part, l)] } });
        parts.push(y as Float32Array);
      }
    }
    await runner.clear();
    return concatenate(parts);
  }

  /** The span's rows when the whole prompt runs, keys rotated back to span-local positions. */
  async throughMask({ query, start }: Placed): Promise<Float32Array> {
    const { architecture } = this.base;
    const layout = layOut(query, "none");
    const shape = { batch: 1, length: roundLength(layout.fresh.length), past: [] };
    const batch = makeBatch(
      architecture,
      [{ layout, row: 0, offset: 0 }],
      shape,
      (tag) => this.vectors.get(tag) as Float32Array,
    );
    const spec = { ...shape, slots: batch.slotCount, reads: 0, result: { kind: "keys" } } as const;
    const outputs = await this.base.run(spec, batch.feeds);
    const parts: Float32Array[] = [];
    for (let l = 0; l < architecture.layers; l++) {
      parts.push(
        this.rotatedBack(this.rows(outputs[`key.${l}`] as Float32Array, shape.length, start), start),
      );
      parts.push(this.rows(outputs[`value.${l}`] as Float32Array, shape.length, start));
    }
    return concatenate(parts);
  }

  /** The span's positions of [1, kvHeads, length, headDim]. */
  private rows(all: Float32Array, length: number, start: number): Float32Array {
    const { kvHeads, headDim } = this.base.architecture;
    const heads = Array.from({ length: kvHeads }, (_, h) =>
      all.slice((h * length + start) * headDim, (h * length + start + this.size) * headDim),
    );
    return concatenate(heads);
  }

  private rotatedBack(keys: Float32Array, offset: number): Float32Array {
    if (offset === 0) return keys;
    const { headDim, ropes } = this.base.architecture;
    const half = headDim / 2;
    const { cos, sin } = (ropes[0] as Rope).tables([offset]);
    const out = new Float32Array(keys.length);
    for (let at = 0; at < keys.length; at += headDim) {
      for (let i = 0; i < half; i++) {
        const [a, b] = [keys[at + i] as number, keys[at + half + i] as number];
        const [c, s] = [cos[i] as number, sin[i] as number];
        out[at + i] = a * c + b * s;
        out[at + half + i] = b * c - a * s;
      }
    }
    return out;
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
