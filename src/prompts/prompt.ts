/**
 * A bound template and one row of data become a prompt: token ids with slots for tag vectors, spans, read-out
 * and target. Every literal and every field is tokenised on its own, so data stays plain text. A prompt that
 * is too long loses tokens at the end of its longest data fields and nowhere else. Vectors are filled in later.
 */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import type { Place, TextTokenizer } from "../tokenizer/tokenizer.ts";
import type { BoundField, BoundPart, BoundTemplate } from "./bind.ts";

/** Positions of one use of a tag: [position, position + length of the tag). */
export interface Slot {
  tag: string;
  position: number;
}

/** Positions [start, end) of a domain tag's vectors and the data field directly after it. */
export interface Span {
  tag: string;
  field: string;
  start: number;
  end: number;
  /** From the tag: whether the span sees nothing before it where isolation applies. */
  isolate: boolean;
}

/** Positions [start, end) and what stands there; `name` is the tag's or field's. */
export interface Piece {
  /** `chat`: what the base's chat template writes around messages. */
  kind: "bos" | "text" | "chat" | "field" | "tag" | "target" | "eos";
  name?: string;
  start: number;
  end: number;
  text: string;
}

export interface Prompt {
  /** One token id per position; -1 where a tag vector stands. */
  ids: Int32Array;
  slots: Slot[];
  spans: Span[];
  /** In order, covering every position. */
  pieces: Piece[];
  /** The last position of the function tag (for a tag of length 0, the position before it). */
  readout: number | null;
  /** Positions of all that is to be written after the function tag: target, closing literal, EOS if asked. */
  target: { start: number; end: number } | null;
  /** Tokens cut from data fields, one entry per use of a field that lost any. */
  trimmed: { field: string; tokens: number }[];
}

export interface PromptOptions {
  tokenizer: TextTokenizer;
  /** The most positions a prompt may take, tag vectors and target included. */
  maxTokens: number;
  /** The most positions where cutting data fields can reach it, so that there is room behind; default `maxTokens`. */
  cutTo?: number;
  bos: boolean;
  /** False leaves out everything after the function tag: for heads, and for asking. */
  withTarget: boolean;
  /**
   * EOS as the last token of the target, unless a chat template ends its message with a control token of its own;
   * without effect when `withTarget` is false.
   */
  eosAfterTarget: boolean;
}

/**
 * The positions of a base to which a question is cut so that an answer of so many tokens has room behind it. Half of
 * them are the question's, as answers may be allowed to be long that are not.
 */
export const questionPositions = (positions: number, answerTokens: number): number =>
  Math.max(positions - answerTokens, Math.floor(positions / 2));

/** A piece that has its tokens and not yet its place. */
interface Segment {
  kind: Piece["kind"];
  name?: string;
  text: string;
  ids: Int32Array;
  /** The fewest tokens that trimming may leave. */
  atLeast: number;
  /** The span this field closes. */
  span?: { tag: string; tagLength: number; isolate: boolean };
}

const tagSlot = -1;

/**
 * Make the prompt of one row. Throws prompts/no-target, missing-field, empty-field, too-long, control-token,
 * or empty when nothing is left to read.
 */
export function compilePrompt(
  bound: BoundTemplate,
  row: Readonly<Record<string, string>>,
  options: PromptOptions,
): Prompt {
  const { segments: question, place } = questionSegments(bound, row, options);
  const answer = options.withTarget ? answerSegments(bound, row, options, place) : [];
  const segments = [...question, ...answer];
  const trimmed = trimFields(segments, options);

  const length = totalLength(segments);
  const questionLength = totalLength(question);
  const readout = bound.functionTag === null ? null : questionLength - 1;
  if (length === 0 || readout === -1) {
    const problem = `The prompt made from ${quote(bound.source)} has no position to read.`;
    throw new TagllmError("prompts/empty", problem, "Give the template text or a tag with vectors.");
  }
  const target = options.withTarget ? { start: questionLength, end: length } : null;
  return { ...layOut(segments, length), readout, target, trimmed };
}

