/** The order of values as small whole numbers: equal values share a place. What ranks and curves are made from. */

export interface Places {
  /** Of each value among the different ones in ascending order, from 0. */
  readonly of: Int32Array;
  /** How many different values there are. */
  readonly count: number;
}

/** Values must not be NaN. */
export function placesOf(values: Float64Array): Places {
  const different = values.slice().sort();
  let count = 0;
  for (const value of different)
    if (count === 0 || value !== different[count - 1]) different[count++] = value;
  const of = Int32Array.from(values, (value) => {
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (different[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  });
  return { of, count };
}

/** Indices of the values at each place, in ascending order of places. */
export function* rowsByPlace({ of, count }: Places): Generator<Int32Array> {
  const ends = new Int32Array(count);
  for (const place of of) ends[place]!++;
  for (let place = 1; place < count; place++) ends[place]! += ends[place - 1]!;
  const rows = new Int32Array(of.length);
  const next = ends.slice();
  for (let i = of.length - 1; i >= 0; i--) rows[--next[of[i]!]!] = i;
  for (let place = 0; place < count; place++)
    yield rows.subarray(place === 0 ? 0 : ends[place - 1]!, ends[place]!);
}
