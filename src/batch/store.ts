/**
 * Which blocks of keys and values the engine holds. Names say all that a block depends on, so one store serves
 * every runner of a base: stages, seeds and tags that share a prefix share its blocks.
 */
import type { Base } from "../models/base.ts";

export class BlockStore {
  private readonly base: Base;
  /** Positions of each block. */
  private readonly lengths = new Map<string, number>();
  /** Bytes that each owner has asked room for. */
  private readonly reserved = new Map<string, number>();

  constructor(base: Base) {
    this.base = base;
  }

  has(key: string): boolean {
    return this.lengths.has(key);
  }

  add(key: string, positions: number): void {
    this.lengths.set(key, positions);
  }

  /**
   * Makes room for the blocks of `owner`, which are `bytes` in all; everything else goes if they would not fit beside
   * it. An owner that comes again with the same prompts finds its blocks and needs no more room.
   */
  async reserve(owner: string, bytes: number, limit: number): Promise<void> {
    if (this.reserved.get(owner) === bytes) return;
    const others = [...this.reserved].reduce((sum, [name, own]) => (name === owner ? sum : sum + own), 0);
    if (others + bytes > limit) await this.clear();
    this.reserved.set(owner, bytes);
  }

  async clear(): Promise<void> {
    const names = [...this.lengths.keys()].flatMap((key) => residentNames(this.base, key));
    this.lengths.clear();
    this.reserved.clear();
    await this.base.engine.release(names);
  }
}

/** Bytes of the keys and values of one position in all layers, f32. */
export const positionBytes = ({ architecture: a }: Base): number => a.layers * 2 * a.kvHeads * a.headDim * 4;

/** Under which names the engine keeps a block. */
export const residentName = (key: string, part: "key" | "value", layer: number): string =>
  `${key}/${part}.${layer}`;

function residentNames({ architecture }: Base, key: string): string[] {
  return Array.from({ length: architecture.layers }, (_, l) => [
    residentName(key, "key", l),
    residentName(key, "value", l),
  ]).flat();
}
