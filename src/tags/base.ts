/**
 * Which base model a tag belongs to. Tags are rows in one base's embedding space and mean nothing in another,
 * so the fingerprint is compared by content; the name is only what people call the base.
 */
import { createHash } from "node:crypto";
import { TagllmError } from "../errors.ts";
import { quote } from "../suggest.ts";
import type { Tag } from "./tag.ts";

export interface BaseFingerprint {
  /** What people call it, e.g. "polyglot-5m"; not part of its identity. */
  name: string;
  /** model_type of its config, e.g. "llama". */
  architecture: string;
  hiddenSize: number;
  layers: number;
  vocabSize: number;
  /** Hash of the tokenizer. */
  tokenizer: string;
  /** Hash of the weights. */
  weights: string;
  /** 16 hex digits of the sha256 of all of the above but the name. */
  id: string;
}

const identity = ["architecture", "hiddenSize", "layers", "vocabSize", "tokenizer", "weights"] as const;

/** Complete a fingerprint with its id. */
export function baseFingerprint(parts: Omit<BaseFingerprint, "id">): BaseFingerprint {
  const content = JSON.stringify(identity.map((key) => parts[key]));
  return { ...parts, id: createHash("sha256").update(content).digest("hex").slice(0, 16) };
}

/** Refuse a tag that belongs to another base (tag/wrong-base), saying what differs. */
export function requireBase(tag: Pick<Tag, "name" | "base">, base: BaseFingerprint): void {
  const differing = identity.filter((key) => tag.base[key] !== base[key]);
  if (differing.length === 0) return;
  const differences = differing.map((key) => `${key} ${shown(tag.base[key])}, not ${shown(base[key])}`);
  throw new TagllmError(
    "tag/wrong-base",
    `The tag ${quote(tag.name)} was trained on the base ${quote(tag.base.name)} (${tag.base.id}) and cannot be used with ${quote(base.name)} (${base.id}): ${differences.join("; ")}.`,
    `Load the base ${quote(tag.base.name)}, or train the tag again on ${quote(base.name)}.`,
  );
}

function shown(value: string | number): string {
  return typeof value === "number"
    ? String(value)
    : quote(value.length > 24 ? `${value.slice(0, 16)}…` : value);
}
