/** Seeded shapes and numbers for tests. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export class Random {
  private readonly generator;

  constructor(seed: number) {
    this.generator = xoroshiro128plus(seed);
  }

  /** A whole number of [from, to]. */
  int(from: number, to: number): number {
    return uniformInt(this.generator, from, to);
  }

  float(from: number, to: number): number {
    return from + (to - from) * uniformFloat64(this.generator);
  }

  floats(count: number, from = -1, to = 1): Float32Array {
    return Float32Array.from({ length: count }, () => this.float(from, to));
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat64(this.generator)));
    return radius * Math.cos(2 * Math.PI * uniformFloat64(this.generator));
  }

  chance(probability = 0.5): boolean {
    return uniformFloat64(this.generator) < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)] as T;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.map(() => left.splice(this.int(0, left.length - 1), 1)[0] as T);
  }

  /** Axes of 1 to 4, size 1 among them often. */
  shape(minRank = 1, maxRank = 4): number[] {
    return Array.from({ length: this.int(minRank, maxRank) }, () => this.pick([1, 2, 3, 4]));
  }

  /** Something that broadcasts to `shape`: axes left out in front, others of size 1. */
  narrower(shape: readonly number[]): number[] {
    return shape.slice(this.int(0, shape.length)).map((d) => (this.chance(0.4) ? 1 : d));
  }
}
