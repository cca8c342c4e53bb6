/**
 * Keys and values of texts that go on: in the engine, a tensor for each layer of each block that a text sees,
 * [lanes, kvHeads, slots, headDim]. A lane is one text's. Programs read the tensors where they lie, and a new
 * token's keys and values are written into them: no token costs a copy of those before it.
 */
import type { Feed, Stretch, Write } from "../engine/engine.ts";
import type { Base } from "../models/base.ts";

const parts = ["key", "value"] as const;

/** A stored block (its name in the engine by part and layer) that a lane sees as its block number `block`. */
export interface PlacedBlock {
  readonly nameOf: (part: "key" | "value", layer: number) => string;
  readonly block: number;
  readonly lane: number;
}

let caches = 0;

export class KeyCache {
  /** Positions that each block has room for; the last block is what the texts add to. */
  slots: readonly number[];
  lanes = 0;
  private readonly base: Base;
  private readonly name = `cache ${caches++}`;

  /** @param blocks how many a text sees, the one that it adds to included */
  constructor(base: Base, blocks: number) {
    this.base = base;
    this.slots = new Array<number>(blocks).fill(0);
  }

  /** Lane i is what lane `from[i]` was (null: empty); only here is anything copied, and only if something changes. */
  async arrange(from: readonly (number | null)[], slots: readonly number[]): Promise<void> {
    const { kvHeads, headDim } = this.base.architecture;
    const moved = from.length !== this.lanes || from.some((lane, i) => lane !== i);
    for (const [block, size] of slots.entries()) {
      if (!moved && size === this.slots[block]) continue;
      await this.base.engine.reserve(this.namesOf(block), [from.length, kvHeads, size, headDim], from);
    }
    this.lanes = from.length;
    this.slots = slots;
  }

  /** The inputs of a program that sees all blocks. */
  feeds(): Record<string, Feed> {
    const feeds: Record<string, Feed> = {};
    for (const block of this.slots.keys())
      this.eachTensor((part, layer) => {
        feeds[`past.${block}.${part}.${layer}`] = { held: this.tensor(block, part, layer) };
      });
    return feeds;
  }

  /** Where a program's new keys and values go: stretches of the last block. */
  writes(stretches: readonly Stretch[]): Record<string, Write> {
    const writes: Record<string, Write> = {};
    this.eachTensor((part, layer) => {
      writes[`${part}.${layer}`] = { into: this.tensor(this.slots.length - 1, part, layer), stretches };
    });
    return writes;
  }

  async place(blocks: readonly PlacedBlock[]): Promise<void> {
    const placements = blocks.flatMap(({ nameOf, block, lane }) => {
      const copies: { name: string; into: string; row: number }[] = [];
      this.eachTensor((part, layer) =>
        copies.push({ name: nameOf(part, layer), into: this.tensor(block, part, layer), row: lane }),
      );
      return copies;
    });
    if (placements.length) await this.base.engine.place(placements);
  }

  /** Releases what was reserved, of an arrangement that failed too. */
  async close(): Promise<void> {
    await this.base.engine.release([...this.slots.keys()].flatMap((b) => this.namesOf(b)));
    this.lanes = 0;
  }

  private tensor(block: number, part: "key" | "value", layer: number): string {
    return `${this.name}/${block}/${part}.${layer}`;
  }

  private namesOf(block: number): string[] {
    const names: string[] = [];
    this.eachTensor((part, layer) => names.push(this.tensor(block, part, layer)));
    return names;
  }

  private eachTensor(work: (part: "key" | "value", layer: number) => void): void {
    for (let layer = 0; layer < this.base.architecture.layers; layer++)
      for (const part of parts) work(part, layer);
  }
}
