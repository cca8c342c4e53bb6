/** Sizes of programs: rounded up so that few programs serve all batches, finely enough to waste little. */

/** Rounds a length up to steps of an eighth of its magnitude (8, 16, ... 64, 80, ... 128, 160, ...). */
export function roundLength(length: number): number {
  if (length <= 16) return length;
  const step = Math.max(8, 2 ** Math.floor(Math.log2(length - 1)) / 4);
  return Math.ceil(length / step) * step;
}

/** Rounds a row count up to a power of two. */
export const roundRows = (rows: number): number => 2 ** Math.ceil(Math.log2(rows));
