/** Which formats of data there are, and which one a file's name says. */
import { basename, extname } from "node:path";
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import { isGzip } from "./file.ts";

export const dataFormats = ["csv", "tsv", "jsonl", "text", "fasta", "smiles", "parquet"] as const;
export type DataFormat = (typeof dataFormats)[number];

const extensions: Record<string, DataFormat> = {
  ".csv": "csv",
  ".tsv": "tsv",
  ".tab": "tsv",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".txt": "text",
  ".fasta": "fasta",
  ".fa": "fasta",
  ".faa": "fasta",
  ".fna": "fasta",
  ".smi": "smiles",
  ".smiles": "smiles",
  ".parquet": "parquet",
};

const withoutGz = (path: string): string => (isGzip(path) ? path.slice(0, -3) : path);

/** By the extension, before .gz if there is one. Errors: data/format. */
export function formatOf(path: string): DataFormat {
  const extension = extname(withoutGz(path)).toLowerCase();
  const format = Object.hasOwn(extensions, extension) ? extensions[extension] : undefined;
  if (format === "parquet" && isGzip(path)) {
    throw new TagllmError(
      "data/format",
      `${path} is Parquet inside gzip, which no reader of Parquet takes.`,
      "Unpack it; Parquet is compressed inside.",
    );
  }
  if (format !== undefined) return format;
  throw new TagllmError(
    "data/format",
    `The format of ${path} cannot be told from its extension ${quote(extension)}.`,
    `Set format to one of ${dataFormats.join(", ")}, or use one of ${Object.keys(extensions).join(", ")} (all but .parquet also with .gz).`,
  );
}

/** The name of a data file without folder, .gz and extension. */
export function stemOf(path: string): string {
  const name = basename(withoutGz(path));
  return basename(name, extname(name));
}
