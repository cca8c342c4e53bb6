/** JSON lines from a pipe, in batches, as they come. Its columns are the keys of the first batch. */
import { addAbortSignal, type Readable } from "node:stream";
import { TagllmError } from "../errors.ts";
import { Utf8Text } from "./file.ts";
import { JsonLinesParser } from "./lines.ts";
import type { RowBatch } from "./source.ts";

/**
 * `name` is how messages call the pipe; `signal` ends the waiting for it.
 * Errors: data/json, data/binary, data/empty, data/too-large, aborted.
 */
export async function* streamPipe(
  input: Readable,
  name: string,
  { batch: size = 1000, signal }: { batch?: number; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<RowBatch> {
  const parser = new JsonLinesParser(name);
  const text = new Utf8Text(name);
  let waiting: string[][] = [];
  let given = 0;
  const give = (records: readonly string[][]): RowBatch => {
    parser.fixColumns();
    const columns = parser.header;
    const first = given;
    given += records.length;
    return {
      columns,
      rows: records.map((values) =>
        Object.fromEntries(columns.map((column, c) => [column, values[c]?.trim() ?? ""])),
      ),
      rowNumbers: records.map((_, i) => first + i),
    };
  };
  for await (const chunk of chunksOf(input, name, signal)) {
    waiting.push(...parser.push(text.decode(chunk), false));
    for (; waiting.length >= size; waiting = waiting.slice(size)) yield give(waiting.slice(0, size));
  }
  text.end();
  waiting.push(...parser.push("", true));
  if (waiting.length > 0) yield give(waiting);
  if (given === 0) {
    throw new TagllmError("data/empty", `There was nothing on ${name}.`, "Pipe JSON lines into it.");
  }
}

async function* chunksOf(
  input: Readable,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  try {
    yield* signal ? addAbortSignal(signal, input) : input;
  } catch (cause) {
    if (!signal?.aborted) throw cause;
    throw new TagllmError("aborted", `Reading ${name} was interrupted.`, "Start it again.", { cause });
  }
}
