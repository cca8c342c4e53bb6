/** What is to be continued: plain text or a template with tags and fields -> a prompt that is ready to run. */
import type { Query } from "../batch/layout.ts";
import { TagllmError } from "../errors.ts";
import type { Base } from "../models/base.ts";
import { bindTemplate } from "../prompts/bind.ts";
import { chatBos, endOfAnswer, readTemplate } from "../prompts/chat.ts";
import { type AnswerEnd, compilePrompt, type Prompt, questionPositions } from "../prompts/prompt.ts";
import { escapeTemplate, type Message, type Template, type TemplateSource } from "../prompts/template.ts";
import { quote } from "../suggest.ts";
import { requireBase, requireTag, requireUsedTags } from "../tags/library.ts";
import { longestPrompt, type Tag, tagSpec } from "../tags/tag.ts";

/**
 * Plain text, or messages of a chat, in which nothing is a tag or a field; or a template, as one text or as messages,
 * with what its fields hold. Around messages the base's chat template writes.
 */
export type GeneratePrompt =
  | string
  | { readonly messages: readonly Message[] }
  | { readonly template: TemplateSource; readonly fields?: Readonly<Record<string, string>> };

/** A prompt that is ready to run, and what follows its answer. */
export interface TextQuery extends Query {
  readonly end: AnswerEnd;
}

/**
 * @param bos whether prompts begin with BOS; otherwise as the tags were trained, or as the tokenizer says
 * @param answerTokens tokens for which data fields in front of a function tag leave room, as `predict` has them
 * @throws generate/answer, tag/unknown, tag/wrong-base, tag/changed, prompts/*, chat/*
 */
export function queriesOf(
  base: Base,
  prompts: readonly GeneratePrompt[],
  tags: ReadonlyMap<string, Tag>,
  bos?: boolean,
  answerTokens?: number,
): TextQuery[] {
  return prompts.map((prompt, i) => {
    try {
      return compilerOf(base, prompt, tags, { bos, answerTokens })();
    } catch (error) {
      if (prompts.length === 1 || !(error instanceof TagllmError)) throw error;
      throw new TagllmError(error.code, `Prompt ${i + 1}: ${error.problem}`, error.cure, { cause: error });
    }
  });
}

/**
 * Why the fields of a prompt make none; null where they do.
 * @throws what is wrong with the template, whatever its fields hold
 */
export function faultOf(
  base: Base,
  prompt: GeneratePrompt,
  tags: ReadonlyMap<string, Tag>,
  bos?: boolean,
): TagllmError | null {
  const compile = compilerOf(base, prompt, tags, { bos });
  try {
    compile();
    return null;
  } catch (error) {
    if (error instanceof TagllmError) return error;
    throw error;
  }
}

interface Wanted {
  readonly bos?: boolean | undefined;
  readonly answerTokens?: number | undefined;
  /** What ends the message of the answer, where the template does not reach so far. */
  readonly endOfTurn?: () => string;
}

/** Everything about a prompt but what its fields hold, which is looked at when it is compiled. */
function compilerOf(
  base: Base,
  prompt: GeneratePrompt,
  tags: ReadonlyMap<string, Tag>,
  wanted: Wanted,
): () => TextQuery {
  if (typeof prompt === "string") return templateCompiler(base, plain(prompt), {}, new Map(), wanted);
  const [source, fields] =
    "messages" in prompt ? [prompt.messages.map(plainMessage), {}] : [prompt.template, prompt.fields ?? {}];
  const endOfTurn = () => (typeof source === "string" ? "" : endOfAnswer(source, base.tokenizer));
  const template = readTemplate(source, base.tokenizer);
  return templateCompiler(base, template, fields, tags, { ...wanted, endOfTurn });
}

const plain = (text: string): Template => ({
  source: text,
  pieces: text === "" ? [] : [{ kind: "text", text }],
});

const plainMessage = ({ role, content }: Message): Message => ({ role, content: escapeTemplate(content) });

function templateCompiler(
  base: Base,
  template: Template,
  fields: Readonly<Record<string, string>>,
  tags: ReadonlyMap<string, Tag>,
  { bos, answerTokens = 1, endOfTurn = () => "" }: Wanted,
): () => TextQuery {
  const named = template.pieces.flatMap((p) => (p.kind === "tag" ? [requireTag(tags, p.name)] : []));
  for (const tag of named) requireBase(tag, base.fingerprint);
  const asked = named.find(({ kind }) => kind === "function");
  if (asked) requireTextAnswer(asked, tags);
  const bound = bindTemplate(template, {
    tags: new Map(named.map((tag) => [tag.name, tagSpec(tag)])),
    fields: Object.keys(fields),
    ...(asked?.outputs[0] !== undefined && { target: asked.outputs[0] }),
  });
  const { maxPositions } = base.architecture;
  const room = maxPositions - 1;
  const options = {
    tokenizer: base.tokenizer,
    maxTokens: asked ? longestPrompt(asked, room) : room,
    cutTo: questionPositions(maxPositions, asked ? answerTokens : 1),
    bos: bos ?? chatBos(template, base.tokenizer) ?? (asked ?? named[0])?.bos ?? base.tokenizer.addBos,
    withTarget: false,
    eosAfterTarget: false,
  };
  return () => ({
    ...continued(compilePrompt(bound, fields, options), asked?.isolate ?? false),
    end: { closing: bound.closing, endOfTurn: bound.endOfTurn + endOfTurn() },
  });
}

/** A prompt of which everything but the end may be stored. */
export const continued = (prompt: Prompt, isolate: boolean): Query => ({
  prompt,
  isolate,
  cut: prompt.readout ?? prompt.ids.length - 1,
});

function requireTextAnswer(tag: Tag, tags: ReadonlyMap<string, Tag>): void {
  requireUsedTags(tag, tags);
  if (!tag.head) return;
  throw new TagllmError(
    "generate/answer",
    `The function tag ${quote(tag.name)} answers with ${tag.classes ? "a class" : "numbers"}, not with text.`,
    "Ask it with predict.",
  );
}
