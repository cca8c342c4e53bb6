/** How many n-grams two texts share: what BLEU counts of words and chrF of characters. */

/** What Python takes for a blank, and so sacreBLEU: JavaScript's \s and other control characters, no U+FEFF. */
const isBlank = (character: string): boolean =>
  character !== "\ufeff" && (/\s/.test(character) || "\x1c\x1d\x1e\x1f\x85".includes(character));

export function words(text: string): string[] {
  const found: string[] = [];
  let begin = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && !isBlank(text[at] as string)) continue;
    if (at > begin) found.push(text.slice(begin, at));
    begin = at + 1;
  }
  return found;
}

export const withoutBlanks = (text: string): string => words(text).join("");

export function withoutLastBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text[end - 1] as string)) end--;
  return text.slice(0, end);
}

export interface Shared {
  said: number;
  truth: number;
  /** An n-gram counts as often as the text has it that has it less often. */
  both: number;
}

/** n-grams of `n` parts, which are joined by `between` to tell them apart. */
export function sharedNGrams(
  said: readonly string[],
  truth: readonly string[],
  n: number,
  between: string,
): Shared {
  const counts = new Map<string, number>();
  for (const gram of nGrams(truth, n, between)) counts.set(gram, (counts.get(gram) ?? 0) + 1);
  let both = 0;
  for (const gram of nGrams(said, n, between)) {
    const left = counts.get(gram) ?? 0;
    if (left === 0) continue;
    counts.set(gram, left - 1);
    both++;
  }
  return { said: Math.max(0, said.length - n + 1), truth: Math.max(0, truth.length - n + 1), both };
}

function* nGrams(parts: readonly string[], n: number, between: string): Generator<string> {
  for (let at = 0; at + n <= parts.length; at++) yield parts.slice(at, at + n).join(between);
}

/** Counts [rows, width] added up over the rows asked for. */
export function sumOfRows(counts: Float64Array, width: number, rows: Int32Array): Float64Array {
  const sum = new Float64Array(width);
  for (const row of rows) {
    for (let k = 0; k < width; k++) sum[k] = sum[k]! + counts[row * width + k]!;
  }
  return sum;
}
