/**
 * Which blocks of keys and values the engine holds. Names say all that a block depends on, so one store serves
 * every runner of a base: stages, seeds and tags that share a prefix share its blocks.
 */
import type { Base } from "../models/base.ts";

export class BlockStore {
  private readonly base: Base;
  /** Positions of each block. */
  private readonly lengths = new Map<string, number>();

  constructor(base: Base) {
    this.base = base;
  }

  has(key: string): boolean {
    return this.lengths.has(key);
  }

  add(key: string, positions: number): void {
    this.lengths.set(key, positions);
  }

  /** Bytes of all blocks. */
  get bytes(): number {
    const positions = [...this.lengths.values()].reduce((n, l) => n + l, 0);
    return positions * positionBytes(this.base);
  }

  async clear(): Promise<void> {
    const names = [...this.lengths.keys()].flatMap((key) => residentNames(this.base, key));
    this.lengths.clear();
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
