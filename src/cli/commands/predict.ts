/** `tagllm predict`: rows in, what a function tag says about them out. */
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readRows } from "../../data/source.ts";
import { TagllmError } from "../../errors.ts";
import { defaultBase } from "../../models/default-base.ts";
import { parseTemplate } from "../../prompts/template.ts";
import { type Prediction, predict } from "../../study/predict.ts";
import { quote } from "../../suggest.ts";
import { loadTag, tagFileEnding } from "../../tags/file.ts";
import type { Tag } from "../../tags/tag.ts";
import { csv } from "../csv.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, withBase } from "../open-study.ts";
import { type Result, UsageError } from "../result.ts";
import { properties } from "../table.ts";

export interface PredictChoice extends EngineChoice {
  tag?: string;
  tags?: string;
  field?: Record<string, string>;
  data?: string;
  out?: string;
  base?: string;
}

type Row = Record<string, string>;

export async function predictRows(io: Io, choice: PredictChoice): Promise<Result> {
  const { field, data, out } = choice;
  if ((field === undefined) === (data === undefined)) {
    throw new UsageError("Give either fields or a table.", "Use --field name=value or --data FILE.");
  }
  if (out !== undefined && data === undefined) {
    throw new UsageError("--out is for tables.", "Use it with --data FILE.");
  }
  const signal = io.signal();
  const { name, tags } = await openTagsFor(choice.tag!, choice.tags);
  const rows = field ? [field] : (await readRows({ file: data! })).rows;
  io.progress.update(`predicting ${rows.length} rows with ${name} ...`);
  const predictions = await withBase(choice.base ?? defaultBase, choice, (base) =>
    predict(base, tags, name, rows, { signal }),
  );
  io.progress.clear();
  noteTrimmed(io, predictions);
  const values = predictions.map((prediction) => prediction.values);
  if (data === undefined) {
    const text = properties(Object.entries(values[0]!).map(([output, value]) => [output, String(value)]));
    return { text, json: { tag: name, predictions: values } };
  }
  const text = csv(rows.map((row, i) => withPredictions(row, values[i]!, data)));
  if (out === undefined) return { text, json: { tag: name, predictions: values } };
  await writeTable(out, text);
  return {
    text: `${rows.length} rows with predictions: ${out}`,
    json: { tag: name, rows: rows.length, out },
  };
}

/** The function tag and the tags that its template names, from one folder. */
async function openTagsFor(
  fileOrName: string,
  folder: string | undefined,
): Promise<{ name: string; tags: Map<string, Tag> }> {
  const isFile = fileOrName.endsWith(tagFileEnding);
  const home = folder ?? (isFile ? dirname(fileOrName) : ".");
  const tag = await loadTag(isFile ? fileOrName : fileOf(home, fileOrName));
  const tags = new Map([[tag.name, tag]]);
  const pieces = tag.template === null ? [] : parseTemplate(tag.template).pieces;
  for (const piece of pieces) {
    if (piece.kind !== "tag" || tags.has(piece.name)) continue;
    tags.set(piece.name, await loadTag(fileOf(home, piece.name)));
  }
  return { name: tag.name, tags };
}

function fileOf(folder: string, name: string): string {
  return join(folder, `${name}${tagFileEnding}`);
}

/** The data may have a column of the answer's name, for comparison; it stays as it is. */
function withPredictions(row: Row, values: Prediction["values"], file: string): Row {
  const all = { ...row };
  for (const [output, value] of Object.entries(values)) {
    const column = `predicted_${output}`;
    if (Object.hasOwn(row, column)) {
      const problem = `${file} already has a column ${quote(column)}.`;
      throw new TagllmError("data/duplicate-column", problem, "Rename or remove it.");
    }
    all[column] = String(value);
  }
  return all;
}

function noteTrimmed({ progress }: Io, predictions: readonly Prediction[]): void {
  const cut = predictions.filter(({ trimmed }) => trimmed.length > 0);
  if (cut.length === 0) return;
  const tokens = cut.flatMap(({ trimmed }) => trimmed).reduce((sum, field) => sum + field.tokens, 0);
  progress.note(
    `${cut.length} of ${predictions.length} rows were cut by ${tokens} tokens in all to fit the base.`,
  );
}

async function writeTable(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((cause: NodeJS.ErrnoException) => {
    const problem = `${file} cannot be written (${cause.code ?? cause.message}).`;
    throw new TagllmError("predict/write", problem, "Check the path and your rights to it.", { cause });
  });
}
