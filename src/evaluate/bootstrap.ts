/**
 * How much a number of a test set depends on which rows happened to be in it: percentile bootstrap over rows, or over
 * groups of rows that came into it together. It says nothing about the spread between training seeds.
 */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export interface Interval {
  /** The statistic of all rows as they are. */
  value: number;
  low: number;
  high: number;
  /** Resamples for which the statistic was defined; the interval is theirs. */
  resamples: number;
}

export interface BootstrapOptions {
  seed: number;
  /** Default 2000. */
  resamples?: number;
  /** Default 0.95. */
  level?: number;
  /** The group of each row: whole groups are drawn, as their rows do not vary by themselves. Default: each row its own. */
  groups?: ArrayLike<number>;
}

/**
 * The interval of any statistic of rows: `statistic` gets row indices (repeats included) and returns a number.
 * The limits are percentiles of the resampled statistic, interpolated linearly; NaN below two rows or groups, of
 * which every resample would be the same.
 */
export function bootstrapInterval(
  rows: number,
  statistic: (rows: Int32Array) => number,
  options: BootstrapOptions,
): Interval {
  return bootstrapIntervals(rows, (drawn) => ({ statistic: statistic(drawn) }), options)
    .statistic as Interval;
}

/** The same for several statistics of the same resamples, by name. */
export function bootstrapIntervals(
  rows: number,
  statistics: (rows: Int32Array) => Readonly<Record<string, number>>,
  { seed, resamples = 2000, level = 0.95, groups }: BootstrapOptions,
): Record<string, Interval> {
  const all = Int32Array.from({ length: rows }, (_, i) => i);
  const values = statistics(all);
  const random = xoroshiro128plus(seed);
  const draw = groups ? groupDrawer(all, groups) : rowDrawer(rows);
  const found = new Map(Object.keys(values).map((name) => [name, [] as number[]]));
  const units = groups ? new Set(Array.from(groups)).size : rows;
  for (let b = 0; units > 1 && b < resamples; b++) {
    const resampled = statistics(draw(random));
    for (const [name, own] of found) {
      const value = resampled[name] as number;
      if (!Number.isNaN(value)) own.push(value);
    }
  }
  const tail = (1 - level) / 2;
  const interval = ([name, own]: [string, number[]]): [string, Interval] => {
    const sorted = Float64Array.from(own).sort();
    const [low, high] = [percentile(sorted, tail), percentile(sorted, 1 - tail)];
    return [name, { value: values[name] as number, low, high, resamples: sorted.length }];
  };
  return Object.fromEntries([...found].map(interval));
}

type Random = ReturnType<typeof xoroshiro128plus>;

function rowDrawer(rows: number): (random: Random) => Int32Array {
  const drawn = new Int32Array(rows);
  return (random) => {
    for (let i = 0; i < rows; i++) drawn[i] = uniformInt(random, 0, rows - 1);
    return drawn;
  };
}

/** As many groups as there are, so about as many rows. */
function groupDrawer(rows: Int32Array, groupOf: ArrayLike<number>): (random: Random) => Int32Array {
  const byGroup = new Map<number, number[]>();
  for (const row of rows) {
    const group = groupOf[row] as number;
    const own = byGroup.get(group);
    if (own) own.push(row);
    else byGroup.set(group, [row]);
  }
  const groups = [...byGroup.values()];
  return (random) => {
    const chosen = groups.map(() => groups[uniformInt(random, 0, groups.length - 1)] as number[]);
    return Int32Array.from(chosen.flat());
  };
}

/**
 * The interval of sum(a) / sum(size) - sum(b) / sum(size) with a and b measured on the same rows, such as bits
 * with and without a tag over characters.
 */
export function ratioDifference(
  a: Float64Array,
  b: Float64Array,
  size: Float64Array,
  options: BootstrapOptions,
): Interval {
  const statistic = (rows: Int32Array) => {
    let difference = 0;
    let total = 0;
    for (const i of rows) {
      difference += a[i]! - b[i]!;
      total += size[i]!;
    }
    return difference / total;
  };
  return bootstrapInterval(a.length, statistic, options);
}

/** `share` in [0, 1] of ascending values, as numpy's default ("linear"). */
function percentile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
