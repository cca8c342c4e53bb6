/**
 * BLEU as sacreBLEU computes it by default, with one reference: mteval's "13a" words, case kept, n-grams up to 4,
 * zero counts smoothed exponentially ("exp"). The counts of rows add up, so a corpus, or a resample of it, is a sum.
 */
import { sharedNGrams, sumOfRows, withoutLastBlanks, words } from "./n-grams.ts";

const orders = [1, 2, 3, 4] as const;

/** Of a row: words said, words of the truth, then by order the n-grams that both have and those said. */
const width = 2 + 2 * orders.length;

/** Words as mteval-v13a cuts them: punctuation stands alone, but for points and commas between digits. */
export function words13a(text: string): string[] {
  const plain = withoutLastBlanks(text)
    .replaceAll("<skipped>", "")
    .replaceAll("-\n", "")
    .replaceAll("\n", " ")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">");
  return words(
    ` ${plain} `
      .replace(/([{-~[-` -&(-+:-@/])/gu, " $1 ")
      .replace(/([^0-9])([.,])/gu, "$1 $2 ")
      .replace(/([.,])([^0-9])/gu, " $1 $2")
      .replace(/([0-9])(-)/gu, "$1 $2 "),
  );
}

/** Counts of rows, [n, 10], of which `bleuOfRows` makes scores. */
export function bleuCounts(said: readonly string[], truth: readonly string[]): Float64Array {
  const counts = new Float64Array(said.length * width);
  said.forEach((text, row) => {
    const [own, other] = [words13a(text), words13a(truth[row] as string)];
    const shared = orders.map((n) => sharedNGrams(own, other, n, " "));
    const ofRow = [own.length, other.length, ...shared.map((s) => s.both), ...shared.map((s) => s.said)];
    counts.set(ofRow, row * width);
  });
  return counts;
}

/** 0 to 100; of the rows asked for, repeats included. */
export const bleuOfRows = (counts: Float64Array, rows: Int32Array): number =>
  score(sumOfRows(counts, width, rows), false);

/** 0 to 100; of a single text, without the orders that it is too short for (sacreBLEU's `effective_order`). */
export const sentenceBleu = (said: string, truth: string): number => score(bleuCounts([said], [truth]), true);

function score(counts: Float64Array, effectiveOrder: boolean): number {
  const [saidLength, truthLength] = [counts[0]!, counts[1]!];
  const both = counts.subarray(2, 2 + orders.length);
  const said = counts.subarray(2 + orders.length);
  if (both.every((count) => count === 0)) return 0;
  let [logs, used, halving] = [0, 0, 1];
  for (const [k, total] of said.entries()) {
    if (total === 0) break;
    used++;
    if (both[k] === 0) halving *= 2;
    logs += Math.log(both[k] === 0 ? 1 / (halving * total) : both[k]! / total);
  }
  // An order without any n-gram has the precision 0, which makes BLEU 0 but where it is not looked at.
  if (used < orders.length && !effectiveOrder) return 0;
  const brevity = saidLength < truthLength ? Math.exp(1 - truthLength / saidLength) : 1;
  return 100 * brevity * Math.exp(logs / used);
}
