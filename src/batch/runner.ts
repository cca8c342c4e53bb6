/**
 * Runs prompts on a base: hidden states, token losses, gradients. Groups prompts into batches of one shape,
 * stores constant spans and prefixes in the engine when told to, and puts results back into the caller's
 * order. Knows tags as names and vectors; what they are trained for is the caller's business.
 */
import type { HostArray, Keep } from "../engine/engine.ts";
import type { Base } from "../models/base.ts";
import type { ProgramSpec, Result } from "../models/program.ts";
import { BlockNames, blockLayout } from "./blocks.ts";
import { type Batch, makeBatch, readIndices, type SlotRef, type VectorsOf } from "./feeds.ts";
import { type Block, type Layout, layOut, type Query, type Reuse } from "./layout.ts";
import { fullRows, partRows, roundLength, roundPast } from "./sizes.ts";
import { BlockStore, residentName } from "./store.ts";

export interface RunnerOptions {
  readonly reuse: Reuse;
  /** New tokens of one run of the engine. */
  readonly tokens: number;
  /**
   * Stored blocks are computed in shapes that depend on nothing but the block, at the price of padding: then
   * their bits do not depend on what else was computed in the same run, and a resumed training has the same.
   */
  readonly fixedShapes?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Label {
  /** The position whose token is predicted (from the one before it). */
  readonly position: number;
  readonly id: number;
}

/** d loss / d vectors, [length, width] per tag. */
export type TagGradients = Map<string, Float32Array>;

export interface TextStep {
  readonly loss: number;
  readonly gradients: TagGradients;
}

export interface HeadStep extends TextStep {
  /** [n, hidden], after the final norm at the read-outs. */
  readonly hidden: Float32Array;
  /** [n, outputs] */
  readonly predictions: Float32Array;
  readonly headGradient: Float32Array;
  readonly biasGradient: Float32Array;
}

export interface HeadValues {
  readonly outputs: number;
  /** [outputs, width] */
  readonly weight: Float32Array;
  /** [outputs] */
  readonly bias: Float32Array;
}

type Outputs = Record<string, HostArray>;

export class Runner {
  readonly base: Base;
  readonly options: RunnerOptions;
  private readonly vectorsOf: VectorsOf;
  private readonly store: BlockStore;
  private readonly names: BlockNames;

  /** @param store shared by runners that may use the same blocks; the caller clears it */
  constructor(base: Base, vectorsOf: VectorsOf, options: RunnerOptions, store = new BlockStore(base)) {
    this.base = base;
    this.store = store;
    this.vectorsOf = vectorsOf;
    this.names = new BlockNames(vectorsOf);
    this.options = options;
  }

  /** Hidden states after the final norm at each query's `position`, [n, hidden]. */
  async hidden(queries: readonly Query[], positionOf: (q: Query) => number): Promise<Float32Array> {
    const width = this.base.architecture.hiddenSize;
    const out = new Float32Array(queries.length * width);
    await this.eachBatch(queries, async (batch, indices) => {
      const places = indices.map((index, row) => batch.place(row, positionOf(queries[index] as Query)));
      const reads = readIndices(places, batch.shape.batch);
      const { hidden } = await this.run(batch, { kind: "hidden" }, batch.shape.batch, { reads });
      copyRows(hidden as Float32Array, out, indices, width);
    });
    return out;
  }

  /** The most likely token after the last position of each query. */
  async nextTokens(queries: readonly Query[]): Promise<Int32Array> {
    const vocab = this.base.architecture.vocabSize;
    const out = new Int32Array(queries.length);
    await this.eachBatch(queries, async (batch, indices) => {
      const places = indices.map((index, row) =>
        batch.place(row, (queries[index] as Query).prompt.ids.length - 1),
      );
      const reads = readIndices(places, batch.shape.batch);
      const { logits } = await this.run(batch, { kind: "logits" }, batch.shape.batch, { reads });
      indices.forEach((index, row) => {
        out[index] = largest((logits as Float32Array).subarray(row * vocab, (row + 1) * vocab));
      });
    });
    return out;
  }

  /** Nats of each label of each query. */
  async nll(queries: readonly Query[], labels: readonly (readonly Label[])[]): Promise<Float32Array[]> {
    const out: Float32Array[] = new Array(queries.length);
    await this.eachBatch(queries, async (batch, indices) => {
      const feeds = labelFeeds(batch, indices, labels, () => 0);
      const { nll } = await this.run(batch, { kind: "text", train: false }, feeds.size, feeds.inputs);
      let at = 0;
      for (const index of indices) {
        const n = (labels[index] as readonly Label[]).length;
        out[index] = (nll as Float32Array).slice(at, at + n);
        at += n;
      }
    });
    return out;
  }

