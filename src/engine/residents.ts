/**
 * Resident tensors that runs write into: [rows, ..., positions, width]. A write costs what it writes, however much
 * is there already; only growing copies the rest.
 */
import type { Stretch } from "./protocol.ts";

export interface Resident {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** What lies between rows and positions, as one axis. */
const partsOf = ({ shape }: Resident): number => shape.slice(1, -2).reduce((n, d) => n * d, 1);

export function writeStretches(to: Resident, from: Resident, stretches: readonly Stretch[]): void {
  const parts = partsOf(to);
  const [length, width] = from.shape.slice(-2) as [number, number];
  const room = to.shape.at(-2) as number;
  for (const { row, at, count, toRow, toAt } of stretches) {
    if (toAt + count > room) throw new Error(`${count} positions from ${toAt} on do not fit ${room}`);
    for (let part = 0; part < parts; part++) {
      const begin = ((row * parts + part) * length + at) * width;
      to.data.set(
        from.data.subarray(begin, begin + count * width),
        ((toRow * parts + part) * room + toAt) * width,
      );
    }
  }
}

/** Zeros of `shape`, in which row r begins as row `rows[r]` of `old`, as far as the positions of both go. */
export function rearranged(
  old: Resident | undefined,
  shape: readonly number[],
  rows: readonly (number | null)[],
): Resident {
  const made: Resident = { shape, data: new Float32Array(shape.reduce((n, d) => n * d, 1)) };
  if (!old) return made;
  const count = Math.min(old.shape.at(-2) as number, shape.at(-2) as number);
  const stretches = rows.flatMap((row, toRow) =>
    row === null ? [] : [{ row, at: 0, count, toRow, toAt: 0 }],
  );
  writeStretches(made, old, stretches);
  return made;
}
