/**
 * What an error message says about a word the user wrote: the word itself, quoted, and the nearest known one.
 * It is not a spell checker: a word far from every candidate gets no suggestion.
 */

/** A value as an error shows it: in quotes, control characters escaped, long values cut in the middle. */
export function quote(value: string): string {
  const shown = value.length > 80 ? `${value.slice(0, 50)}…${value.slice(-20)}` : value;
  return JSON.stringify(shown);
}

/** The candidate nearest to `word` by edit distance, or null when none is near (more than a third changed). */
export function closest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** The cure for an unknown word: the nearest candidate if there is one, and what exists. */
export function didYouMean(word: string, candidates: Iterable<string>, what: string): string {
  const known = [...candidates];
  const near = closest(word, known);
  const listed = known.length > 12 ? [...known.slice(0, 12), `… (${known.length} in all)`] : known;
  const existing = known.length === 0 ? `There are no ${what}.` : `Known ${what}: ${listed.join(", ")}.`;
  return near === null ? existing : `Did you mean ${quote(near)}? ${existing}`;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforePrevious[j - 2]! + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