  /** Weighted sum of token losses and its gradient; `weights[i]` counts for every label of query i. */
  async textStep(
    queries: readonly Query[],
    labels: readonly (readonly Label[])[],
    weights: ArrayLike<number>,
  ): Promise<TextStep> {
    const gradients: TagGradients = new Map();
    let loss = 0;
    await this.eachBatch(queries, async (batch, indices) => {
      const feeds = labelFeeds(batch, indices, labels, (i) => weights[i] as number);
      const outputs = await this.run(batch, { kind: "text", train: true }, feeds.size, feeds.inputs);
      loss += lossOf(outputs);
      if (outputs["grad.vectors"])
        this.addSlotGradients(gradients, batch.slots, outputs["grad.vectors"] as Float32Array);
    });
    return { loss, gradients };
  }

  /**
   * Weighted sum over queries of the squared errors of a linear head at `positionOf`, and its gradients.
   * @param targets [n, outputs] as the head sees them (standardised)
   * @param centred the bias is left out of the loss: errors count less their mean over each run of the engine
   */
  async headStep(
    queries: readonly Query[],
    positionOf: (q: Query) => number,
    targets: Float32Array,
    weights: ArrayLike<number>,
    head: HeadValues,
    centred = false,
  ): Promise<HeadStep> {
    const { outputs } = head;
    const result = {
      loss: 0,
      gradients: new Map() as TagGradients,
      hidden: new Float32Array(queries.length * this.base.architecture.hiddenSize),
      predictions: new Float32Array(queries.length * outputs),
      headGradient: new Float32Array(head.weight.length),
      biasGradient: new Float32Array(outputs),
    };
    await this.eachBatch(queries, async (batch, indices) => {
      const rows = batch.shape.batch;
      const target = new Float32Array(rows * outputs);
      const weight = new Float32Array(rows);
      indices.forEach((index, row) => {
        target.set(targets.subarray(index * outputs, (index + 1) * outputs), row * outputs);
        weight[row] = weights[index] as number;
      });
      const places = indices.map((index, row) => batch.place(row, positionOf(queries[index] as Query)));
      const out = await this.run(batch, { kind: "head", outputs, centred }, rows, {
        reads: readIndices(places, rows),
        targets: target,
        weights: weight,
        head: head.weight,
        bias_out: head.bias,
      });
      result.loss += lossOf(out);
      if (out["grad.vectors"])
        this.addSlotGradients(result.gradients, batch.slots, out["grad.vectors"] as Float32Array);
      addInto(result.headGradient, out["grad.head"] as Float32Array);
      addInto(result.biasGradient, out["grad.bias"] as Float32Array);
      copyRows(out.prediction as Float32Array, result.predictions, indices, outputs);
      copyRows(out.hidden as Float32Array, result.hidden, indices, this.base.architecture.hiddenSize);
    });
    return result;
  }

  /** Forgets all stored keys and values. */
  clear(): Promise<void> {
    return this.store.clear();
  }

  private async run(
    batch: Batch,
    result: Result,
    reads: number,
    feeds: Record<string, HostArray>,
    keep?: Record<string, Keep>,
  ): Promise<Outputs> {
    const spec: ProgramSpec = { ...batch.shape, slots: batch.slots.length, reads, result };
    const program = await this.base.program(spec);
    return program.run({ ...batch.feeds, ...feeds }, { signal: this.options.signal, ...(keep && { keep }) });
  }

  /** Calls `work` for batches of queries that share a shape; `indices` are the queries of its rows. */
  private async eachBatch(
    queries: readonly Query[],
    work: (batch: Batch, indices: readonly number[]) => Promise<void>,
  ): Promise<void> {
    const layouts = queries.map((query) => layOut(query, this.options.reuse));
    await this.storePast(layouts);
    for (const { indices, rows } of this.group(layouts)) {
      await work(
        this.makeBatch(
          indices.map((i) => layouts[i] as Layout),
          rows,
        ),
        indices,
      );
    }
  }

  /** Queries of like lengths and the same number of past blocks, as many as the token budget allows. */
  private group(layouts: readonly Layout[]): { indices: number[]; rows: number }[] {
    const lengthOf = (i: number) => roundLength((layouts[i] as Layout).fresh.length);
    const blocksOf = (i: number) => (layouts[i] as Layout).past.length;
    const totalOf = (i: number) => (layouts[i] as Layout).query.prompt.ids.length;
    const order = layouts
      .map((_, i) => i)
      .sort(
        (a, b) => blocksOf(a) - blocksOf(b) || lengthOf(a) - lengthOf(b) || totalOf(a) - totalOf(b) || a - b,
      );
    const groups: { indices: number[]; rows: number }[] = [];
    for (let begin = 0; begin < order.length; ) {
      const blocks = blocksOf(order[begin] as number);
      const fullAt = (end: number) =>
        fullRows(lengthOf(order[end] as number), this.options.tokens, order.length);
      let end = begin + 1;
      while (end < order.length && blocksOf(order[end] as number) === blocks && end - begin < fullAt(end))
        end++;
      const indices = order.slice(begin, end);
      groups.push({ indices, rows: partRows(indices.length, fullAt(end - 1)) });
      begin = end;
    }
    return groups;
  }

