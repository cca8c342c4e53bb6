/** Refuses tags that belong to another base than the one at hand: compared by content, told by name. */
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

function shown(value: string | number): string {
  return typeof value === "number"
    ? String(value)
    : quote(value.length > 24 ? `${value.slice(0, 16)}…` : value);
}
