/**
 * Reads tokenizer.json and tokenizer_config.json and checks what the library would believe unseen: ids, vocabulary,
 * merges, patterns, and settings on which it would hang, guess or drop text. Everything else stays as it stands.
 */

import { join } from "node:path";
import { TagllmError } from "../errors.ts";
import { isObject, type JsonObject, readJsonObject } from "../json-file.ts";
import { quote } from "../suggest.ts";
import { splitBehaviors } from "./steps.ts";

export type ModelType = "BPE" | "WordLevel" | "WordPiece" | "Unigram";

export interface AddedTokenEntry extends JsonObject {
  readonly id: number;
  readonly content: string;
}

export interface TokenizerFiles {
  readonly folder: string;
  /** tokenizer.json, as parsed. */
  readonly tokenizer: JsonObject;
  /** tokenizer_config.json, as parsed; empty when there is none. */
  readonly config: JsonObject;
  readonly modelType: ModelType;
  /** Every token and its id: the model's vocabulary and the added tokens. */
  readonly ids: ReadonlyMap<string, number>;
  readonly added: readonly AddedTokenEntry[];
}

const CURE =
  "Download the tokenizer's files again, or save them again with a current version of transformers.";
const LARGEST_ID = 10_000_000;

/** Throws tokenizer/missing without tokenizer.json and tokenizer/invalid when either file is damaged. */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const path = join(folder, "tokenizer.json");
  const tokenizer = await readJsonObject(path, "tokenizer/invalid", CURE);
  if (tokenizer === null) {
    throw new TagllmError(
      "tokenizer/missing",
      `There is no ${path}.`,
      "If the model has tokenizer.model or vocab.json instead, convert it in Python: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).",
    );
  }
  const config =
    (await readJsonObject(join(folder, "tokenizer_config.json"), "tokenizer/invalid", CURE)) ?? {};
  const model = asObject(tokenizer.model, `${path}: "model"`);
  const modelType = findModelType(model, path);
  const ids = modelType === "Unigram" ? readPieces(model, path) : readVocabulary(model, path);
  if (modelType === "BPE") checkBpe(model, ids, path);
  const added = readAddedTokens(tokenizer.added_tokens ?? [], path);
  for (const { content, id } of added) ids.set(content, id);
  for (const step of ["normalizer", "pre_tokenizer", "decoder"])
    checkSteps(tokenizer[step], `${path}: "${step}"`);
  return { folder, tokenizer, config, modelType, ids, added };
}

export function invalid(problem: string, cause?: unknown): TagllmError {
  return new TagllmError("tokenizer/invalid", problem, CURE, { cause });
}

function asObject(value: unknown, what: string): JsonObject {
  if (isObject(value)) return value;
  throw invalid(`${what} is not a JSON object but ${describe(value)}.`);
}

function asArray(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`${what} is not a list but ${describe(value)}.`);
}

function describe(value: unknown): string {
  if (value === undefined) return "missing";
  const json = JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}

/** Old files leave the type out; then the fields tell, as in the reference. */
function findModelType(model: JsonObject, path: string): ModelType {
  const { type, vocab } = model;
  if (type === "BPE" || type === "WordLevel" || type === "WordPiece" || type === "Unigram") return type;
  if (type !== undefined) {
    throw invalid(`${path}: the model type ${describe(type)} is none of BPE, WordLevel, WordPiece, Unigram.`);
  }
  if (Array.isArray(vocab)) return "Unigram";
  if ("merges" in model) return "BPE";
  return "continuing_subword_prefix" in model ? "WordPiece" : "WordLevel";
}

function readVocabulary(model: JsonObject, path: string): Map<string, number> {
  const ids = new Map<string, number>();
  const owners = new Map<number, string>();
  for (const [token, id] of Object.entries(asObject(model.vocab, `${path}: the model's "vocab"`))) {
    checkId(id, token, path);
    const owner = owners.get(id);
    if (owner !== undefined)
      throw invalid(`${path}: tokens ${quote(owner)} and ${quote(token)} have the same id ${id}.`);
    owners.set(id, token);
    ids.set(token, id);
  }
  if (ids.size === 0) throw invalid(`${path}: the model's "vocab" is empty.`);
  return ids;
}

