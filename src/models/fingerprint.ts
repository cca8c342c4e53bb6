/**
 * Which base a tag belongs to. Tags are rows in one base's embedding space and mean nothing in another, so the
 * identity is by content: architecture, sizes, tokenizer and sampled bytes of every tensor.
 */
import { createHash } from "node:crypto";

export interface BaseFingerprint {
  /** What people call it, e.g. "polyglot-5m"; not part of its identity. */
  readonly name: string;
  /** model_type of its config, e.g. "llama". */
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly vocabSize: number;
  /** Hash of the tokenizer. */
  readonly tokenizer: string;
  /** Hash of the weights. */
  readonly weights: string;
  /** 16 hex digits of the sha256 of all of the above but the name. */
  readonly id: string;
}

export const fingerprintIdentity = [
  "architecture",
  "hiddenSize",
  "layers",
  "vocabSize",
  "tokenizer",
  "weights",
] as const;

/** Completes a fingerprint with its id. */
export function baseFingerprint(parts: Omit<BaseFingerprint, "id">): BaseFingerprint {
  const content = JSON.stringify(fingerprintIdentity.map((key) => parts[key]));
  return { ...parts, id: createHash("sha256").update(content).digest("hex").slice(0, 16) };
}
