/**
 * Runs prompts on a base: hidden states, token losses, gradients. Groups prompts into batches of one shape,
 * stores constant spans and prefixes in the engine when told to, and puts results back into the caller's
 * order. Knows tags as names and vectors; what they are trained for is the caller's business.
 */
import type { Feed, HostArray, Keep } from "../engine/engine.ts";
import type { Base } from "../models/base.ts";
import type { ProgramSpec, Result } from "../models/program.ts";
import { BlockNames, blockLayout } from "./blocks.ts";
import { type Batch, makeBatch, type Place, type SlotRef, type VectorsOf } from "./feeds.ts";
import { type Group, groupAlone, groupByShape, groupPacked } from "./grouping.ts";
import { type Block, type Layout, layOut, type Query, type Reuse } from "./layout.ts";
import { neededReads, wholeReads } from "./reads.ts";
import type { Placed } from "./sight.ts";
import { attendTogether, roundLength, roundPast, roundReads } from "./sizes.ts";
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
  /**
   * A row for each prompt, every layer for all of it, backward through all of it. Slower, and what the other
   * way is compared with.
   */
  readonly plain?: boolean;
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

/** A block that layouts need, and one of them whose block it is. */
interface NeededBlock {
  readonly kind: Block["kind"];
  /** Positions. */
  readonly size: number;
  readonly layout: Layout;
  readonly index: number;
}

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
    this.names = new BlockNames(base.architecture, vectorsOf);
    this.options = options;
  }

  /** Hidden states after the final norm at each query's `position`, [n, hidden]. */
  async hidden(queries: readonly Query[], positionOf: (q: Query) => number): Promise<Float32Array> {
    const width = this.base.architecture.hiddenSize;
    const out = new Float32Array(queries.length * width);
    await this.eachBatch(queries, async (batch, indices) => {
      const places = indices.map((index, i) => batch.place(i, positionOf(queries[index] as Query)));
      const { hidden } = await this.run(batch, { kind: "hidden" }, places, readSize(batch));
      copyRows(hidden as Float32Array, out, indices, width);
    });
    return out;
  }

  /** The most likely token after the last position of each query. */
  async nextTokens(queries: readonly Query[]): Promise<Int32Array> {
    const vocab = this.base.architecture.vocabSize;
    const out = new Int32Array(queries.length);
    await this.eachBatch(queries, async (batch, indices) => {
      const places = indices.map((index, i) =>
        batch.place(i, (queries[index] as Query).prompt.ids.length - 1),
      );
      const { logits } = await this.run(batch, { kind: "logits" }, places, readSize(batch));
      indices.forEach((index, i) => {
        out[index] = largest((logits as Float32Array).subarray(i * vocab, (i + 1) * vocab));
      });
    });
    return out;
  }

  /** Nats of each label of each query. */
  async nll(queries: readonly Query[], labels: readonly (readonly Label[])[]): Promise<Float32Array[]> {
    const out: Float32Array[] = new Array(queries.length);
    await this.eachBatch(queries, async (batch, indices) => {
      const { places, size, feeds } = labelFeeds(batch, indices, labels, () => 0);
      const { nll } = await this.run(batch, { kind: "text", train: false }, places, size, feeds);
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
      const { places, size, feeds } = labelFeeds(batch, indices, labels, (i) => weights[i] as number);
      const outputs = await this.run(batch, { kind: "text", train: true }, places, size, feeds, gradients);
      loss += lossOf(outputs);
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
      const size = readSize(batch);
      const target = new Float32Array(size * outputs);
      const weight = new Float32Array(size);
      indices.forEach((index, i) => {
        target.set(targets.subarray(index * outputs, (index + 1) * outputs), i * outputs);
        weight[i] = weights[index] as number;
      });
      const places = indices.map((index, i) => batch.place(i, positionOf(queries[index] as Query)));
      const kind = { kind: "head", outputs, centred } as const;
      const feeds = { targets: target, weights: weight, head: head.weight, bias_out: head.bias };
      const out = await this.run(batch, kind, places, size, feeds, result.gradients);
      result.loss += lossOf(out);
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

  /** @param size of the program's reads @param gradients to which those of the batch's slots are added */
  private async run(
    batch: Batch,
    result: Result,
    places: readonly Place[],
    size: number,
    feeds: Record<string, HostArray> = {},
    gradients?: TagGradients,
  ): Promise<Outputs> {
    const reading = this.options.plain
      ? wholeReads(batch, places, size)
      : neededReads(batch, places, size, gradients !== undefined);
    const spec = { ...this.shapeOf(batch), reads: size, result, ...reading.spec };
    const outputs = await this.runProgram(spec, { ...batch.feeds, ...reading.feeds, ...feeds });
    const gradient = outputs["grad.vectors"];
    if (gradients && gradient) this.addSlotGradients(gradients, reading.slots, gradient as Float32Array);
    return outputs;
  }

  private shapeOf({ shape, slotCount }: Batch): Omit<ProgramSpec, "reads" | "result"> {
    const together = attendTogether(shape.length);
    const parts = this.options.plain || together === shape.length ? {} : { together };
    return { ...shape, slots: slotCount, ...parts };
  }

  private async runProgram(
    spec: ProgramSpec,
    feeds: Record<string, Feed>,
    keep?: Record<string, Keep>,
  ): Promise<Outputs> {
    const program = await this.base.program(spec);
    return program.run(feeds, { signal: this.options.signal, ...(keep && { keep }) });
  }

  /** Calls `work` for batches of queries; `indices` are the queries of a batch's layouts. */
  private async eachBatch(
    queries: readonly Query[],
    work: (batch: Batch, indices: readonly number[]) => Promise<void>,
  ): Promise<void> {
    const { reuse, tokens, plain } = this.options;
    const layouts = queries.map((query) => layOut(query, reuse));
    const groups = plain ? groupAlone(layouts, tokens) : groupPacked(layouts, tokens, this.base.architecture);
    for (const portion of this.portions(layouts, groups)) {
      await this.storePast(portion.flatMap(({ rows }) => rows.flat().map((i) => layouts[i] as Layout)));
      for (const group of portion) await work(this.makeBatch(layouts, group), group.rows.flat());
    }
  }

  /** Groups that follow each other and whose blocks fit the store's memory together. */
  private portions(layouts: readonly Layout[], groups: readonly Group[]): Group[][] {
    const portions: Group[][] = [];
    let blocks = new Set<string>();
    let bytes = 0;
    for (const group of groups) {
      const own = this.blocksOf(group.rows.flat().map((i) => layouts[i] as Layout));
      const added = [...own].filter(([key]) => !blocks.has(key));
      bytes += added.reduce((sum, [, { size }]) => sum + this.store.bytesOf(size), 0);
      if (portions.length === 0 || bytes > this.store.memory) {
        portions.push([]);
        blocks = new Set();
        bytes = [...own.values()].reduce((sum, { size }) => sum + this.store.bytesOf(size), 0);
      }
      for (const key of own.keys()) blocks.add(key);
      portions.at(-1)?.push(group);
    }
    return portions;
  }

  /** The stored blocks that layouts need, by name. */
  private blocksOf(layouts: readonly Layout[]): Map<string, NeededBlock> {
    const blocks = new Map<string, NeededBlock>();
    for (const layout of layouts) {
      layout.past.forEach(({ kind, positions }, b) => {
        const key = this.names.of(layout, b);
        if (!blocks.has(key)) blocks.set(key, { kind, size: positions.length, layout, index: b });
      });
    }
    return blocks;
  }

  private makeBatch(layouts: readonly Layout[], { rows, batch, length }: Group): Batch {
    const placed = rows.flatMap((indices, row) => {
      let end = 0;
      return indices.map((i): Placed => {
        const layout = layouts[i] as Layout;
        const offset = end;
        end += layout.fresh.length;
        return { layout, row, offset };
      });
    });
    const blocks = (placed[0] as Placed).layout.past.map((_, b) =>
      placed.map(({ layout }) => layout.past[b] as Block),
    );
    const past = blocks.map((column) => roundPast(Math.max(...column.map((b) => b.positions.length))));
    const { architecture } = this.base;
    const packed = placed.length > rows.length;
    const most = (slots: number) =>
      packed ? roundReads(slots) : batch * Math.max(...placed.map((p) => this.slotsOf(p.layout)), 0);
    const made = makeBatch(architecture, placed, { batch, length, past }, this.vectorsOf, most);
    past.forEach((_, b) => {
      const keys = Array.from({ length: batch }, (_row, row) =>
        placed[row] ? this.names.of(placed[row].layout, b) : null,
      );
      for (let l = 0; l < architecture.layers; l++) {
        for (const part of ["key", "value"] as const) {
          const stack = keys.map((key) => (key === null ? null : residentName(key, part, l)));
          made.feeds[`past.${b}.${part}.${l}`] = { stack };
        }
      }
    });
    return made;
  }

  /** Fresh positions of a layout that hold vectors. */
  private slotsOf({ query, fresh }: Layout): number {
    const { hiddenSize } = this.base.architecture;
    return query.prompt.slots
      .filter(({ position }) => fresh.includes(position))
      .reduce((n, { tag }) => n + this.vectorsOf(tag).length / hiddenSize, 0);
  }

  /** Runs and keeps every block of the layouts that is not stored: spans first, then the text that sees them. */
  private async storePast(layouts: readonly Layout[]): Promise<void> {
    const needed = this.blocksOf(layouts);
    if (needed.size === 0) return;
    const missing = await this.store.bring(new Map([...needed].map(([key, { size }]) => [key, size])));
    for (const kind of ["span", "text"] as const) {
      const blocks = [...needed].filter(([key, block]) => block.kind === kind && missing.has(key));
      const keys = blocks.map(([key]) => key);
      const toRun = blocks.map(([, { layout, index }]) => blockLayout(layout, index));
      const groups = this.options.fixedShapes
        ? groupByShape(toRun, this.options.tokens)
        : groupAlone(toRun, this.options.tokens);
      for (const group of groups) await this.keepBlocks(toRun, keys, group);
    }
  }

  private async keepBlocks(layouts: readonly Layout[], keys: readonly string[], group: Group): Promise<void> {
    const batch = this.makeBatch(layouts, group);
    const names = group.rows.flat().map((i) => keys[i] as string);
    const lengths = batch.placed.map(({ layout }) => layout.fresh.length);
    const keep: Record<string, Keep> = {};
    for (let l = 0; l < this.base.architecture.layers; l++) {
      for (const part of ["key", "value"] as const) {
        keep[`${part}.${l}`] = { names: names.map((key) => residentName(key, part, l)), lengths };
      }
    }
    const spec = { ...this.shapeOf(batch), reads: 0, result: { kind: "keys" } } as const;
    await this.runProgram(spec, batch.feeds, keep);
    await this.store.keep(new Map(names.map((key, i) => [key, lengths[i] as number])));
  }

  private addSlotGradients(into: TagGradients, slots: readonly SlotRef[], gradient: Float32Array): void {
    const width = this.base.architecture.hiddenSize;
    slots.forEach((slot, i) => {
      const sum = into.get(slot.tag) ?? new Float32Array(this.vectorsOf(slot.tag).length);
      into.set(slot.tag, sum);
      for (let k = 0; k < width; k++) {
        sum[slot.vector * width + k] =
          (sum[slot.vector * width + k] as number) + (gradient[i * width + k] as number);
      }
    });
  }
}

/** Reads of a batch where each layout has one: as many as rows, so that full and part batches are one program. */
const readSize = ({ shape, placed }: Batch): number =>
  placed.length <= shape.batch ? shape.batch : roundReads(placed.length);

function labelFeeds(
  batch: Batch,
  indices: readonly number[],
  labels: readonly (readonly Label[])[],
  weightOf: (index: number) => number,
): { places: Place[]; size: number; feeds: Record<string, HostArray> } {
  const places: Place[] = [];
  const ids: number[] = [];
  const weights: number[] = [];
  indices.forEach((index, i) => {
    for (const { position, id } of labels[index] as readonly Label[]) {
      places.push(batch.place(i, position - 1));
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
  return { places, size, feeds: { labels: label, weights: weight } };
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
