/**
 * Runs prompts on a base: hidden states, token losses, gradients. Groups prompts into batches of one shape, on
 * stored spans and prefixes when told to, and puts results back into the caller's order. Knows tags as names and
 * vectors; what they are trained for is the caller's business.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { HostArray, Write } from "../engine/engine.ts";
import { roundsWhereRead } from "../engine/precision.ts";
import type { Base } from "../models/base.ts";
import type { Result } from "../models/program.ts";
import type { Batch, Place, SlotRef, VectorsOf } from "./feeds.ts";
import { type Group, groupAlone, groupByShape, groupPacked } from "./grouping.ts";
import { applyHead, type HeadValues, meanErrors } from "./head.ts";
import type { KeyCache } from "./key-cache.ts";
import { type Label, labelFeeds } from "./labels.ts";
import { type Layout, layOut, type Query, type Reuse } from "./layout.ts";
import { neededReads, wholeReads } from "./reads.ts";
import { roundReads } from "./sizes.ts";
import { BlockStore } from "./store.ts";
import { programShape, Stored } from "./stored.ts";

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
   * Spans are stored where several queries of a call have them, with the other spans of those queries; all other spans
   * run in their place. With `fixedShapes`, and weights in few bits, those of a query are stored where it has a long one.
   */
  readonly sharedOnly?: boolean;
  /** With `sharedOnly`: a long span that an earlier call on the same store had counts as shared. */
  readonly acrossCalls?: boolean;
  /**
   * A row for each prompt, every layer for all of it, backward through all of it. Slower, and what the other
   * way is compared with.
   */
  readonly plain?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called after every run of the engine that stores what prompts stand on, or reads or scores some of many. */
  readonly told?: (progress: RunnerProgress) => void;
}

/** How far a runner is with storing what prompts stand on (positions), or with reading or scoring prompts. */
export interface RunnerProgress {
  readonly kind: "storing" | "reading";
  readonly done: number;
  readonly of: number;
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

type Outputs = Record<string, HostArray>;

/** What a run has beside its batch. */
interface RunParts {
  readonly feeds?: Record<string, HostArray>;
  /** To which those of the batch's slots are added. */
  readonly gradients?: TagGradients;
  readonly keep?: Record<string, Write>;
}

export class Runner {
  readonly base: Base;
  readonly options: RunnerOptions;
  private readonly vectorsOf: VectorsOf;
  private readonly store: BlockStore;
  private readonly stored: Stored;

  /** @param store shared by runners that may use the same blocks; the caller clears it */
  constructor(base: Base, vectorsOf: VectorsOf, options: RunnerOptions, store = new BlockStore(base)) {
    this.base = base;
    this.store = store;
    this.vectorsOf = vectorsOf;
    this.stored = new Stored(base, vectorsOf, options, store);
    this.options = options;
  }

  /** Hidden states after the final norm at each query's `position`, [n, hidden]. */
  hidden(queries: readonly Query[], positionOf: (q: Query) => number): Promise<Float32Array> {
    return this.readHidden(queries, positionOf, this.teller(queries.length));
  }

  private async readHidden(
    queries: readonly Query[],
    positionOf: (q: Query) => number,
    told: (count: number) => void = () => {},
  ): Promise<Float32Array> {
    const width = this.base.architecture.hiddenSize;
    const out = new Float32Array(queries.length * width);
    await this.eachRead(queries, async (batch, indices) => {
      const places = indices.map((index, i) => batch.place(i, positionOf(queries[index] as Query)));
      const { hidden } = await this.run(batch, { kind: "hidden" }, places, readSize(batch));
      copyRows(hidden as Float32Array, out, indices, width);
      told(indices.length);
    });
    return out;
  }

  /** Tells how many of `of` prompts are read, given how many more. */
  private teller(of: number): (more: number) => void {
    let done = 0;
    return (more) => {
      done += more;
      this.options.told?.({ kind: "reading", done, of });
    };
  }

  /** How queries run: which of their spans are read from the store. */
  layouts(queries: readonly Query[]): readonly Layout[] {
    const laidOut = queries.map((query) => layOut(query, this.options.reuse));
    return this.stored.worthStoring(laidOut);
  }

