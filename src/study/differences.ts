/** Where two JSON values differ, leaf by leaf. */

export interface Difference {
  /** Keys from the root, with dots. */
  readonly key: string;
  readonly before: string;
  readonly after: string;
}

export function differences(before: unknown, after: unknown, key = ""): Difference[] {
  if (isBranch(before) && isBranch(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((k) => differences(before[k], after[k], key ? `${key}.${k}` : k));
  }
  const [a, b] = [show(before), show(after)];
  return a === b ? [] : [{ key, before: a, after: b }];
}

const isBranch = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

function show(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
