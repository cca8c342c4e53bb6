/** `tagllm predict`: rows in, what a function tag says about them out, in the order of the rows. */
import { BlockStore } from "../../batch/store.ts";
import type { Cell, WrittenColumn } from "../../data/parquet-writer.ts";
import type { RowBatch } from "../../data/source.ts";
import { TagllmError } from "../../errors.ts";
import { defaultBase } from "../../models/default-base.ts";
import { type Prediction, predict } from "../../study/predict.ts";
import { quote } from "../../suggest.ts";
import type { Tag } from "../../tags/tag.ts";
import { requireGoOn } from "../interrupt.ts";
import type { Io } from "../io.ts";
import { type EngineChoice, noteWeights, withBase } from "../open-study.ts";
import { openTagsFor } from "../open-tags.ts";
import { type Result, UsageError } from "../result.ts";
import { batchesOf, limitOf, noteTrimmed, trimmedNote, wasTrimmed } from "../rows.ts";
import { grouped, properties } from "../table.ts";
import { fileSink, tableFormat, textSink } from "../table-writer.ts";

export interface PredictChoice extends EngineChoice {
  tag?: string;
  tags?: string;
  field?: Record<string, string>;
  data?: string;
  out?: string;
  strict?: boolean;
  reuse?: boolean;
  answerTokens?: number;
  base?: string;
  json?: boolean;
}

type Row = Record<string, string>;

/** Rows without a prediction that are told by number. */
const namedFailures = 5;

export async function predictRows(io: Io, choice: PredictChoice): Promise<Result> {
  const { field, data, out } = choice;
  if ((field === undefined) === (data === undefined)) {
    throw new UsageError("Give either fields or a table.", "Use --field name=value or --data FILE.");
  }
  if (out !== undefined && data === undefined) {
    throw new UsageError("--out is for tables.", "Use it with --data FILE.");
  }
  const signal = io.signal();
  if (out !== undefined) tableFormat(out);
  const { tag, tags } = await openTagsFor(choice.tag!, choice.tags);
  checkAnswerTokens(tag, choice);
  const { strict, answerTokens } = choice;
  const reuse = choice.reuse === false ? "none" : "auto";
  const options = { signal, reuse, ...(answerTokens !== undefined && { answerTokens }) } as const;
  return withBase(choice.base ?? defaultBase, { ...choice, signal }, io, async (base) => {
    noteWeights(io, base);
    if (field) return one(tag, (await predict(base, tags, tag.name, [field], options))[0] as Prediction, io);
    const forAll = { ...options, store: new BlockStore(base), keepFailed: strict !== true };
    return many(io, choice, tag, (rows, firstRow) =>
      predict(base, tags, tag.name, rows, { ...forAll, firstRow }),
    );
  });
}

/** @throws UsageError for a tag that writes no answer */
export function checkAnswerTokens(tag: Tag, { answerTokens }: Pick<PredictChoice, "answerTokens">): void {
  if (answerTokens === undefined || (tag.kind === "function" && tag.head === null)) return;
  throw new UsageError(
    `--answer-tokens is for tags that answer in text, and ${quote(tag.name)} does not.`,
    "Leave it out.",
  );
}

function one(tag: Tag, prediction: Prediction, io: Io): Result {
  io.progress.clear();
  noteTrimmed(io, prediction, limitOf(tag));
  if (prediction.unfinished) io.progress.note(unfinishedNote("The answer was"));
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
  ask: (rows: Row[], firstRow: number) => Promise<Prediction[]>,
): Promise<Result> {
  const sink = out === undefined ? textSink("csv") : await fileSink(out);
  const all: object[] = [];
  const failures: number[] = [];
  let [rows, failed, trimmed, unfinished] = [0, 0, 0, 0];
  const signal = io.signal();
  try {
    for await (const batch of batchesOf(data as string, signal)) {
      await requireGoOn(signal);
      if (rows === 0) await sink.begin(columnsOf(tag, batch, data as string));
      const predictions = await ask(batch.rows, rows + 1);
      const lines = predictions.map((p, i) => [
        ...batch.columns.map((name) => (batch.rows[i] as Row)[name] as string),
        ...cells(tag, p),
      ]);
      await sink.write(lines);
      if (json && out === undefined) all.push(...predictions.map(jsonOf));
      predictions.forEach((p, i) => {
        if (!p.error) return;
        failed++;
        if (failures.length < namedFailures) failures.push(rows + i + 1);
      });
      rows += batch.rows.length;
      trimmed += predictions.filter(wasTrimmed).length;
      unfinished += predictions.filter((p) => p.unfinished).length;
      io.progress.update(`${grouped(rows)} rows predicted with ${tag.name} ...`);
    }
    const text = await sink.finish();
    io.progress.clear();
    if (trimmed > 0) io.progress.note(trimmedNote(trimmed, rows, limitOf(tag)));
    if (unfinished > 0) io.progress.note(unfinishedNote(`${unfinished} of ${rows} answers were`));
    if (failed > 0) {
      const some = `${failures.join(", ")}${failed > failures.length ? ", ..." : ""}`;
      io.progress.note(
        `${failed} of ${rows} rows have no prediction (rows ${some}); their column error says why.`,
      );
    }
    const ok = failed < rows;
    if (text !== null) return { text, json: { tag: tag.name, predictions: all }, ok };
    const counts = { tag: tag.name, rows, failed, trimmed, ...(!tag.head && { unfinished }), out };
    return { text: `${rows} rows with predictions: ${out}`, json: counts, ok };
  } catch (error) {
    await sink.abandon();
    throw error;
  }
}

/** The data's own columns, and what a prediction adds. The data may have a column of the answer's name; it stays. */
function columnsOf(tag: Tag, { columns }: RowBatch, file: string): WrittenColumn[] {
  const of = (type: WrittenColumn["type"], ...names: string[]) => names.map((name) => ({ name, type }));
  const numeric = tag.head !== null && !tag.classes;
  const added = [
    ...of(numeric ? "number" : "text", ...tag.outputs.map((name) => `predicted_${name}`)),
    ...of(
      "number",
      ...(hasIntervals(tag) ? tag.outputs.flatMap((name) => [`low_${name}`, `high_${name}`]) : []),
    ),
    ...of("number", ...(tag.classes ?? []).map((name) => `probability_${name}`)),
    ...of("boolean", ...(tag.outliers ? ["out_of_domain"] : [])),
    ...of("text", "error"),
  ];
  const taken = added.find(({ name }) => columns.includes(name));
  if (taken === undefined) return [...of("text", ...columns), ...added];
  const problem = `${file} already has a column ${quote(taken.name)}.`;
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

function jsonOf({ error, ...rest }: Prediction): object {
  return error ? { error: { code: error.code, problem: error.problem, cure: error.cure } } : rest;
}

/** @param which answers, and the verb */
export const unfinishedNote = (which: string): string =>
  `${which} cut off, at the longest answer (--answer-tokens) or the base's last position.`;
