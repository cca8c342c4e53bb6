/**
 * Which tokens are control tokens (BOS, EOS and the like), read from everything that can name one. Text must never
 * become such a token. Added tokens that no file calls special are ordinary vocabulary: they match inside text, as
 * in Hugging Face's tokenizers.
 */

import { isObject, type JsonObject } from "../json-file.ts";
import { invalid, type TokenizerFiles } from "./files.ts";

export interface ControlTokens {
  readonly contents: ReadonlySet<string>;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Whether the model expects BOS before a text: `add_bos_token`, else what the post-processor's template does. */
  readonly addBos: boolean;
}

/** Throws tokenizer/invalid when bos_token or eos_token is not text or not in the vocabulary. */
export function findControlTokens(files: TokenizerFiles): ControlTokens {
  const { tokenizer, config } = files;
  const template = templateTokens(tokenizer.post_processor);
  const bos = tokenText(files, "bos_token") ?? template.first;
  const eos = tokenText(files, "eos_token");
  const addBos = config.add_bos_token;
  const model = tokenizer.model as JsonObject;
  const contents = [bos, eos, ...template.all, model.unk_token, unknownPiece(model)];
  const listed = config.added_tokens_decoder;
  const entries = [...files.added, ...(isObject(listed) ? Object.values(listed) : [])];
  for (const entry of entries) if (isObject(entry) && entry.special === true) contents.push(entry.content);
  const extra = config.additional_special_tokens;
  if (Array.isArray(extra)) contents.push(...extra.map((token) => (isObject(token) ? token.content : token)));
  return {
    contents: withSameIds(files, new Set(contents.filter((content) => typeof content === "string"))),
    bosId: idOf(files, "bos_token", bos),
    eosId: idOf(files, "eos_token", eos),
    addBos: typeof addBos === "boolean" ? addBos : bos !== null && template.first === bos,
  };
}

/** A token of tokenizer_config.json: text, or an object with the text in `content`. */
function tokenText(files: TokenizerFiles, key: "bos_token" | "eos_token"): string | null {
  const value = files.config[key];
  if (value === undefined || value === null) return null;
  const content = isObject(value) ? value.content : value;
  if (typeof content === "string") return content;
  throw invalid(
    `${files.folder}/tokenizer_config.json: "${key}" is ${JSON.stringify(value)}, neither text nor {"content": text}.`,
  );
}

function idOf(files: TokenizerFiles, key: string, content: string | null): number | null {
  if (content === null) return null;
  const id = files.ids.get(content);
  if (id !== undefined) return id;
  throw invalid(
    `${files.folder}: the "${key}" ${JSON.stringify(content)} is not in the vocabulary of tokenizer.json.`,
  );
}

/** A file may give a control token the id of another text: then that text is a control token too. */
function withSameIds(files: TokenizerFiles, contents: ReadonlySet<string>): ReadonlySet<string> {
  const controlIds = new Set([...contents].map((content) => files.ids.get(content)));
  const sharing = [...files.ids].filter(([, id]) => controlIds.has(id)).map(([token]) => token);
  return new Set([...contents, ...sharing]);
}

function unknownPiece(model: JsonObject): unknown {
  const { vocab, unk_id } = model;
  return Array.isArray(vocab) && typeof unk_id === "number" ? vocab[unk_id]?.[0] : undefined;
}

/** The control tokens that a post-processor adds, and the one, if any, that it puts before the text. */
function templateTokens(processor: unknown): { first: string | null; all: string[] } {
  if (!isObject(processor)) return { first: null, all: [] };
  const { type, single, cls, sep, processors } = processor;
  if (type === "Sequence" && Array.isArray(processors)) {
    const inner = processors.map(templateTokens);
    return {
      first: inner.find(({ first }) => first !== null)?.first ?? null,
      all: inner.flatMap(({ all }) => all),
    };
  }
  if (type === "TemplateProcessing" && Array.isArray(single)) {
    const tokens = single.map((item) =>
      isObject(item) && isObject(item.SpecialToken) ? item.SpecialToken.id : null,
    );
    const first = tokens[0];
    return {
      first: typeof first === "string" ? first : null,
      all: tokens.filter((token) => typeof token === "string"),
    };
  }
  const all = [cls, sep].flatMap((pair) =>
    Array.isArray(pair) && typeof pair[0] === "string" ? [pair[0]] : [],
  );
  return { first: all.length > 0 && Array.isArray(cls) ? all[0]! : null, all };
}
