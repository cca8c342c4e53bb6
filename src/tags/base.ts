/** Is the base at hand the one that a tag was trained on: compared by content, told by name; and in the same numbers? */
import { type Precision, weightBits } from "../engine/precision.ts";
import { TagllmError } from "../errors.ts";
import { type BaseFingerprint, fingerprintIdentity } from "../models/fingerprint.ts";
import { quote } from "../suggest.ts";
import type { Tag } from "./tag.ts";

/** Refuse a tag that belongs to another base (tag/wrong-base), saying what differs. */
export function requireBase(tag: Pick<Tag, "name" | "base">, base: BaseFingerprint): void {
  const differing = fingerprintIdentity.filter((key) => tag.base[key] !== base[key]);
  if (differing.length === 0) return;
  const differences = differing.map((key) => `${key} ${shown(tag.base[key])}, not ${shown(base[key])}`);
  throw new TagllmError(
    "tag/wrong-base",
    `The tag ${quote(tag.name)} was trained on the base ${quote(tag.base.name)} (${tag.base.id}) and cannot be used with ${quote(base.name)} (${base.id}): ${differences.join("; ")}.`,
    `Load the base ${quote(tag.base.name)}, or train the tag again on ${quote(base.name)}.`,
  );
}

/**
 * What to say of a tag that is used in other numbers than it was trained and tested in; null where its answers are the
 * same: what a head reads is f32 with int8 too.
 */
export function otherPrecision(
  tag: string,
  hasHead: boolean,
  trainedIn: Precision | null,
  used: Precision,
): string | null {
  const same = trainedIn === used || (hasHead && weightBits(used) === null);
  if (trainedIn === null || same) return null;
  return `<${tag}> was trained in ${trainedIn} and is used in ${used}: its answers are not quite those of its report.`;
}

function shown(value: string | number): string {
  return typeof value === "number"
    ? String(value)
    : quote(value.length > 24 ? `${value.slice(0, 16)}…` : value);
}
