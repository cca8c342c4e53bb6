/** Prompts that are ready to run -> texts, in pieces as they are written. What the library and predict share. */
import type { Query } from "../batch/layout.ts";
import type { Runner } from "../batch/runner.ts";
import type { Base } from "../models/base.ts";
import { BeamWriter } from "./beams.ts";
import { decode } from "./decode.ts";
import { chooser } from "./sampling.ts";
import type { FullSettings } from "./settings.ts";
import { TextPieces } from "./text-pieces.ts";
import { type Finish, SingleWriter } from "./writer.ts";

export interface WrittenText {
  readonly text: string;
  /** The tokens that were written, without the end token; those of a stop string are among them. */
  readonly ids: readonly number[];
  readonly finish: Finish;
  /** Beam search only: log-probability / length ^ lengthPenalty. */
  readonly score?: number;
}

export type WriteEvent =
  /** What comes next of a row's text. */
  | { readonly kind: "text"; readonly row: number; readonly text: string }
  | { readonly kind: "end"; readonly row: number; readonly written: WrittenText };

/**
 * Rows go on side by side; a row's pieces are its text. With beams a text comes whole.
 * @param ends of each row, where they are not those of the settings
 */
export async function* writeTexts(
  runner: Runner,
  queries: readonly Query[],
  settings: FullSettings,
  ends: readonly Pick<FullSettings, "eos" | "stop">[] = [],
): AsyncGenerator<WriteEvent> {
  const rows = queries.map((query, i) =>
    rowOf(runner, query, { ...settings, ...ends[i], seed: settings.seed + i }),
  );
  for await (const moved of decode(runner, rows, settings.lanes)) {
    for (const row of moved) {
      const { writer, pieces } = rows[row] as Row;
      let text = "";
      if (writer instanceof SingleWriter || writer.finish) {
        for (const id of writer.ids.slice((rows[row] as Row).shown)) text += pieces.push(id);
        (rows[row] as Row).shown = writer.ids.length;
      }
      if (pieces.stopped && writer instanceof SingleWriter) writer.stop();
      if (writer.finish) text += pieces.flush();
      // The last characters may complete a stop string only when nothing can follow them.
      if (pieces.stopped && writer instanceof SingleWriter) writer.stop();
      if (text) yield { kind: "text", row, text };
      const { finish, ids } = writer;
      const score = writer instanceof BeamWriter ? { score: writer.score } : {};
      if (finish) yield { kind: "end", row, written: { text: pieces.text, ids, finish, ...score } };
    }
  }
}

interface Row {
  readonly query: Query;
  readonly writer: SingleWriter | BeamWriter;
  readonly pieces: TextPieces;
  /** Tokens of the writer that have been given to `pieces`. */
  shown: number;
}

const withoutToken = new WeakMap<Base, readonly number[]>();

/** Rows of a base's vocabulary that its tokenizer cannot read: padding, which a base may still find likely. */
function idsWithoutToken(base: Base): readonly number[] {
  const known = withoutToken.get(base);
  if (known) return known;
  const { tokenizer, architecture } = base;
  const ids: number[] = [];
  for (let id = 0; id < architecture.vocabSize; id++) if (!tokenizer.hasToken(id)) ids.push(id);
  withoutToken.set(base, ids);
  return ids;
}

function rowOf({ base }: Runner, query: Query, settings: FullSettings): Row {
  // An end token is never read as text: it may be chosen without one.
  const never = idsWithoutToken(base).filter((id) => !settings.eos.has(id));
  const { ids } = query.prompt;
  const ends = { ...settings, room: base.architecture.maxPositions - ids.length };
  const before = lastTokens(ids);
  const piecesOf = () => new TextPieces(base.tokenizer, settings.stop, before);
  const meetsStop = (answer: readonly number[]) => {
    if (settings.stop.length === 0) return false;
    const pieces = piecesOf();
    for (const id of answer) pieces.push(id);
    return pieces.stopped;
  };
  const writer =
    settings.beams > 1
      ? new BeamWriter(ids, settings, ends, meetsStop, never)
      : new SingleWriter(ids, chooser(settings, settings.seed, never), ends);
  return { query, writer, pieces: piecesOf(), shown: 0 };
}

/** So many tokens before a text show how its first one is spelt: as the beginning, or within. */
const BEFORE = 4;

/** The last tokens of a prompt behind the last tag. */
function lastTokens(ids: Int32Array): number[] {
  const tag = ids.lastIndexOf(-1);
  return [...ids.subarray(Math.max(tag + 1, ids.length - BEFORE))];
}