/** The segments of a question, and the place behind them. */
function questionSegments(
  { question }: BoundTemplate,
  row: Readonly<Record<string, string>>,
  { tokenizer, bos }: PromptOptions,
): { segments: Segment[]; place: Place } {
  const segments: Segment[] = bos ? [controlSegment("bos", tokenizer)] : [];
  let place: Place = { atStart: true };
  for (const part of question) {
    if (part.kind === "chat") {
      const ids = tokenizer.encodeMarkup(part.text, place);
      segments.push(chatSegment(part.text, ids, tokenizer, place));
      place = { atStart: false, after: ids.at(-1) ?? place.after };
      continue;
    }
    const segment = questionSegment(part, row, tokenizer, place);
    segments.push(segment);
    if (segment.ids.length > 0) place = { atStart: false };
  }
  return { segments, place };
}

function questionSegment(
  part: Exclude<BoundPart, { kind: "chat" }>,
  row: Readonly<Record<string, string>>,
  tokenizer: TextTokenizer,
  place: Place,
): Segment {
  if (part.kind === "text") return fixed("text", part.text, tokenizer.encode(part.text, place));
  if (part.kind === "field") return fieldSegment(part, row, tokenizer, place);
  const { name, length } = part.tag;
  return fixed("tag", `<${name}>`, new Int32Array(length).fill(tagSlot), name);
}

function fieldSegment(
  part: BoundField,
  row: Readonly<Record<string, string>>,
  tokenizer: TextTokenizer,
  place: Place,
): Segment {
  const { text, ids } = tokeniseField(part, row, tokenizer, place);
  const segment: Segment = {
    kind: "field",
    name: part.name,
    text,
    ids,
    atLeast: Math.min(ids.length, 1 + part.blanks.length),
  };
  if (part.domain !== null) {
    segment.span = { tag: part.domain.name, tagLength: part.domain.length, isolate: part.domain.isolate };
  }
  return segment;
}

function answerSegments(
  bound: BoundTemplate,
  row: Readonly<Record<string, string>>,
  options: PromptOptions,
  { after }: Place,
): Segment[] {
  const { tokenizer } = options;
  if (bound.target === null) {
    const problem = `The template ${quote(bound.source)} has no target.`;
    throw new TagllmError("prompts/no-target", problem, "End it with a function tag and the target's field.");
  }
  const { text, ids } = tokeniseField(bound.target, row, tokenizer, { atStart: false, after });
  const segments = [fixed("target", text, ids, bound.target.name)];
  if (bound.closing !== "") {
    segments.push(fixed("text", bound.closing, tokenizer.encode(bound.closing, { atStart: false })));
  }
  const end = endOfTurn(bound, tokenizer);
  if (end) segments.push(end);
  if (options.eosAfterTarget && endToken(bound, tokenizer) === null)
    segments.push(controlSegment("eos", tokenizer));
  return segments;
}

/** What a chat template writes before the first message, without a BOS of its own: `bos` says whether there is one. */
function chatSegment(text: string, ids: Int32Array, tokenizer: TextTokenizer, { atStart }: Place): Segment {
  if (!atStart || !beginsWithBos(text, tokenizer)) return fixed("chat", text, ids);
  return fixed("chat", text.slice(tokenizer.tokenText(ids[0] as number).length), ids.subarray(1));
}

/** Whether a chat template writes the BOS token at the very beginning. */
export function beginsWithBos(text: string, tokenizer: TextTokenizer): boolean {
  return tokenizer.bosId !== null && text.startsWith(tokenizer.tokenText(tokenizer.bosId));
}

/** What follows an answer. */
export type AnswerEnd = Pick<BoundTemplate, "closing" | "endOfTurn">;

/** What ends the message of the answer, as far as its first control token: there the base stops writing. */
function endOfTurn(bound: AnswerEnd, tokenizer: TextTokenizer): Segment | null {
  const ids = tokenizer.encodeMarkup(bound.endOfTurn, { atStart: false });
  const control = ids.findIndex((id) => tokenizer.isControl(id));
  const kept = control === -1 ? ids : ids.subarray(0, control + 1);
  return kept.length === 0 ? null : fixed("chat", tokenizer.decode(kept), kept);
}

/** The control token that ends the message of an answer; null outside of chats and where the template has none. */
export function endToken(end: AnswerEnd, tokenizer: TextTokenizer): number | null {
  const last = endOfTurn(end, tokenizer)?.ids.at(-1);
  return last !== undefined && tokenizer.isControl(last) ? last : null;
}

