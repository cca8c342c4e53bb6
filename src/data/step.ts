/** What rows go through on their way from the files: joins, then a query. Every step takes and gives text. */
export interface Batch {
  /** The file that these rows are from, and the number of its first data row. */
  readonly path: string;
  readonly firstRow: number;
  readonly values: string[][];
  /** For every row its 0-based data row, counted through all files. */
  readonly rowNumbers: number[];
}

export interface Dropped {
  reason: string;
  /** 0-based data rows, counted through all files. */
  rows: number[];
}

export interface Step {
  /** Of the rows that it gives. */
  readonly columns: readonly string[];
  readonly dropped: readonly Dropped[];
  apply(batch: Batch): Promise<Batch>;
  close(): void;
}

/** How messages name a row. */
export const placeIn = ({ path, firstRow, rowNumbers }: Batch, i: number): string =>
  `${path}, data row ${(rowNumbers[i] as number) - firstRow}`;