  /** Stores what queries to come stand on, from the first on as far as memory goes: many at once fill whole runs. */
  async prepare(queries: readonly Query[]): Promise<void> {
    if (this.options.reuse === "none") return;
    const fitting = this.stored.fitting(this.layouts(queries));
    await this.store.alone(() => this.stored.prepare(fitting));
  }

  /**
   * Begins texts that will go on: the logits after the last position of each layout, [vocab]. What it reads is put
   * into its lane of the cache: stored blocks by their number, and what runs into the last block from slot 0 on.
   */
  async begin(
    layouts: readonly Layout[],
    cache: KeyCache,
    lanes: readonly number[],
  ): Promise<Float32Array[]> {
    const vocab = this.base.architecture.vocabSize;
    const { fixedShapes, plain, tokens } = this.options;
    const out: Float32Array[] = new Array(layouts.length);
    const laneOf = (index: number) => lanes[index] as number;
    const groups = fixedShapes ? groupByShape(layouts, tokens, this.stored.nameOf) : this.groups(layouts);
    const shares = !plain && !fixedShapes;
    await this.eachGroup(layouts, groups, shares, async (batch, indices) => {
      await cache.place(
        indices.flatMap((i) =>
          this.stored.placed(layouts[i] as Layout).map((b) => ({ ...b, lane: laneOf(i) })),
        ),
      );
      const places = batch.placed.map(({ layout }, i) => batch.place(i, layout.query.prompt.ids.length - 1));
      const stretches = batch.placed.map(({ layout, row, offset }, i) => ({
        row,
        at: offset,
        count: layout.fresh.length,
        toRow: laneOf(indices[i] as number),
        toAt: 0,
      }));
      const keep = cache.writes(stretches);
      const { logits } = await this.run(batch, { kind: "logits" }, places, readSize(batch), { keep });
      indices.forEach((index, i) => {
        out[index] = (logits as Float32Array).subarray(i * vocab, (i + 1) * vocab);
      });
    });
    return out;
  }

