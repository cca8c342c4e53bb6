/** A file in any format -> its columns, and its records in batches. The one place that knows which reader reads what. */
import { CsvParser } from "./csv.ts";
import { digestOf, type FileRecord, readText } from "./file.ts";
import type { DataFormat } from "./formats.ts";
import { JsonLinesParser, TextParser } from "./lines.ts";
import { FastaParser, SmilesParser } from "./molecular.ts";
import { parquetHeader, parquetRecords } from "./parquet.ts";
import type { RecordParser } from "./parser.ts";

export interface FileRead extends FileRecord {
  /** Lines with a value that starts with a closed quote and goes on. */
  readonly looseQuotes: readonly number[];
}

/** Names of the columns as the file has them. JSON lines are read to their end for it; other text only begun. */
export async function headerOf(path: string, format: DataFormat): Promise<readonly string[]> {
  if (format === "parquet") return parquetHeader(path);
  const parser = parserOf(path, format);
  if (format === "text" || format === "fasta" || format === "smiles") return parser.header ?? [];
  for await (const text of readText(path)) {
    parser.push(text, false);
    if (format !== "jsonl" && parser.header !== null) return parser.header;
  }
  parser.push("", true);
  return parser.header ?? [];
}

/** The records of a file with these columns, in its order. Every batch is new; nothing is kept. */
export async function* recordsOf(
  path: string,
  format: DataFormat,
  header: readonly string[],
): AsyncGenerator<string[][], FileRead> {
  let rows = 0;
  if (format === "parquet") {
    for await (const batch of parquetRecords(path, header)) {
      rows += batch.length;
      yield batch;
    }
    return { path, ...(await digestOf(path)), rows, looseQuotes: [] };
  }
  const parser = parserOf(path, format, header);
  const text = readText(path);
  try {
    for (;;) {
      const { done, value } = await text.next();
      const batch = done ? parser.push("", true) : parser.push(value, false);
      rows += batch.length;
      if (batch.length > 0) yield batch;
      if (done) return { path, ...value, rows, looseQuotes: parser.looseQuotes };
    }
  } finally {
    await text.return({ sha256: "", bytes: 0 }); // closes the file when the caller stops early
  }
}

function parserOf(
  path: string,
  format: Exclude<DataFormat, "parquet">,
  header?: readonly string[],
): RecordParser {
  switch (format) {
    case "csv":
      return new CsvParser(path, ",");
    case "tsv":
      return new CsvParser(path, "\t");
    case "jsonl":
      return new JsonLinesParser(path, header);
    case "text":
      return new TextParser(path);
    case "fasta":
      return new FastaParser(path);
    case "smiles":
      return new SmilesParser(path);
  }
}
