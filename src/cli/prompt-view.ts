/** One prompt as a table: what stands at which positions, what each part sees, where loss and read-out are. */
import { firstSeen } from "../prompts/mask.ts";
import type { Piece, Prompt } from "../prompts/prompt.ts";
import type { TextTokenizer } from "../tokenizer/tokenizer.ts";
import type { Colors } from "./io.ts";
import { tableLines } from "./table.ts";

export interface InspectedPrompt {
  prompt: Prompt;
  /** Whether isolation applies to this prompt. */
  isolate: boolean;
  /** Positions whose tokens the base is scored on. */
  lossAt: readonly number[];
}

/** What a program gets: everything, with token texts. */
export function promptJson({ prompt, isolate, lossAt }: InspectedPrompt, tokenizer: TextTokenizer): object {
  return {
    ids: [...prompt.ids],
    tokens: Array.from(prompt.ids, (id) => (id < 0 ? null : tokenizer.tokenText(id))),
    pieces: prompt.pieces,
    slots: prompt.slots,
    spans: prompt.spans,
    isolate,
    firstSeen: [...seen({ prompt, isolate, lossAt })],
    lossAt,
    readout: prompt.readout,
    target: prompt.target,
    trimmed: prompt.trimmed,
  };
}

/** A line per part of the prompt; long parts go on below, within `width` columns. */
export function promptLines(
  inspected: InspectedPrompt,
  tokenizer: TextTokenizer,
  { width, colors }: { width: number; colors: Colors },
): string[] {
  const { prompt, lossAt } = inspected;
  const first = seen(inspected);
  const rows = prompt.pieces
    .filter(({ start, end }) => end > start)
    .map((piece) => [
      range(piece.start, piece.end),
      title(piece),
      `from ${first[piece.start]}`,
      ranges(lossAt.filter((position) => position >= piece.start && position < piece.end)),
      notes(piece, inspected),
    ]);
  const columns = [
    { title: "positions" },
    { title: "what" },
    { title: "sees" },
    { title: "loss" },
    { title: "" },
  ];
  const [heading, ...lines] = tableLines(columns, rows);
  const shown = prompt.pieces.filter(({ start, end }) => end > start);
  return [
    colors.dim(heading!),
    ...lines.flatMap((line, i) => {
      const piece = shown[i]!;
      if (piece.kind === "tag") return [colors.cyan(line)];
      const tokens = Array.from(prompt.ids.subarray(piece.start, piece.end), (id) =>
        visible(tokenizer.tokenText(id)),
      );
      return [line, ...wrap(tokens, width - 4).map((text) => `    ${colors.dim(text)}`)];
    }),
  ];
}

function seen({ prompt, isolate }: InspectedPrompt): Int32Array {
  return firstSeen(prompt, isolate);
}

function title({ kind, name }: Piece): string {
  if (kind === "tag") return `<${name}>`;
  if (kind === "field") return `{${name}}`;
  return kind === "target" ? `{${name}} target` : kind;
}

function notes({ kind, start, end }: Piece, { prompt, isolate }: InspectedPrompt): string {
  const said: string[] = [];
  if (kind === "tag") said.push(`${end - start} vectors`);
  const span = prompt.spans.find((s) => s.start === start && s.end >= end);
  if (span) said.push(`span ${range(span.start, span.end)}${isolate && span.isolate ? ", isolated" : ""}`);
  if (prompt.readout !== null && prompt.readout >= start && prompt.readout < end) {
    said.push(`read-out at ${prompt.readout}`);
  }
  return said.join("; ");
}

function range(start: number, end: number): string {
  return end - start === 1 ? String(start) : `${start}-${end - 1}`;
}

/** [3, 4, 5, 9] as "3-5, 9". */
export function ranges(positions: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const position of positions) {
    const last = parts.at(-1);
    if (last && last[1] === position) last[1] = position + 1;
    else parts.push([position, position + 1]);
  }
  return parts.length === 0 ? "none" : parts.map(([start, end]) => range(start, end)).join(", ");
}

/** A token with its blanks visible. */
export function visible(token: string): string {
  return token.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
