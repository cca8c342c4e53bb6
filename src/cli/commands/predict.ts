/** `tagllm predict`: rows in, what a function tag says about them out, in the order of the rows. */
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { readRows } from "../../data/source.ts";
import { TagllmError } from "../../errors.ts";
import { defaultBase } from "../../models/default-base.ts";
import { type Prediction, predict } from "../../study/predict.ts";
import { quote } from "../../suggest.ts";
import { loadTag, tagFile, tagFileEnding } from "../../tags/file.ts";
import { tagsAskedFor } from "../../tags/library.ts";
import type { Tag } from "../../tags/tag.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, withBase } from "../open-study.ts";
import { type Result, UsageError } from "../result.ts";
import { grouped, properties } from "../table.ts";
import { type Cell, fileSink, type TableFormat, tableFormat, tableLine, textSink } from "../table-writer.ts";

export interface PredictChoice extends EngineChoice {
  tag?: string;
  tags?: string;
  field?: Record<string, string>;
  data?: string;
  out?: string;
  strict?: boolean;
  base?: string;
  json?: boolean;
}

type Row = Record<string, string>;

/** Rows that are predicted together. */
const chunkRows = 1000;

export async function predictRows(io: Io, choice: PredictChoice): Promise<Result> {
  const { field, data, out } = choice;
  if ((field === undefined) === (data === undefined)) {
    throw new UsageError("Give either fields or a table.", "Use --field name=value or --data FILE.");
  }
  if (out !== undefined && data === undefined) {
    throw new UsageError("--out is for tables.", "Use it with --data FILE.");
  }
  const signal = io.signal();
  const format = out === undefined ? "csv" : tableFormat(out);
  const { tag, tags } = await openTagsFor(choice.tag!, choice.tags);
  return withBase(choice.base ?? defaultBase, choice, async (base) => {
    const ask = (rows: Row[], keepFailed: boolean) =>
      predict(base, tags, tag.name, rows, { signal, keepFailed });
    if (field) return one(tag, (await ask([field], false))[0] as Prediction, io);
    return many(io, choice, tag, format, (rows) => ask(rows, choice.strict !== true));
  });
}

function one(tag: Tag, prediction: Prediction, io: Io): Result {
  io.progress.clear();
  noteTrimmed(io, [prediction]);
  const { values, intervals, probabilities, classSet, outOfDomain } = prediction;
  const entries: [string, string][] = Object.entries(values).map(([output, value]) => {
    const range = intervals?.[output];
    return [
      output,
      range ? `${value}  (90 %: ${range[0].toPrecision(4)} to ${range[1].toPrecision(4)})` : String(value),
    ];
  });
  for (const [name, p] of Object.entries(probabilities ?? {})) entries.push([`  ${name}`, p.toFixed(4)]);
  if (classSet) entries.push(["90 % set", classSet.join(", ") || "none"]);
  if (outOfDomain) entries.push(["note", "unlike the rows that the tag was trained on"]);
  return { text: properties(entries), json: { tag: tag.name, predictions: [jsonOf(prediction)] } };
}

async function many(
  io: Io,
  { data, out, json }: PredictChoice,
  tag: Tag,
  format: TableFormat,
  ask: (rows: Row[]) => Promise<Prediction[]>,
): Promise<Result> {
  const sink = out === undefined ? textSink() : await fileSink(out);
  const all: object[] = [];
  const failed: number[] = [];
  let [rows, trimmed] = [0, 0];
  let columns: readonly string[] | null = null;
  try {
    for await (const chunk of chunks(data as string)) {
      const predictions = await ask(chunk);
      if (columns === null) {
        columns = [
          ...Object.keys(chunk[0] as Row),
          ...predictedColumns(tag, chunk[0] as Row, data as string),
        ];
        if (format !== "jsonl") await sink.write(tableLine(format, columns, columns));
      }
      const own = columns;
      const lines = predictions.map((p, i) => {
        if (p.error) failed.push(rows + i + 1);
        return tableLine(format, [...Object.values(chunk[i] as Row), ...cells(tag, p)], own);
      });
      await sink.write(lines.join(""));
      if (json && out === undefined) all.push(...predictions.map(jsonOf));
      rows += chunk.length;
      trimmed += predictions.filter((p) => p.trimmed.length > 0).length;
      io.progress.update(`${grouped(rows)} rows predicted with ${tag.name} ...`);
    }
    const text = await sink.finish();
    io.progress.clear();
    if (trimmed > 0) io.progress.note(`${trimmed} of ${rows} rows were cut to fit the base.`);
    if (failed.length > 0) {
      const some = `${failed.slice(0, 5).join(", ")}${failed.length > 5 ? ", ..." : ""}`;
      io.progress.note(
        `${failed.length} of ${rows} rows have no prediction (rows ${some}); their column error says why.`,
      );
    }
    const ok = failed.length < rows;
    if (text !== null) return { text, json: { tag: tag.name, predictions: all }, ok };
    const counts = { tag: tag.name, rows, failed: failed.length, trimmed, out };
    return { text: `${rows} rows with predictions: ${out}`, json: counts, ok };
  } catch (error) {
    await sink.abandon();
    throw error;
  }
}

