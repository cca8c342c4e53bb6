/**
 * Which of many fingerprints is nearly a given one: Tanimoto similarity (bits in both over bits in either) of at
 * least 0.95. Similar fingerprints have about as many bits, so only those are compared.
 */
import type { Budget } from "./near-text.ts";

/** 19 of 20, in whole numbers. */
const [share, of] = [19, 20];

interface Print {
  readonly index: number;
  readonly words: Uint32Array;
  readonly bits: number;
}

export class NearBits {
  /** By number of bits. */
  private readonly prints = new Map<number, Print[]>();

  /** Fingerprints of one length, a multiple of 4 bytes; null has no neighbours. */
  constructor(prints: readonly (Uint8Array | null)[]) {
    prints.forEach((bytes, index) => {
      if (!bytes) return;
      const words = wordsOf(bytes);
      const bits = countBits(words);
      const same = this.prints.get(bits);
      if (same) same.push({ index, words, bits });
      else this.prints.set(bits, [{ index, words, bits }]);
    });
  }

  /** Some fingerprint that is near; null where there is none; undefined where the budget does not last. */
  find(bytes: Uint8Array, budget: Budget): { index: number; similarity: number } | null | undefined {
    const words = wordsOf(bytes);
    const bits = countBits(words);
    if (bits === 0) return null;
    for (let other = Math.ceil((bits * share) / of); other * share <= bits * of; other++) {
      for (const print of this.prints.get(other) ?? []) {
        budget.left -= words.length;
        if (budget.left < 0) return undefined;
        const both = commonBits(words, print.words);
        const either = bits + other - both;
        if (both * of >= either * share) return { index: print.index, similarity: both / either };
      }
    }
    return null;
  }
}

const wordsOf = (bytes: Uint8Array): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer);

function countWord(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

const countBits = (words: Uint32Array): number => words.reduce((n, w) => n + countWord(w), 0);

function commonBits(a: Uint32Array, b: Uint32Array): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) count += countWord((a[i] as number) & (b[i] as number));
  return count;
}
