/**
 * Sizes of programs. A program keeps the memory of its largest intermediate results, so few shapes must serve
 * all batches; steps are fine enough that little is padded.
 */

/** Lengths up to 16 as they are (tags), then steps of 16 to 128, of 32 to 256, of 64 to 512 and so on. */
export function roundLength(length: number): number {
  if (length <= 16) return length;
  const step = Math.max(16, 2 ** Math.ceil(Math.log2(length)) / 8);
  return Math.ceil(length / step) * step;
}

/** Stored positions cost little when they are padding, so their steps are coarser: 16, 32, 64 to 256, then quarters. */
export function roundPast(length: number): number {
  if (length <= 64) return length <= 16 ? 16 : length <= 32 ? 32 : 64;
  const step = Math.max(64, 2 ** Math.ceil(Math.log2(length)) / 4);
  return Math.ceil(length / step) * step;
}

/** The most rows of `length` tokens that fit the budget, a power of two, and no more than `rows` need. */
export function fullRows(length: number, budget: number, rows: number): number {
  const fit = 2 ** Math.floor(Math.log2(Math.max(1, budget / length)));
  return Math.min(fit, 2 ** Math.ceil(Math.log2(rows)));
}

/** Rows of a batch that is not full: the full number divided by a power of four. */
export function partRows(rows: number, full: number): number {
  let size = full;
  while (size % 4 === 0 && size / 4 >= rows) size /= 4;
  return size;
}

/** A number of reads or slots that is not known beforehand: a power of two up to 16, then as lengths. */
export function roundReads(count: number): number {
  return count <= 16 ? 2 ** Math.ceil(Math.log2(Math.max(1, count))) : roundLength(count);
}

/** Positions of a row that attend together: few enough to leave much out, so many that products stay large. */
export function attendTogether(length: number): number {
  return length < 256 ? length : 128;
}