function readPieces(model: JsonObject, path: string): Map<string, number> {
  const ids = new Map<string, number>();
  const pieces = asArray(model.vocab, `${path}: the model's "vocab"`);
  pieces.forEach((piece, id) => {
    if (!Array.isArray(piece) || typeof piece[0] !== "string" || typeof piece[1] !== "number") {
      throw invalid(
        `${path}: entry ${id} of the model's "vocab" is no pair of text and score but ${describe(piece)}.`,
      );
    }
    ids.set(piece[0], id);
  });
  const unknown = model.unk_id;
  if (!Number.isInteger(unknown) || !((unknown as number) >= 0 && (unknown as number) < pieces.length)) {
    throw invalid(`${path}: "unk_id" ${describe(unknown)} is none of the ${pieces.length} pieces.`);
  }
  if (model.byte_fallback === true) {
    throw invalid(`${path}: a Unigram model with "byte_fallback" is not supported.`);
  }
  return ids;
}

function checkId(id: unknown, token: string, path: string): asserts id is number {
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) <= LARGEST_ID) return;
  throw invalid(
    `${path}: token ${quote(token)} has the id ${describe(id)}; ids are whole numbers from 0 to ${LARGEST_ID}.`,
  );
}

function checkBpe(model: JsonObject, ids: ReadonlyMap<string, number>, path: string): void {
  if (model.continuing_subword_prefix) {
    throw invalid(
      `${path}: a BPE model with the "continuing_subword_prefix" ${describe(model.continuing_subword_prefix)} is not supported.`,
    );
  }
  asArray(model.merges, `${path}: the model's "merges"`).forEach((merge, rank) => {
    const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    const [left, right, ...rest] = Array.isArray(parts) ? parts : [];
    if (typeof left !== "string" || typeof right !== "string" || rest.length > 0) {
      throw invalid(`${path}: merge ${rank} is no pair of tokens but ${describe(merge)}.`);
    }
    if (!ids.has(left + right)) {
      throw invalid(`${path}: merge ${rank} makes ${quote(left + right)}, which is not in the vocabulary.`);
    }
  });
}

function readAddedTokens(value: unknown, path: string): AddedTokenEntry[] {
  return asArray(value, `${path}: "added_tokens"`).map((entry, i) => {
    const content = isObject(entry) ? entry.content : undefined;
    if (!isObject(entry) || typeof content !== "string" || content === "") {
      throw invalid(`${path}: added token ${i} has no text in "content": ${describe(entry)}.`);
    }
    const id = entry.id;
    checkId(id, content, path);
    if (entry.single_word === true && entry.special !== true) {
      throw invalid(`${path}: the added token ${quote(content)} with "single_word" is not supported.`);
    }
    return { ...entry, id, content };
  });
}

const MUST_BE_TEXT: ReadonlySet<string> = new Set(["prepend", "content", "replacement"]);

/** A step without its pattern would drop text or print a warning; a step of length 0 would never end. */
function checkSteps(step: unknown, where: string): void {
  if (step === undefined || step === null) return;
  const fields = asObject(step, where);
  const { type, pattern, behavior, length, normalizers, pretokenizers, decoders } = fields;
  if (typeof type !== "string") throw invalid(`${where} has no type.`);
  if (type === "Split" || type === "Replace") {
    const { String: text, Regex: regex } = asObject(pattern, `${where}: the pattern of ${type}`);
    if (typeof (text ?? regex) !== "string")
      throw invalid(`${where}: the pattern of ${type} is ${describe(pattern)}.`);
  }
  const splits = type === "Split" || (type === "Punctuation" && behavior !== undefined);
  if (splits && !splitBehaviors.includes(behavior as string)) {
    const known = splitBehaviors.join(", ");
    throw invalid(`${where}: the behavior of ${type} is ${describe(behavior)}, none of ${known}.`);
  }
  for (const [key, value] of Object.entries(fields)) {
    if (MUST_BE_TEXT.has(key) && typeof value !== "string") {
      throw invalid(`${where}: "${key}" of ${type} is not text but ${describe(value)}.`);
    }
  }
  if (type === "FixedLength" && !(Number.isInteger(length) && (length as number) > 0)) {
    throw invalid(`${where}: FixedLength has the length ${describe(length)}.`);
  }
  const inner = normalizers ?? pretokenizers ?? decoders;
  if (type === "Sequence") for (const part of asArray(inner, `${where}: Sequence`)) checkSteps(part, where);
}
