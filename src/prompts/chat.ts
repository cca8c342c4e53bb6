/**
 * A list of messages becomes a template: the base's chat template writes around them, and their contents stay what
 * they are, text with tags and fields. The chat template never sees a content but a mark in its place, so nothing in
 * it can be read as Jinja, as a control token or as the end of a message, and no value of a row gets there at all.
 * Only blanks at the ends of a content are shown to it, as templates trim them.
 */
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import type { ChatTemplate } from "../tokenizer/chat-template.ts";
import type { TextTokenizer } from "../tokenizer/tokenizer.ts";
import { beginsWithBos } from "./prompt.ts";
import {
  type Message,
  messageText,
  parseTemplate,
  type Template,
  type TemplatePiece,
  type TemplateSource,
  templateText,
} from "./template.ts";

/** A prompt as it was written, for a base: throws what `parseTemplate` does, chat/missing, template, refused, lost. */
export function readTemplate(source: TemplateSource, { chat }: { chat: ChatTemplate | null }): Template {
  if (typeof source === "string") return parseTemplate(source);
  if (chat === null) {
    throw new TagllmError(
      "chat/missing",
      `A prompt is a list of ${source.length} messages, and the base has no chat template.`,
      "Write the prompt as one text, or use a base that was tuned for chats (often called -it, -chat or -instruct).",
    );
  }
  let offset = 0;
  const contents = source.map((message) => {
    const content = readContent(message, offset + message.role.length + 2);
    offset += messageText(message).length + 1;
    return content;
  });
  const marked = source.map(({ role }, i) => {
    const { before, after, pieces } = contents[i] as Content;
    return { role, content: before + (pieces.length ? mark(i) : "") + after };
  });
  const text = chat.render(marked, { addGenerationPrompt: source.at(-1)?.role !== "assistant" });
  const pieces = joined(text, contents);
  requireAll(source, contents, text);
  return { source: templateText(source), pieces };
}

/**
 * Whether a prompt begins with BOS where its author does not say: as the chat template has it; null for a prompt that
 * is no chat.
 */
export function chatBos({ pieces }: Template, tokenizer: TextTokenizer): boolean | null {
  if (!pieces.some(({ kind }) => kind === "chat")) return null;
  const first = pieces[0];
  return first?.kind === "chat" && beginsWithBos(first.text, tokenizer);
}

/**
 * What the chat template writes behind an answer to `source`; nothing where the last of these messages is the
 * assistant's, behind which it is in the prompt already, or where the template refuses an answer.
 */
export function endOfAnswer(source: readonly Message[], tokenizer: Pick<TextTokenizer, "chat">): string {
  if (source.at(-1)?.role === "assistant") return "";
  try {
    const answered = readTemplate([...source, { role: "assistant", content: "answer" }], tokenizer);
    const last = answered.pieces.at(-1);
    return last?.kind === "chat" ? last.text : "";
  } catch (error) {
    if (error instanceof TagllmError && error.code.startsWith("chat/")) return "";
    throw error;
  }
}

/** A content between the blanks that it begins and ends with. */
interface Content {
  readonly before: string;
  readonly pieces: readonly TemplatePiece[];
  readonly after: string;
}

function readContent({ content }: Message, offset: number): Content {
  const pieces = parseTemplate(content).pieces.map((piece) =>
    "position" in piece ? { ...piece, position: piece.position + offset } : piece,
  );
  let [before, after] = ["", ""];
  const first = pieces[0];
  if (first?.kind === "text") {
    const rest = first.text.trimStart();
    before = first.text.slice(0, first.text.length - rest.length);
    pieces[0] = { kind: "text", text: rest };
  }
  const last = pieces.at(-1);
  if (last?.kind === "text") {
    const rest = last.text.trimEnd();
    after = last.text.slice(rest.length);
    pieces[pieces.length - 1] = { kind: "text", text: rest };
  }
  return { before, after, pieces: pieces.filter((piece) => piece.kind !== "text" || piece.text !== "") };
}

/** Private characters, of which no template can have a use. */
const EDGE = "\u{f1a9c}";
const mark = (message: number): string => EDGE + message + EDGE;

/**
 * What the chat template wrote, with contents where their marks are. Blanks before a content belong to it, as blanks
 * before a field do: "[INST] " and "Hi" are cut into tokens as "[INST]" and " Hi".
 */
function joined(text: string, contents: readonly Content[]): TemplatePiece[] {
  const parts = text.split(EDGE);
  let blanks = "";
  return parts.flatMap((part, k): TemplatePiece[] => {
    if (k % 2 === 1) return withBlanks(blanks, contents[Number(part)]?.pieces ?? []);
    const core = k === parts.length - 1 ? part : part.replace(/[ \t]+$/, "");
    blanks = part.slice(core.length);
    return core === "" ? [] : [{ kind: "chat", text: core }];
  });
}

function withBlanks(blanks: string, pieces: readonly TemplatePiece[]): TemplatePiece[] {
  const [first, ...rest] = pieces;
  if (blanks === "" || !first) return [...pieces];
  if (first.kind === "text") return [{ kind: "text", text: blanks + first.text }, ...rest];
  return [{ kind: "text", text: blanks }, ...pieces];
}

/** A template that drops a message, or looks into it, would make a prompt that nobody wrote. */
function requireAll(source: readonly Message[], contents: readonly Content[], text: string): void {
  const lost = source.findIndex((_, i) => contents[i]?.pieces.length && !text.includes(mark(i)));
  if (lost === -1) return;
  const { role, content } = source[lost] as Message;
  throw new TagllmError(
    "chat/lost",
    `The base's chat template does not write message ${lost + 1} (${role}: ${quote(content)}) as it is.`,
    "Say it in another message, such as that of the user, or write the prompt as one text.",
  );
}
