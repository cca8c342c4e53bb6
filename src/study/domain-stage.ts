/**
 * Stage 1: a domain tag learns unlabelled text of its domain. Scored in bits per character on the test side,
 * beside the same text without a tag in every way the base could read it.
 */
import type { Query } from "../batch/layout.ts";
import type { Label, Runner } from "../batch/runner.ts";
import type { Base } from "../models/base.ts";
import { textLabels } from "../train/labels.ts";
import type { TextExample, TextTask } from "../train/tasks.ts";
import type { PreparedTask, TaskRow } from "./tasks.ts";

/** The whole prompt carries loss and its first positions train, so nothing of it can be stored. */
function textExample(task: PreparedTask, row: TaskRow): TextExample {
  const prompt = task.compiler.compile(row, { withTarget: false });
  return { query: { prompt, isolate: task.isolate, cut: 0 }, labels: textLabels(prompt) };
}

export function textTask(task: PreparedTask): TextTask {
  const examples = (rows: readonly TaskRow[]) => rows.map((row) => textExample(task, row));
  return {
    kind: "text",
    name: task.name,
    train: examples(task.rows.train),
    validation: examples(task.rows.validation),
  };
}

/** Bits and characters of each row; the ratio of their sums is bits per character. */
export interface TextScores {
  readonly bits: Float64Array;
  readonly characters: Float64Array;
}

export const bitsPerCharacter = ({ bits, characters }: TextScores): number =>
  bits.reduce((s, x) => s + x, 0) / characters.reduce((s, x) => s + x, 0);

const dataText = (task: PreparedTask, row: TaskRow): string =>
  task.compiler
    .compile(row, { withTarget: false })
    .pieces.flatMap((p) => (p.kind === "field" ? [p.text.trim()] : []))
    .join("");

/** The text after the tag, as the trained prompts have it. */
export async function scoreWithTag(
  runner: Runner,
  task: PreparedTask,
  rows: readonly TaskRow[],
): Promise<TextScores> {
  const examples = rows.map((row) => textExample(task, row));
  const nats = await runner.nll(
    examples.map((e) => e.query),
    examples.map((e) => e.labels),
  );
  return scores(task, rows, nats);
}

export interface PlainReading {
  readonly name: string;
  readonly bos: boolean;
  readonly split: boolean;
  readonly blank: boolean;
}

/** Ways to read a text without a tag; the best of them is the baseline. */
export const plainReadings: readonly PlainReading[] = [true, false].flatMap((bos) =>
  [false, true].flatMap((split) =>
    [false, true].map((blank) => ({
      name: `${bos ? "BOS" : "no BOS"}, ${split ? "split" : "natural"} tokens${blank ? ", blank first" : ""}`,
      bos,
      split,
      blank,
    })),
  ),
);

/**
 * The same text without a tag. Without BOS nothing predicts the first token, which then costs a uniform choice
 * from the vocabulary.
 */
export async function scorePlain(
  base: Base,
  runner: Runner,
  task: PreparedTask,
  rows: readonly TaskRow[],
  reading: PlainReading,
): Promise<TextScores> {
  const { tokenizer } = base;
  const prompts = rows.map((row) => {
    const text = (reading.blank ? " " : "") + dataText(task, row);
    const encode = reading.split ? tokenizer.encodeCharacters : tokenizer.encode;
    const ids = encode.call(tokenizer, text, { atStart: true });
    return reading.bos && tokenizer.bosId !== null ? Int32Array.of(tokenizer.bosId, ...ids) : ids;
  });
  const bare = { slots: [], spans: [], pieces: [], readout: null, target: null, trimmed: [] };
  const longest = base.architecture.maxPositions;
  const queries = prompts.map(
    (ids): Query => ({
      prompt: { ids: ids.subarray(0, longest), ...bare },
      isolate: false,
      cut: 0,
    }),
  );
  const labels = queries.map(({ prompt }): Label[] =>
    Array.from(prompt.ids.subarray(1), (id, i) => ({ position: i + 1, id })),
  );
  const nats = await runner.nll(queries, labels);
  const first = reading.bos ? 0 : Math.log(base.architecture.vocabSize);
  return scores(task, rows, nats, first);
}

function scores(
  task: PreparedTask,
  rows: readonly TaskRow[],
  nats: readonly Float32Array[],
  extra = 0,
): TextScores {
  return {
    bits: Float64Array.from(nats, (row) => row.reduce((s, x) => s + x, extra) / Math.LN2),
    characters: Float64Array.from(rows, (row) => [...dataText(task, row)].length),
  };
}