  /** Layouts of exactly one shape each, in programs of always the same number of rows. */
  private groupByShape(layouts: readonly Layout[]): { indices: number[]; rows: number }[] {
    const shapes = new Map<string, number[]>();
    layouts.forEach(({ fresh, past }, i) => {
      const shape = [roundLength(fresh.length), ...past.map((b) => roundPast(b.positions.length))].join();
      shapes.set(shape, [...(shapes.get(shape) ?? []), i]);
    });
    return [...shapes.values()].flatMap((members) => {
      const length = roundLength((layouts[members[0] as number] as Layout).fresh.length);
      const rows = fullRows(length, this.options.tokens, Number.MAX_SAFE_INTEGER);
      return Array.from({ length: Math.ceil(members.length / rows) }, (_, k) => ({
        indices: members.slice(k * rows, (k + 1) * rows),
        rows,
      }));
    });
  }

  /** @param rows of the program; at least one per layout */
  private makeBatch(layouts: readonly Layout[], rows: number): Batch {
    const longest = (sizes: number[]) => Math.max(...sizes);
    const first = layouts[0] as Layout;
    const past = first.past.map((_, b) =>
      roundPast(longest(layouts.map((l) => (l.past[b] as Block).positions.length))),
    );
    const length = roundLength(longest(layouts.map((l) => l.fresh.length)));
    const made = makeBatch(this.base.architecture, layouts, { batch: rows, length, past }, this.vectorsOf);
    past.forEach((_, b) => {
      const keys = Array.from({ length: rows }, (_row, row) => this.names.of(layouts[row] ?? first, b));
      for (let l = 0; l < this.base.architecture.layers; l++) {
        for (const part of ["key", "value"] as const) {
          made.feeds[`past.${b}.${part}.${l}`] = { stack: keys.map((key) => residentName(key, part, l)) };
        }
      }
    });
    return made;
  }

  /** Runs and keeps every block of the layouts that is not stored yet: spans first, then the text. */
  private async storePast(layouts: readonly Layout[]): Promise<void> {
    const missing = { span: new Map<string, Layout>(), text: new Map<string, Layout>() };
    for (const layout of layouts) {
      layout.past.forEach((block, b) => {
        const key = this.names.of(layout, b);
        if (!this.store.has(key)) missing[block.kind].set(key, blockLayout(layout, b));
      });
    }
    for (const kind of ["span", "text"] as const) {
      const keys = [...missing[kind].keys()];
      const toRun = [...missing[kind].values()];
      for (const { indices, rows } of this.options.fixedShapes
        ? this.groupByShape(toRun)
        : this.group(toRun)) {
        await this.keepBlocks(
          indices.map((i) => toRun[i] as Layout),
          indices.map((i) => keys[i] as string),
          rows,
        );
      }
    }
  }

  private async keepBlocks(layouts: readonly Layout[], keys: readonly string[], rows: number): Promise<void> {
    const batch = this.makeBatch(layouts, rows);
    const lengths = layouts.map((l) => l.fresh.length);
    const keep: Record<string, Keep> = {};
    for (let l = 0; l < this.base.architecture.layers; l++) {
      for (const part of ["key", "value"] as const) {
        keep[`${part}.${l}`] = { names: keys.map((key) => residentName(key, part, l)), lengths };
      }
    }
    await this.run(batch, { kind: "keys" }, 0, {}, keep);
    keys.forEach((key, i) => {
      this.store.add(key, lengths[i] as number);
    });
  }

  private addSlotGradients(
    into: TagGradients,
    slots: readonly (SlotRef | null)[],
    gradient: Float32Array,
  ): void {
    const width = this.base.architecture.hiddenSize;
    slots.forEach((slot, i) => {
      if (!slot) return;
      const sum = into.get(slot.tag) ?? new Float32Array(this.vectorsOf(slot.tag).length);
      into.set(slot.tag, sum);
      for (let k = 0; k < width; k++) {
        sum[slot.vector * width + k] =
          (sum[slot.vector * width + k] as number) + (gradient[i * width + k] as number);
      }
    });
  }
}

function labelFeeds(
  batch: Batch,
  indices: readonly number[],
  labels: readonly (readonly Label[])[],
  weightOf: (index: number) => number,
): { size: number; inputs: Record<string, HostArray> } {
  const places: number[] = [];
  const ids: number[] = [];
  const weights: number[] = [];
  indices.forEach((index, row) => {
    for (const { position, id } of labels[index] as readonly Label[]) {
      places.push(batch.place(row, position - 1));
      ids.push(id);
      weights.push(weightOf(index));
    }
  });
  const size = roundLength(Math.max(1, places.length));
  const label = new BigInt64Array(size);
  ids.forEach((id, i) => {
    label[i] = BigInt(id);
  });
  const weight = new Float32Array(size);
  weight.set(weights);
  return { size, inputs: { reads: readIndices(places, size), labels: label, weights: weight } };
}

/** Row i of `from` becomes row `indices[i]` of `to`. */
function copyRows(from: Float32Array, to: Float32Array, indices: readonly number[], width: number): void {
  indices.forEach((index, row) => {
    to.set(from.subarray(row * width, (row + 1) * width), index * width);
  });
}

function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

const lossOf = (outputs: Outputs): number => (outputs.loss as Float32Array)[0] as number;

function addInto(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
}
