/**
 * A template meets the tags that exist and the columns of the data: names are looked up, the places of
 * function tag and target are checked, and the two rules that need neighbours are settled once for all rows
 * (who owns a blank, which field is split into characters). No data and no tokenizer here: see prompt.ts.
 */
import { didYouMean, quote } from "../suggest.ts";
import { type Template, type TemplatePiece, templateError } from "./template.ts";

/** What a prompt needs to know of a tag. */
export interface TagSpec {
  name: string;
  kind: "domain" | "function";
  /** How many positions its vectors take; 0 is the prompt without them, which baselines use. */
  length: number;
  /** Domain tags only: the field that follows is tokenised character by character. */
  splitCharacters: boolean;
  /** Domain tags only: its spans are isolated where a prompt applies isolation (mask.ts). */
  isolate: boolean;
}

export interface BoundField {
  kind: "field";
  name: string;
  /** The blanks before the field in the template; they are tokenised with its value. */
  blanks: string;
  splitCharacters: boolean;
  /** The domain tag directly before it: the two are a span. */
  domain: TagSpec | null;
}

export type BoundPart =
  | { kind: "text"; text: string }
  | { kind: "chat"; text: string }
  | { kind: "tag"; tag: TagSpec }
  | BoundField;

export interface BoundTemplate {
  source: string;
  /** Everything up to and including the function tag. */
  question: BoundPart[];
  functionTag: TagSpec | null;
  target: { name: string; blanks: string; splitCharacters: boolean } | null;
  /** The literal after the target (or after the function tag), often "." or "". */
  closing: string;
  /** What the base's chat template writes after that; "" outside of chats. */
  endOfTurn: string;
}

export interface Binding {
  /** Tags by name. */
  tags: ReadonlyMap<string, TagSpec>;
  /** Columns of the data. The target need not be among them: there are no answers when predicting. */
  fields: readonly string[];
  /** The field that holds the answer. */
  target?: string;
}

type NamedPiece = Exclude<TemplatePiece, { kind: "text" | "chat" }>;

/**
 * Resolve a template. Throws prompts/unknown-tag, unknown-field, two-function-tags, function-tag or target,
 * each with the place marked.
 */
export function bindTemplate(template: Template, binding: Binding): BoundTemplate {
  const { source, pieces } = template;
  checkNames(template, binding);
  const functionAt = findFunctionTag(template, binding.tags);
  const answerAt = functionAt === -1 ? pieces.length : functionAt + 1;
  checkTargetPlace(template, binding.target, functionAt);

  const question = bindQuestion(pieces.slice(0, answerAt), binding.tags);
  const last = question.at(-1);
  const functionTag = functionAt !== -1 && last?.kind === "tag" ? last.tag : null;
  return { source, question, functionTag, ...bindAnswer(pieces.slice(answerAt), question) };
}

function checkNames({ source, pieces }: Template, { tags, fields, target }: Binding): void {
  for (const piece of pieces) {
    if (piece.kind === "tag" && !tags.has(piece.name)) {
      const problem = `The template names the tag ${quote(piece.name)}, which does not exist`;
      const cure = didYouMean(piece.name, tags.keys(), "tags");
      throw templateError("prompts/unknown-tag", source, piece.position, problem, cure);
    }
    if (piece.kind === "field" && piece.name !== target && !fields.includes(piece.name)) {
      const problem = `The template names the field ${quote(piece.name)}, which is not a column of the data`;
      const cure = didYouMean(piece.name, fields, "columns");
      throw templateError("prompts/unknown-field", source, piece.position, problem, cure);
    }
  }
}

/** Index of the function tag among the pieces, or -1. */
function findFunctionTag({ source, pieces }: Template, tags: ReadonlyMap<string, TagSpec>): number {
  let found = -1;
  for (const [index, piece] of pieces.entries()) {
    if (piece.kind !== "tag" || tags.get(piece.name)?.kind !== "function") continue;
    if (found !== -1) {
      const first = (pieces[found] as NamedPiece).name;
      const problem = `The template has two function tags, ${quote(first)} and ${quote(piece.name)}`;
      const cure = "A prompt computes one thing: make two templates.";
      throw templateError("prompts/two-function-tags", source, piece.position, problem, cure);
    }
    found = index;
  }
  return found;
}

