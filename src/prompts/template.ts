/**
 * The grammar of prompt templates: text with `<Tag>` and `{field}`, and `\<` `\>` `\{` `\}` `\\` for the
 * characters themselves. A newline is a newline. A template is parsed once, before any data is seen, so data
 * can never become a tag or a field. What the names mean is decided in bind.ts, not here.
 */
import { type ErrorCode, TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import type { Message } from "../tokenizer/chat-template.ts";

export type { Message } from "../tokenizer/chat-template.ts";

export type TemplatePiece =
  | { kind: "text"; text: string }
  /** What the base's chat template writes around messages; control tokens in it are control tokens. */
  | { kind: "chat"; text: string }
  /** `position` is the offset in the source of the `<` or `{`. */
  | { kind: "tag" | "field"; name: string; position: number };

export interface Template {
  source: string;
  pieces: TemplatePiece[];
}

/** A prompt as users write it: one text, or messages of a chat, each with the same grammar in its content. */
export type TemplateSource = string | readonly Message[];

/** The text that it is told by: of a chat a line for each message. */
export const templateText = (source: TemplateSource): string =>
  typeof source === "string" ? source : source.map(messageText).join("\n");

export const messageText = ({ role, content }: Message): string => `${role}: ${content}`;

/** Tags and fields of all messages, without what stands around them. Throws what `parseTemplate` does. */
export const writtenPieces = (source: TemplateSource): TemplatePiece[] =>
  typeof source === "string"
    ? parseTemplate(source).pieces
    : source.flatMap(({ content }) => parseTemplate(content).pieces);

/** What a tag may be called: also its file name, so nothing that a file system could misread. */
export const tagNamePattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
export const tagNameRule = "a letter, then up to 63 letters, digits, '_', '.' or '-'";

const special = "<>{}\\";

/** The template whose only piece is this text. */
export const escapeTemplate = (text: string): string => text.replace(/[<>{}\\]/g, "\\$&");

/** Parse a template. Throws prompts/empty, unclosed, stray, name or escape, each with the place marked. */
export function parseTemplate(source: string): Template {
  if (source === "") {
    throw new TagllmError("prompts/empty", "The template is empty.", "Write at least one tag or field.");
  }
  const pieces: TemplatePiece[] = [];
  let text = "";
  const flushText = () => {
    if (text !== "") pieces.push({ kind: "text", text });
    text = "";
  };
  let at = 0;
  while (at < source.length) {
    const character = source[at]!;
    if (character === "\\") {
      text += readEscape(source, at);
      at += 2;
    } else if (character === "<" || character === "{") {
      flushText();
      const { name, end } = readName(source, at);
      pieces.push({ kind: character === "<" ? "tag" : "field", name, position: at });
      at = end;
    } else if (character === ">" || character === "}") {
      const problem = `The template has a "${character}" that closes nothing`;
      throw templateError(
        "prompts/stray",
        source,
        at,
        problem,
        `Write \\${character} for the character itself.`,
      );
    } else {
      text += character;
      at++;
    }
  }
  flushText();
  return { source, pieces };
}

function readEscape(source: string, at: number): string {
  const escaped = source.slice(at + 1, at + 2);
  if (escaped !== "" && special.includes(escaped)) return escaped;
  const problem =
    escaped === ""
      ? "The template ends in a lone backslash"
      : `The template escapes ${quote(escaped)}, which needs no escape`;
  const cure =
    escaped === "n"
      ? "Write a real line break (in YAML: a block with | or a string in double quotes)."
      : "Write \\\\ for a backslash; only < > { } and \\ are escaped.";
  throw templateError("prompts/escape", source, at, problem, cure);
}

function readName(source: string, start: number): { name: string; end: number } {
  const open = source[start] as "<" | "{";
  const what = open === "<" ? "tag" : "field";
  const close = open === "<" ? ">" : "}";
  const stop = open === "<" ? /[<>\n]/g : /[{}\n]/g;
  const literal = `Write \\${open} for the character itself.`;

  stop.lastIndex = start + 1;
  const found = stop.exec(source);
  if (found === null || found[0] !== close) {
    const problem = `The template opens "${open}" and never closes it`;
    throw templateError("prompts/unclosed", source, start, problem, `Close it with "${close}". ${literal}`);
  }
  const name = source.slice(start + 1, found.index);
  if (name.trim() === "") {
    const problem = `The template has a ${what} without a name, ${quote(open + name + close)}`;
    throw templateError("prompts/name", source, start, problem, `Name the ${what}. ${literal}`);
  }
  if (what === "tag" && !tagNamePattern.test(name)) {
    const problem = `The template has a tag called ${quote(name)}, which is not a name`;
    throw templateError("prompts/name", source, start, problem, `A tag's name is ${tagNameRule}. ${literal}`);
  }
  return { name, end: found.index + 1 };
}

/** An error at `position` of a template: the problem gets line and column, then the line and a caret. */
export function templateError(
  code: ErrorCode,
  source: string,
  position: number,
  problem: string,
  cure: string,
): TagllmError {
  const lineStart = source.lastIndexOf("\n", position - 1) + 1;
  const lineEnd = source.indexOf("\n", position);
  const line = source.slice(0, position).split("\n").length;
  const before = [...source.slice(lineStart, position)];
  const after = [...source.slice(position, lineEnd === -1 ? source.length : lineEnd)];

  const leftCut = before.length > 60 ? "…" : "";
  const rightCut = after.length > 40 ? "…" : "";
  const left = (leftCut + before.slice(-60).join("")).replaceAll("\t", " ");
  const right = after.slice(0, 40).join("") + rightCut;
  const marked = `  ${left}${right}\n  ${" ".repeat([...left].length)}^`;
  return new TagllmError(code, `${problem} (line ${line}, column ${before.length + 1}):\n${marked}\n`, cure);
}
