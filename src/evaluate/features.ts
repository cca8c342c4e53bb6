/**
 * Character counts: what a text says without any model. The floor that a function tag has to beat.
 */
/** For every row its texts by field; a field that a row lacks is an empty text. */
export type TextRows = readonly Readonly<Record<string, string>>[];

/** By field the characters (code points) that training rows hold, sorted. */
export type Alphabets = ReadonlyMap<string, readonly string[]>;

export function alphabetsOf(texts: TextRows): Alphabets {
  const seen = new Map<string, Set<string>>();
  for (const [field, text] of texts.flatMap(Object.entries)) {
    const own = seen.get(field) ?? new Set();
    seen.set(field, own);
    for (const character of text) own.add(character);
  }
  return new Map([...seen].map(([field, own]) => [field, [...own].sort()]));
}

/** Number of features: every character of every field, and each field's length. */
export function featureCount(alphabets: Alphabets): number {
  return [...alphabets.values()].reduce((total, alphabet) => total + alphabet.length + 1, 0);
}

/**
 * n x featureCount: for each field the count of every character of its alphabet, then its length in code points.
 * Characters outside the alphabet count for the length alone.
 */
export function characterCounts(texts: TextRows, alphabets: Alphabets): Float32Array {
  const d = featureCount(alphabets);
  const counts = new Float32Array(texts.length * d);
  let offset = 0;
  for (const [field, alphabet] of alphabets) {
    const places = new Map(alphabet.map((character, i) => [character, i]));
    for (const [r, row] of texts.entries()) {
      const at = r * d + offset;
      for (const character of row[field] ?? "") {
        const place = places.get(character);
        if (place !== undefined) counts[at + place]!++;
        counts[at + alphabet.length]!++;
      }
    }
    offset += alphabet.length + 1;
  }
  return counts;
}