async function* chunks(data: string): AsyncGenerator<Row[]> {
  if (data === "-") {
    yield* pipedChunks();
    return;
  }
  const { rows } = await readRows({ file: data });
  for (let at = 0; at < rows.length; at += chunkRows) yield rows.slice(at, at + chunkRows);
}

/** JSON lines from stdin, as soon as there are enough or no more. */
async function* pipedChunks(): AsyncGenerator<Row[]> {
  let chunk: Row[] = [];
  let line = 0;
  for await (const text of createInterface({ input: process.stdin })) {
    line++;
    if (text.trim() === "") continue;
    chunk.push(parseLine(text, line));
    if (chunk.length === chunkRows) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
  if (line === 0)
    throw new TagllmError("data/empty", "There was nothing on stdin.", "Pipe JSON lines into it.");
}

function parseLine(text: string, line: number): Row {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("no object");
    return Object.fromEntries(
      Object.entries(value).map(([k, v]) => [
        k,
        typeof v === "string" ? v : v === null ? "" : JSON.stringify(v),
      ]),
    );
  } catch (cause) {
    const problem = `Line ${line} of stdin is not a JSON object: ${quote(text)}.`;
    throw new TagllmError("data/json", problem, 'Write one object on each line, as {"column": "value"}.', {
      cause,
    });
  }
}

/** What a prediction adds to a row. The data may have a column of the answer's name; it stays as it is. */
function predictedColumns(tag: Tag, row: Row, file: string): string[] {
  const columns = [
    ...tag.outputs.map((name) => `predicted_${name}`),
    ...(hasIntervals(tag) ? tag.outputs.flatMap((name) => [`low_${name}`, `high_${name}`]) : []),
    ...(tag.classes ?? []).map((name) => `probability_${name}`),
    ...(tag.outliers ? ["out_of_domain"] : []),
    "error",
  ];
  const taken = columns.find((name) => Object.hasOwn(row, name));
  if (taken === undefined) return columns;
  const problem = `${file} already has a column ${quote(taken)}.`;
  throw new TagllmError("data/duplicate-column", problem, "Rename or remove it.");
}

const hasIntervals = ({ classes, conformal }: Tag): boolean =>
  !classes && conformal !== undefined && !conformal.includes(null);

function cells(tag: Tag, { values, intervals, probabilities, outOfDomain, error }: Prediction): Cell[] {
  return [
    ...tag.outputs.map((name) => values[name] ?? null),
    ...(hasIntervals(tag) ? tag.outputs.flatMap((name) => intervals?.[name] ?? [null, null]) : []),
    ...(tag.classes ?? []).map((name) => probabilities?.[name] ?? null),
    ...(tag.outliers ? [outOfDomain ?? null] : []),
    error ? `${error.code}: ${error.problem}` : null,
  ];
}

function jsonOf({ trimmed: _, error, ...rest }: Prediction): object {
  return error ? { error: { code: error.code, problem: error.problem, cure: error.cure } } : rest;
}

/** The function tag and the tags that its template names, from one folder. */
async function openTagsFor(
  fileOrName: string,
  folder: string | undefined,
): Promise<{ tag: Tag; tags: Map<string, Tag> }> {
  const isFile = fileOrName.endsWith(tagFileEnding);
  const home = folder ?? (isFile ? dirname(fileOrName) : ".");
  const tag = await loadTag(isFile ? fileOrName : tagFile(home, fileOrName));
  const tags = new Map([[tag.name, tag]]);
  for (const name of tagsAskedFor(tag))
    if (!tags.has(name)) tags.set(name, await loadTag(tagFile(home, name)));
  return { tag, tags };
}

function noteTrimmed({ progress }: Io, predictions: readonly Prediction[]): void {
  const cut = predictions.filter(({ trimmed }) => trimmed.length > 0);
  if (cut.length === 0) return;
  const tokens = cut.flatMap(({ trimmed }) => trimmed).reduce((sum, field) => sum + field.tokens, 0);
  progress.note(`${cut.length} rows were cut by ${tokens} tokens in all to fit the base.`);
}
