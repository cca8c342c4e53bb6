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
  const [a, b] = [textOf(before), textOf(after)];
  if (a === b) return [];
  const at = firstDifference(a, b);
  return [{ key, before: shortened(a, at), after: shortened(b, at) }];
}

const isBranch = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

const textOf = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value));

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

const mostShown = 120;
const shownBefore = 40;

/** A long text from shortly before the place that matters. */
function shortened(text: string, at: number): string {
  if (text.length <= mostShown) return text;
  const begin = Math.max(0, at - shownBefore);
  const end = begin + mostShown - 6;
  return `${begin > 0 ? "..." : ""}${text.slice(begin, end)}${end < text.length ? "..." : ""}`;
}
