/**
 * What a tag is: a few rows that stand where embedding rows of a frozen base stand, what it needs to be used
 * as it was trained, and where it came from. Plain data: reading and writing is in file.ts, numbers to begin
 * with in init.ts.
 */
import { createHash } from "node:crypto";
import type { OutlierDetector } from "../evaluate/outliers.ts";
import type { BaseFingerprint } from "../models/fingerprint.ts";
import type { TagSpec } from "../prompts/bind.ts";
import type { TemplateSource } from "../prompts/template.ts";

/** A linear map of the base's last hidden state (after the final norm): outputs = weight . state + bias. */
export interface Head {
  /** [outputs, width] */
  weight: Float32Array;
  /** [outputs] */
  bias: Float32Array | null;
  outputs: number;
}

/** value = mean + scale * output of the head; scale > 0. */
export interface Scaling {
  mean: number;
  scale: number;
}

export interface Tag {
  name: string;
  kind: "domain" | "function";
  /** [length, width], in the units of the base's embedding rows. */
  vectors: Float32Array;
  length: number;
  width: number;
  /** Function tags only. Null: the answer is text. */
  head: Head | null;
  /** Domain tags only: the field that follows is tokenised character by character. */
  splitCharacters: boolean;
  /** Domain tag: its spans are isolated in prompts that apply isolation. Function tag: its prompts apply it. */
  isolate: boolean;
  /** Whether the prompts it was trained with began with BOS. */
  bos: boolean;
  /** One per output of the head, in its order; null when the head gives values as they are. */
  scaling: Scaling[] | null;
  /** With a head whose outputs are logits: the classes, in the head's order; then there is one output name. */
  classes?: string[];
  /**
   * Split conformal, one per output name: half the width of a 90 % interval in the output's unit, or for classes
   * the largest 1 - probability that a class of a 90 % set may have. null: too few rows to know.
   */
  conformal?: (number | null)[];
  /** Tells rows that are unlike those it was trained on. */
  outliers?: OutlierDetector;
  /** Function tags only: the prompt it was trained with. */
  template: TemplateSource | null;
  /** With a template of messages: sha256 (hex) of the chat template that made prompts of them. */
  chat?: string;
  /** The most positions of a prompt in training; absent: all that the base has. */
  maxTokens?: number;
  /** Of answers in text, the most tokens in training; absent: `defaultAnswerTokens`. */
  answerTokens?: number;
  /** Function tags only: what it answers, by column name; for a head one per output, in order. */
  outputs: string[];
  /** Function tags only: the domain tags it was trained beside. */
  usesTags: { name: string; sha256: string }[];
  base: BaseFingerprint;
  /** Study hash, data files, steps, seed, metrics, version, time: for people; nothing depends on it. */
  provenance: Record<string, unknown>;
}

/** What prompts need to know of a tag. */
export function tagSpec(tag: Tag): TagSpec {
  const { name, kind, length, splitCharacters, isolate } = tag;
  return { name, kind, length, splitCharacters, isolate };
}

export const defaultAnswerTokens = 64;

/** The most positions of a prompt that asks the tag, on a base that has so many: longer ones it has never read. */
export const longestPrompt = ({ maxTokens }: Pick<Tag, "maxTokens">, positions: number): number =>
  Math.min(maxTokens ?? positions, positions);

/**
 * sha256 (hex) of all that decides what a tag does: vectors, head and meaning. Provenance and the display name
 * of the base do not count, so training again with the same result gives the same digest.
 */
export function tagDigest(tag: Tag): string {
  const {
    vectors,
    head,
    outliers,
    provenance: _provenance,
    base: { name: _baseName, ...base },
    ...meaning
  } = tag;
  const hash = createHash("sha256");
  const shape = head && { outputs: head.outputs, bias: head.bias !== null };
  hash.update(
    canonicalJson({ ...meaning, base, head: shape, outliers: outliers && detectorEntry(outliers) }),
  );
  for (const numbers of [vectors, head?.weight, head?.bias, outliers?.mean, outliers?.whitening]) {
    if (numbers) hash.update(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  }
  return hash.digest("hex");
}

/** What a detector is besides its arrays. */
export const detectorEntry = ({ seed, threshold }: OutlierDetector) => ({ seed, threshold });

/** JSON whose keys are sorted at every depth. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) =>
    entry !== null && typeof entry === "object" && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}
