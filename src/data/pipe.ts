/** JSON lines from a pipe, in batches, as they come. Its columns are the keys of the first batch. */
import { TagllmError } from "../errors.ts";
import { Utf8Text } from "./file.ts";
import { JsonLinesParser } from "./lines.ts";
import type { RowBatch } from "./source.ts";

/** `name` is how messages call the pipe. Errors: data/json, data/binary, data/empty, data/too-large. */
export async function* streamPipe(
  input: AsyncIterable<Buffer>,
  name: string,
  { batch: size = 1000 }: { batch?: number } = {},
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
  for await (const chunk of input) {
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
