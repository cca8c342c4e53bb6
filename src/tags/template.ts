/** The prompt that a tag was trained with, for the base at hand. */
import { TagllmError } from "../errors.ts";
import { readTemplate } from "../prompts/chat.ts";
import { parseTemplate, type Template } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import { hasTokens, type TextTokenizer } from "../tokenizer/tokenizer.ts";
import type { Tag } from "./tag.ts";

/**
 * Throws predict/not-a-function for a tag without one, chat/changed when the base's chat template is another than in
 * training, and what reading a template does.
 */
export function templateOf({ name, kind, template, chat }: Tag, tokenizer: TextTokenizer): Template {
  if (kind !== "function" || template === null) {
    throw new TagllmError(
      "predict/not-a-function",
      `${quote(name)} is a ${kind} tag${kind === "function" ? " without a template" : ""}: it computes nothing by itself.`,
      "Predict with a function tag that a study has trained.",
    );
  }
  const read = readTemplate(template, tokenizer);
  if (chat === undefined || chat === tokenizer.chat?.sha256) return read;
  throw new TagllmError(
    "chat/changed",
    `${quote(name)} was trained with the chat template ${chat.slice(0, 12)}…, and the base now has ${tokenizer.chat?.sha256.slice(0, 12)}….`,
    "Bring back the chat template that the base had (chat_template of tokenizer_config.json), or train the tag again.",
  );
}

/** A domain tag and the field `text`. Its file does not say how they stood: with a blank, if the base can write one. */
export function domainTemplate(name: string, tokenizer: TextTokenizer): Template {
  const blank = hasTokens(() => tokenizer.encode(" ", { atStart: false })) ? " " : "";
  return parseTemplate(`<${name}>${blank}{text}`);
}
