/** Few measurements of one thing as numbers that can be compared. */

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** In the order in which they were taken. */
  readonly all: readonly number[];
}

export function summarise(all: readonly number[]): Summary {
  const sorted = [...all].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number, all };
}

/** b over a, pair by pair: what a busy machine does to both of a pair cancels. */
export const pairedRatios = (a: Summary, b: Summary): Summary =>
  summarise(a.all.map((x, i) => (b.all[i] as number) / x));