  /** Nats of each label of each query. */
  async nll(queries: readonly Query[], labels: readonly (readonly Label[])[]): Promise<Float32Array[]> {
    const out: Float32Array[] = new Array(queries.length);
    const readsOf = (index: number) => roundReads((labels[index] as readonly Label[]).length);
    const told = this.teller(queries.length);
    const work = async (batch: Batch, indices: readonly number[]): Promise<void> => {
      const least = this.readsApart ? batch.shape.batch * readsOf(indices[0] as number) : 1;
      const { places, size, feeds } = labelFeeds(batch, indices, labels, () => 0, least);
      const { nll } = await this.run(batch, { kind: "text", train: false }, places, size, { feeds });
      let at = 0;
      for (const index of indices) {
        const n = (labels[index] as readonly Label[]).length;
        out[index] = (nll as Float32Array).slice(at, at + n);
        at += n;
      }
      told(indices.length);
    };
    await this.eachRead(queries, work, readsOf);
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
      const kind = { kind: "text", train: true } as const;
      const outputs = await this.run(batch, kind, places, size, { feeds, gradients });
      loss += lossOf(outputs);
    });
    return { loss, gradients };
  }

  /**
   * Weighted sum over queries of the squared errors of a linear head at `positionOf`, and its gradients.
   * @param targets [n, outputs] as the head sees them (standardised)
   * @param centred the bias is left out of the loss: errors count less their weighted mean over all queries
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
    const layouts = this.layouts(queries);
    const groups = this.groups(layouts);
    // A run of the engine knows the errors of its own rows only.
    const apart = centred && groups.length > 1;
    const shift = apart
      ? meanErrors(applyHead(await this.readHidden(queries, positionOf), head), targets, weights)
      : new Float32Array(outputs);
    const shifted = targets.map((target, i) => target + (shift[i % outputs] as number));
    await this.eachGroup(layouts, groups, !this.options.plain, async (batch, indices) => {
      const size = readSize(batch);
      const target = new Float32Array(size * outputs);
      const weight = new Float32Array(size);
      indices.forEach((index, i) => {
        target.set(shifted.subarray(index * outputs, (index + 1) * outputs), i * outputs);
        weight[i] = weights[index] as number;
      });
      const places = indices.map((index, i) => batch.place(i, positionOf(queries[index] as Query)));
      const kind = { kind: "head", outputs, centred: centred && !apart } as const;
      const feeds = { targets: target, weights: weight, head: head.weight, bias_out: head.bias };
      const out = await this.run(batch, kind, places, size, { feeds, gradients: result.gradients });
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

  /** @param size of the program's reads */
  private async run(
    batch: Batch,
    result: Result,
    places: readonly Place[],
    size: number,
    { feeds, gradients, keep = {} }: RunParts = {},
  ): Promise<Outputs> {
    const reading = this.options.plain
      ? wholeReads(batch, places, size)
      : neededReads(batch, places, size, gradients !== undefined);
    const spec = { ...programShape(batch, this.options), reads: size, result, ...reading.spec };
    const { signal } = this.options;
    const all = { ...batch.feeds, ...reading.feeds, ...feeds };
    const outputs = await this.base.run(spec, all, { signal, keep });
    const gradient = outputs["grad.vectors"];
    if (gradients && gradient) this.addSlotGradients(gradients, reading.slots, gradient as Float32Array);
    return outputs;
  }

  /** Calls `work` for batches of queries; `indices` are the queries of a batch's layouts. */
  private async eachBatch(
    queries: readonly Query[],
    work: (batch: Batch, indices: readonly number[]) => Promise<void>,
  ): Promise<void> {
    const layouts = this.layouts(queries);
    await this.eachGroup(layouts, this.groups(layouts), !this.options.plain, work);
  }

  /**
   * As `eachBatch`, for results that must not depend on the other queries beyond the last bits of a sum.
   * @param readsOf for how many reads of a query its program is made
   */
  private async eachRead(
    queries: readonly Query[],
    work: (batch: Batch, indices: readonly number[]) => Promise<void>,
    readsOf?: (index: number) => number,
  ): Promise<void> {
    if (!this.readsApart) return this.eachBatch(queries, work);
    const layouts = this.layouts(queries);
    const groups = groupByShape(layouts, this.options.tokens, this.stored.nameOf, readsOf);
    // What one head reads at one position is a product of one row, for which there are other kernels.
    const { heads, kvHeads } = this.base.architecture;
    await this.eachGroup(layouts, groups, heads > kvHeads, work);
  }

  /** Where activations are rounded, shapes and what a query stands on follow from the query alone. */
  private get readsApart(): boolean {
    return roundsWhereRead(this.base.engine.precision) && !this.options.plain;
  }

  private groups(layouts: readonly Layout[]): Group[] {
    const { tokens, plain } = this.options;
    const { nameOf } = this.stored;
    return plain
      ? groupAlone(layouts, tokens, nameOf)
      : groupPacked(layouts, tokens, nameOf, this.base.architecture);
  }

  /**
   * Calls `work` for one batch after the other; the next is laid out while the engine runs.
   * @param shares whether a block that all rows of a run have in common is fed once
   */
  private async eachGroup(
    layouts: readonly Layout[],
    groups: readonly Group[],
    shares: boolean,
    work: (batch: Batch, indices: readonly number[]) => Promise<void>,
  ): Promise<void> {
    const { stored } = this;
    for (const portion of stored.portions(layouts, groups)) {
      const needed = portion.flatMap(({ rows }) => rows.flat().map((i) => layouts[i] as Layout));
      await this.store.alone(async () => {
        await stored.prepare(needed);
        let running = Promise.resolve();
        for (const group of portion) {
          const batch = stored.batch(layouts, group, shares);
          await running;
          running = work(batch, group.rows.flat());
          await Promise.race([running, nextTurn()]); // for it to reach the engine
        }
        await running;
      });
    }
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

/** Row i of `from` becomes row `indices[i]` of `to`. */
function copyRows(from: Float32Array, to: Float32Array, indices: readonly number[], width: number): void {
  indices.forEach((index, row) => {
    to.set(from.subarray(row * width, (row + 1) * width), index * width);
  });
}

const lossOf = (outputs: Outputs): number => (outputs.loss as Float32Array)[0] as number;

function addInto(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
}