/** After a function tag come: nothing, the target, one literal, or the target and one literal. */
function checkTargetPlace(
  { source, pieces }: Template,
  target: string | undefined,
  functionAt: number,
): void {
  const functionTag = functionAt === -1 ? null : (pieces[functionAt] as NamedPiece);
  let targetPlaced = false;
  for (const [index, piece] of pieces.entries()) {
    if (piece.kind === "chat") continue;
    if (piece.kind === "text") {
      if (functionTag === null || !pieces.slice(functionAt + 1, index).some(({ kind }) => kind === "chat"))
        continue;
      const problem = `A message stands after that of the function tag <${functionTag.name}>`;
      const cure = "The message with the function tag is the last: end the chat with it.";
      throw templateError("prompts/function-tag", source, functionTag.position, problem, cure);
    }
    const isTarget = piece.kind === "field" && piece.name === target;
    const follows =
      functionTag !== null && index > functionAt && pieces.slice(functionAt + 1, index).every(isBlankText);
    if (isTarget && (!follows || targetPlaced)) {
      const problem = `The target {${piece.name}} does not stand directly after the function tag`;
      const cure = functionTag
        ? `Write "<${functionTag.name}> {${piece.name}}" at the end and nowhere else.`
        : `End the template with a function tag and {${piece.name}}, or leave the target out.`;
      throw templateError("prompts/target", source, piece.position, problem, cure);
    }
    if (isTarget) targetPlaced = true;
    else if (functionTag !== null && index > functionAt) {
      const shown = piece.kind === "tag" ? `<${piece.name}>` : `{${piece.name}}`;
      const problem = `${shown} stands after the function tag <${functionTag.name}>`;
      const cure = `Only the target may follow a function tag${target === undefined ? "" : `: {${target}}`}. Move ${shown} before it.`;
      throw templateError("prompts/function-tag", source, piece.position, problem, cure);
    }
  }
}

function bindQuestion(pieces: readonly TemplatePiece[], tags: ReadonlyMap<string, TagSpec>): BoundPart[] {
  const parts: BoundPart[] = [];
  let blanks = "";
  for (const [index, piece] of pieces.entries()) {
    if (piece.kind === "chat") {
      parts.push(piece);
      continue;
    }
    if (piece.kind === "text") {
      const next = pieces[index + 1];
      const splitAt = next && next.kind !== "chat" ? trailingBlanks(piece.text) : piece.text.length;
      blanks = piece.text.slice(splitAt);
      if (splitAt > 0) parts.push({ kind: "text", text: piece.text.slice(0, splitAt) });
      continue;
    }
    const before = parts.at(-1);
    if (piece.kind === "tag") parts.push({ kind: "tag", tag: tags.get(piece.name)! });
    else {
      const domain = before?.kind === "tag" && before.tag.kind === "domain" ? before.tag : null;
      const splitCharacters = domain?.splitCharacters ?? false;
      parts.push({ kind: "field", name: piece.name, blanks, splitCharacters, domain });
    }
    blanks = "";
  }
  return parts;
}

/** A domain tag directly before the function tag announces the answer: its splitting applies to the target. */
function bindAnswer(
  pieces: readonly TemplatePiece[],
  question: readonly BoundPart[],
): Pick<BoundTemplate, "target" | "closing" | "endOfTurn"> {
  const targetAt = pieces.findIndex((piece) => piece.kind === "field");
  const texts = (part: readonly TemplatePiece[], wanted: "text" | "chat" = "text") =>
    part.map((piece) => (piece.kind === wanted ? piece.text : "")).join("");
  const endOfTurn = texts(pieces, "chat");
  if (targetAt === -1) return { target: null, closing: texts(pieces), endOfTurn };

  const announced = question.at(-2);
  const splitCharacters = announced?.kind === "tag" && announced.tag.splitCharacters;
  const name = (pieces[targetAt] as NamedPiece).name;
  const target = { name, blanks: texts(pieces.slice(0, targetAt)), splitCharacters };
  return { target, closing: texts(pieces.slice(targetAt + 1)), endOfTurn };
}

function isBlankText(piece: TemplatePiece): boolean {
  return piece.kind === "text" && trailingBlanks(piece.text) === 0;
}

/** Where the blanks (spaces and tabs) at the end of `text` begin. */
function trailingBlanks(text: string): number {
  let at = text.length;
  while (at > 0 && (text[at - 1] === " " || text[at - 1] === "\t")) at--;
  return at;
}
