/**
 * Which constant blocks of prompts are stored, and batches that stand on them: a program's past is fed from the
 * store, and what is not there is run first and kept.
 */
import type { Keep } from "../engine/engine.ts";
import { roundsWhereRead } from "../engine/precision.ts";
import type { Base } from "../models/base.ts";
import type { ProgramSpec } from "../models/program.ts";
import { BlockNames, blockLayout } from "./blocks.ts";
import { type Batch, makeBatch, type VectorsOf } from "./feeds.ts";
import { type Group, groupAlone, groupByShape } from "./grouping.ts";
import type { PlacedBlock } from "./key-cache.ts";
import { type Block, type Layout, withSpans } from "./layout.ts";
import type { RunnerOptions } from "./runner.ts";
import type { Placed } from "./sight.ts";
import { attendTogether, roundPast, roundReads } from "./sizes.ts";
import type { BlockStore } from "./store.ts";

/** A block that layouts need, and one of them whose block it is. */
interface NeededBlock {
  /** Positions. */
  readonly size: number;
  readonly layout: Layout;
  readonly index: number;
}

/** Positions of a span that is stored whether or not others have it: between a molecule and a protein. */
const LONG_SPAN = 64;

const hasLongSpan = ({ past }: Layout): boolean =>
  past.some(({ positions }) => positions.length >= LONG_SPAN);

export class Stored {
  private readonly base: Base;
  private readonly options: RunnerOptions;
  private readonly vectorsOf: VectorsOf;
  private readonly store: BlockStore;
  private readonly names: BlockNames;
  /** Blocks are computed in shapes that follow from themselves: else what is read would depend on who stored it. */
  private readonly apart: boolean;

  constructor(base: Base, vectorsOf: VectorsOf, options: RunnerOptions, store: BlockStore) {
    this.base = base;
    this.options = options;
    this.vectorsOf = vectorsOf;
    this.store = store;
    this.apart = options.fixedShapes || roundsWhereRead(base.engine.precision);
    const shapes = this.apart ? `fixed ${options.tokens}` : "";
    this.names = new BlockNames(base.architecture, vectorsOf, shapes);
  }

  readonly nameOf = (layout: Layout, b: number): string => this.names.of(layout, b);

  /**
   * Layouts whose spans are stored where that is worth it: several have one of them, or it is there already. Then the
   * others are stored too, as in their place they would be multiplied with the stored keys, which they do not see.
   */
  worthStoring(layouts: readonly Layout[]): readonly Layout[] {
    const { reuse, sharedOnly } = this.options;
    if (reuse !== "spans" || !sharedOnly) return layouts;
    const stores = this.apart ? hasLongSpan : this.sharesSpan(layouts);
    return layouts.map((layout) => (stores(layout) ? layout : withSpans(layout, () => false)));
  }

  private sharesSpan(layouts: readonly Layout[]): (layout: Layout) => boolean {
    const namesOf = (layout: Layout) => layout.past.map((_, b) => this.nameOf(layout, b));
    const uses = new Map<string, number>();
    for (const layout of layouts) {
      layout.past.forEach((block, b) => {
        const key = this.nameOf(layout, b);
        uses.set(key, (uses.get(key) ?? this.earlier(key, block)) + 1);
      });
    }
    return (layout) => namesOf(layout).some((key) => (uses.get(key) as number) > 1 || this.store.has(key));
  }

  /** Uses of a block in earlier calls, as far as they count. */
  private earlier(key: string, { positions }: Block): number {
    return this.options.acrossCalls && positions.length >= LONG_SPAN && this.store.meets(key) ? 1 : 0;
  }

  /** The blocks of a layout as a cache takes them: by number, and what the engine calls their parts. */
  placed(layout: Layout): Pick<PlacedBlock, "block" | "nameOf">[] {
    return layout.past.map((_, block) => {
      const key = this.nameOf(layout, block);
      return { block, nameOf: (part, layer) => this.store.residentName(key, part, layer) };
    });
  }