/** A field's blanks and value, and their tokens. */
function tokeniseField(
  field: { name: string; blanks: string; splitCharacters: boolean },
  row: Readonly<Record<string, string>>,
  tokenizer: TextTokenizer,
  place: Place,
): { text: string; ids: Int32Array } {
  const { name, blanks, splitCharacters } = field;
  const value = Object.hasOwn(row, name) ? row[name] : undefined;
  if (value === undefined) {
    const columns = Object.keys(row).map(quote).join(", ");
    const problem = `A row has no value for the field ${quote(name)}; it has ${columns || "no fields"}.`;
    throw new TagllmError("prompts/missing-field", problem, "Give every row all fields of the template.");
  }
  const text = blanks + value;
  const ids = splitCharacters ? tokenizer.encodeCharacters(text, place) : tokenizer.encode(text, place);
  if (value.trim() === "" || ids.length === 0) {
    const problem = `A row has an empty value, ${quote(value)}, for the field ${quote(name)}.`;
    throw new TagllmError("prompts/empty-field", problem, "Fill it in or leave the row out.");
  }
  return { text, ids };
}

function controlSegment(kind: "bos" | "eos", tokenizer: TextTokenizer): Segment {
  const id = kind === "bos" ? tokenizer.bosId : tokenizer.eosId;
  if (id === null) {
    const token = kind.toUpperCase();
    const problem = `The prompt asks for a ${token} token and this tokenizer has none.`;
    throw new TagllmError("prompts/control-token", problem, `Set ${kind} to false.`);
  }
  return fixed(kind, tokenizer.tokenText(id), Int32Array.of(id));
}

function fixed(kind: Piece["kind"], text: string, ids: Int32Array, name?: string): Segment {
  return { kind, text, ids, atLeast: ids.length, ...(name === undefined ? {} : { name }) };
}

/**
 * Cut tokens until the segments fit: always the last token of the field that is longest at that moment (of
 * equals the later one), so the longest fields are levelled down and shorter ones stay whole.
 */
function trimFields(
  segments: Segment[],
  { maxTokens, cutTo = maxTokens, tokenizer }: PromptOptions,
): Prompt["trimmed"] {
  const length = totalLength(segments);
  const wanted = Math.min(maxTokens, cutTo);
  if (length <= wanted) return [];
  const least = segments.reduce((sum, segment) => sum + segment.atLeast, 0);
  if (!(least <= maxTokens)) throw tooLong(segments, least, maxTokens);

  const keep = segments.map((segment) => segment.ids.length);
  for (let excess = length - Math.max(least, wanted); excess > 0; excess--) {
    let longest = -1;
    for (const [index, { atLeast }] of segments.entries()) {
      if (keep[index]! > atLeast && (longest === -1 || keep[index]! >= keep[longest]!)) longest = index;
    }
    keep[longest]!--;
  }
  const trimmed: Prompt["trimmed"] = [];
  for (const [index, segment] of segments.entries()) {
    const tokens = segment.ids.length - keep[index]!;
    if (tokens === 0) continue;
    trimmed.push({ field: segment.name!, tokens });
    segment.ids = segment.ids.slice(0, keep[index]!);
    segment.text = tokenizer.decode(segment.ids);
  }
  return trimmed;
}

function tooLong(segments: readonly Segment[], least: number, maxTokens: number): TagllmError {
  const count = (...kinds: Piece["kind"][]) =>
    totalLength(segments.filter((segment) => kinds.includes(segment.kind)));
  const sizes = `${count("bos", "text", "chat", "eos")} of text and control, ${count("tag")} of tags, ${count("target")} of target, ${count("field")} of data`;
  const problem = `A prompt needs at least ${least} tokens and the limit is ${maxTokens} (${sizes}).`;
  return new TagllmError(
    "prompts/too-long",
    problem,
    "Raise the limit, shorten the template or use shorter tags.",
  );
}

function totalLength(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.ids.length, 0);
}

function layOut(
  segments: readonly Segment[],
  length: number,
): Pick<Prompt, "ids" | "slots" | "spans" | "pieces"> {
  const ids = new Int32Array(length);
  const slots: Slot[] = [];
  const spans: Span[] = [];
  const pieces: Piece[] = [];
  let start = 0;
  for (const { kind, name, text, ids: own, span } of segments) {
    const end = start + own.length;
    ids.set(own, start);
    pieces.push({ kind, start, end, text, ...(name === undefined ? {} : { name }) });
    if (kind === "tag" && own.length > 0) slots.push({ tag: name!, position: start });
    if (span) {
      spans.push({ tag: span.tag, field: name!, start: start - span.tagLength, end, isolate: span.isolate });
    }
    start = end;
  }
  return { ids, slots, spans, pieces };
}
