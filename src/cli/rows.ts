/** The rows of a command: how they come, and what is said of those that were too long. */
import { streamPipe } from "../data/pipe.ts";
import { type RowBatch, streamRows } from "../data/source.ts";
import type { Tag } from "../tags/tag.ts";
import type { Io } from "./io.ts";

/** Rows that are read and answered together; no more are in memory. */
const batchRows = 1000;

/** Rows of a file, or of stdin (-). @throws data/*, aborted while it waits for stdin */
export const batchesOf = (
  data: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<RowBatch, unknown> =>
  data === "-"
    ? streamPipe(process.stdin, "stdin", { batch: batchRows, signal })
    : streamRows({ file: data }, { batch: batchRows });

/** A row's prompt with what was cut from its fields. */
interface Trimmed {
  readonly trimmed: readonly { readonly tokens: number }[];
}

export const wasTrimmed = ({ trimmed }: Trimmed): boolean => trimmed.length > 0;

/** What prompts are cut to fit. */
export const limitOf = ({ maxTokens }: Tag): string =>
  maxTokens === undefined ? "the base" : `${maxTokens} tokens, as in the tag's training`;

/** @param limit what the rows were cut to fit */
export const trimmedNote = (trimmed: number, rows: number, limit: string): string =>
  `${trimmed} of ${rows} rows were cut to fit ${limit}.`;

/** Of a single row. */
export function noteTrimmed({ progress }: Io, row: Trimmed, limit: string): void {
  if (!wasTrimmed(row)) return;
  const tokens = row.trimmed.reduce((sum, field) => sum + field.tokens, 0);
  progress.note(`The row was cut by ${tokens} tokens to fit ${limit}.`);
}
