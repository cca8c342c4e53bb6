/** The order in which examples are seen: a new seeded permutation each epoch. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A permutation of 0..count-1 (Fisher-Yates). */
export function permutation(count: number, seed: number): Int32Array {
  const random = xoroshiro128plus(seed);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** At most so many of them, in their order, drawn from all: tables are often sorted. The same ones each time. */
export function drawn<T>(all: readonly T[], most: number): T[] {
  const chosen = permutation(all.length, 0).slice(0, most).sort();
  return Array.from(chosen, (i) => all[i] as T);
}

/** Index sequences of `size` examples each, epoch after epoch, each epoch in its own order. */
export function* batches(count: number, size: number, seed: number): Generator<Int32Array> {
  let rest = new Int32Array(0);
  for (let epoch = 0; ; epoch++) {
    // As a product of 32 bits, which is all that the generator reads: large seeds have no exact product in a double.
    const order = permutation(count, Math.imul(seed, 1_000_003) + epoch);
    const queue = new Int32Array(rest.length + count);
    queue.set(rest);
    queue.set(order, rest.length);
    let at = 0;
    for (; at + size <= queue.length; at += size) yield queue.slice(at, at + size);
    rest = queue.slice(at);
  }
}