  /** Groups that follow each other and whose blocks fit the store's memory together. */
  portions(layouts: readonly Layout[], groups: readonly Group[]): Group[][] {
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

  /** Layouts from the first on whose blocks fit the store's memory together. */
  fitting(layouts: readonly Layout[]): readonly Layout[] {
    const seen = new Set<string>();
    let bytes = 0;
    for (const [i, layout] of layouts.entries()) {
      for (const [key, { size }] of this.blocksOf([layout])) {
        if (!seen.has(key)) bytes += this.store.bytesOf(size);
        seen.add(key);
      }
      if (bytes > this.store.memory) return layouts.slice(0, i);
    }
    return layouts;
  }

  /** Runs and keeps every block of the layouts that is not stored: spans first, then the text that sees them. */
  async prepare(layouts: readonly Layout[]): Promise<void> {
    const needed = this.blocksOf(layouts);
    if (needed.size === 0) return;
    const missing = await this.store.bring(new Map([...needed].map(([key, { size }]) => [key, size])));
    const sizeOf = (key: string) => (needed.get(key) as NeededBlock).size;
    const of = sum([...missing].map(sizeOf));
    let done = 0;
    let waiting = [...needed]
      .filter(([key]) => missing.has(key))
      .map(([key, { layout, index }]) => ({ key, run: blockLayout(layout, index) }));
    while (waiting.length) {
      const absent = new Set(waiting.map(({ key }) => key));
      const ready = waiting.filter(({ run }) => run.past.every((_, b) => !absent.has(this.nameOf(run, b))));
      const computed = new Set(ready);
      waiting = waiting.filter((w) => !computed.has(w));
      await this.computeBlocks(
        ready.map(({ run }) => run),
        ready.map(({ key }) => key),
        (keys) => {
          done += sum(keys.map(sizeOf));
          this.options.told?.({ kind: "storing", done, of });
        },
      );
    }
  }

  /** @param shares whether a block that all rows have in common is fed once */
  batch(layouts: readonly Layout[], { rows, batch, length }: Group, shares: boolean): Batch {
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
    const names = past.map((_, b) => placed.map(({ layout }) => this.nameOf(layout, b)));
    const common = names.map((all) => shares && all.length > 1 && new Set(all).size === 1);
    const shape = { batch, length, past, ...(common.includes(true) && { shared: common }) };
    const made = makeBatch(architecture, placed, shape, this.vectorsOf, most);
    names.forEach((all, b) => {
      const keys = Array.from({ length: common[b] ? 1 : batch }, (_, row) => all[row] ?? null);
      for (let l = 0; l < architecture.layers; l++) {
        for (const part of ["key", "value"] as const) {
          const stack = keys.map((key) => (key === null ? null : this.store.residentName(key, part, l)));
          made.feeds[`past.${b}.${part}.${l}`] = { stack };
        }
      }
    });
    return made;
  }

  private async computeBlocks(
    runs: readonly Layout[],
    keys: readonly string[],
    stored: (keys: readonly string[]) => void,
  ): Promise<void> {
    const groups = (this.apart ? groupByShape : groupAlone)(runs, this.options.tokens, this.nameOf);
    for (const group of groups) {
      const own = group.rows.flat().map((i) => keys[i] as string);
      await this.keepBlocks(runs, own, group);
      stored(own);
    }
  }

  /** @param names of the group's blocks */
  private async keepBlocks(
    layouts: readonly Layout[],
    names: readonly string[],
    group: Group,
  ): Promise<void> {
    const batch = this.batch(layouts, group, true);
    const lengths = batch.placed.map(({ layout }) => layout.fresh.length);
    const keep: Record<string, Keep> = {};
    for (let l = 0; l < this.base.architecture.layers; l++) {
      for (const part of ["key", "value"] as const) {
        keep[`${part}.${l}`] = { names: names.map((key) => this.store.residentName(key, part, l)), lengths };
      }
    }
    const spec = { ...programShape(batch, this.options), reads: 0, result: { kind: "keys" } } as const;
    await this.base.run(spec, batch.feeds, { signal: this.options.signal, keep });
    await this.store.keep(new Map(names.map((key, i) => [key, lengths[i] as number])));
  }

  /** The stored blocks that layouts need, by name. */
  private blocksOf(layouts: readonly Layout[]): Map<string, NeededBlock> {
    const blocks = new Map<string, NeededBlock>();
    for (const layout of layouts) {
      layout.past.forEach(({ positions }, b) => {
        const key = this.names.of(layout, b);
        if (!blocks.has(key)) blocks.set(key, { size: positions.length, layout, index: b });
      });
    }
    return blocks;
  }

  /** Fresh positions of a layout that hold vectors. */
  private slotsOf({ query, fresh }: Layout): number {
    const { hiddenSize } = this.base.architecture;
    return query.prompt.slots.reduce((n, { tag, position }) => {
      const end = position + this.vectorsOf(tag).length / hiddenSize;
      return n + fresh.filter((p) => p >= position && p < end).length;
    }, 0);
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Of a batch's program, what does not depend on what is read of it. */
export function programShape(
  { shape, slotCount }: Batch,
  { plain }: Pick<RunnerOptions, "plain">,
): Omit<ProgramSpec, "reads" | "result"> {
  const together = attendTogether(shape.length);
  const parts = plain || together === shape.length ? {} : { together };
  return { ...shape, slots: slotCount, ...parts };
}
