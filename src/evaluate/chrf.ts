/**
 * chrF2 as sacreBLEU computes it by default, with one reference: n-grams of 1 to 6 characters (Unicode code points)
 * without blanks, no words, recall twice as important as precision, orders that do not occur left out. The counts
 * of rows add up, so a corpus, or a resample of it, is a sum.
 */
import { sharedNGrams, sumOfRows, withoutBlanks } from "./n-grams.ts";

const orders = [1, 2, 3, 4, 5, 6] as const;
const beta = 2;

/** Of a row, by order: n-grams said, those of the truth, and those that both have. */
const width = 3 * orders.length;

/** Counts of rows, [n, 18], of which `chrfOfRows` makes scores. */
export function chrfCounts(said: readonly string[], truth: readonly string[]): Float64Array {
  const counts = new Float64Array(said.length * width);
  said.forEach((text, row) => {
    const [own, other] = [[...withoutBlanks(text)], [...withoutBlanks(truth[row] as string)]];
    const ofRow = orders.flatMap((n) => {
      const shared = sharedNGrams(own, other, n, "");
      // Where the truth is too short for an order, what was said of it does not count either.
      return [shared.truth > 0 ? shared.said : 0, shared.truth, shared.both];
    });
    counts.set(ofRow, row * width);
  });
  return counts;
}

/** 0 to 100; of the rows asked for, repeats included. */
export function chrfOfRows(counts: Float64Array, rows: Int32Array): number {
  const sum = sumOfRows(counts, width, rows);
  let [precision, recall, used] = [0, 0, 0];
  for (let k = 0; k < orders.length; k++) {
    const [said, truth, both] = [sum[3 * k]!, sum[3 * k + 1]!, sum[3 * k + 2]!];
    if (said === 0 || truth === 0) continue;
    precision += both / said;
    recall += both / truth;
    used++;
  }
  if (precision + recall === 0) return 0;
  return (100 * ((1 + beta ** 2) * precision * recall)) / (beta ** 2 * precision + recall) / used;
}
