/** Files far larger than what a stream holds: memory does not grow with the rows, whatever the format. */
import assert from "node:assert/strict";
import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createGzip } from "node:zlib";
import { openParquetWriter } from "../../src/data/parquet-writer.ts";
import { streamPipe } from "../../src/data/pipe.ts";
import { type RowBatch, type SourceSpec, streamRows } from "../../src/data/source.ts";
import { folder } from "./folder.ts";

const rows = 200_000;
const value = (i: number) => `${i} ${"ACDEFGHIKLMNPQRSTVWY".repeat(16)}`;
/** Of the text in the files; a table of them would take more. */
const textBytes = rows * value(0).length;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heldNow(): number {
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/** The most that is held at some batches of the second half more than at the quarter, in bytes. */
async function growth(stream: AsyncIterable<RowBatch>): Promise<number> {
  let [count, before, most] = [0, 0, 0];
  for await (const batch of stream) {
    assert.equal(batch.rows[0]?.value, value(count));
    count += batch.rows.length;
    if (count === rows / 4) before = heldNow();
    if (count === rows / 2 || count === (rows * 3) / 4 || count === rows) most = Math.max(most, heldNow());
  }
  assert.equal(count, rows);
  return most - before;
}

function write(name: string, line: (i: number) => string, head = ""): Promise<string> {
  function* pieces() {
    yield head;
    for (let i = 0; i < rows; i += 1000) yield Array.from({ length: 1000 }, (_, k) => line(i + k)).join("");
  }
  const path = join(folder, name);
  return pipeline(Readable.from(pieces()), createWriteStream(path)).then(() => path);
}

const flat = async (source: SourceSpec) => {
  const grown = await growth(streamRows(source, { batch: 1000 }));
  assert.ok(grown < textBytes / 4, `grew by ${grown} bytes of ${textBytes}`);
};

test("csv, packed and not, and with a where", async () => {
  const file = await write("large.csv", (i) => `"${value(i)}"\n`, "value\n");
  await flat({ file });
  await pipeline(createReadStream(file), createGzip({ level: 1 }), createWriteStream(`${file}.gz`));
  await flat({ file: `${file}.gz` });
  await flat({ file, where: "length(value) > 3" });
});

test("json lines, from a file and from a pipe", async () => {
  const file = await write("large.jsonl", (i) => `${JSON.stringify({ value: value(i) })}\n`);
  await flat({ file });
  const grown = await growth(streamPipe(createReadStream(file), "stdin"));
  assert.ok(grown < textBytes / 4, `grew by ${grown} bytes of ${textBytes}`);
});

test("parquet, written and read", async () => {
  const file = join(folder, "large.parquet");
  const writer = await openParquetWriter(file, join(folder, "scratch"));
  await writer.begin([{ name: "value", type: "text" }]);
  let before = 0;
  for (let i = 0; i < rows; i += 1000) {
    await writer.write(Array.from({ length: 1000 }, (_, k) => [value(i + k)]));
    if (i === rows / 4) before = heldNow();
  }
  const grown = heldNow() - before;
  assert.ok(grown < textBytes / 4, `grew by ${grown} bytes of ${textBytes}`);
  await writer.finish();
  await writer.close();
  await flat({ file });
});
