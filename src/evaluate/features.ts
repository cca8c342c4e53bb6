/**
 * Character counts: what a text says without any model. The floor that a function tag has to beat.
 */
/** For every row its text fields, in the same order in all rows. */
export type TextRows = readonly (readonly string[])[];

/** The characters (code points) of each field that training rows hold, sorted. */
export type Alphabets = string[][];

export function alphabetsOf(texts: TextRows): Alphabets {
  const fields = texts[0]?.length ?? 0;
  return Array.from({ length: fields }, (_, f) => {
    const seen = new Set<string>();
    for (const row of texts) for (const character of row[f]!) seen.add(character);
    return [...seen].sort();
  });
}

/** Number of features: every character of every field, and each field's length. */
export function featureCount(alphabets: Alphabets): number {
  return alphabets.reduce((total, alphabet) => total + alphabet.length + 1, 0);
}

/**
 * n x featureCount: for each field the count of every character of its alphabet, then its length in code points.
 * Characters outside the alphabet count for the length alone.
 */
export function characterCounts(texts: TextRows, alphabets: Alphabets): Float32Array {
  const d = featureCount(alphabets);
  const counts = new Float32Array(texts.length * d);
  let offset = 0;
  for (const [f, alphabet] of alphabets.entries()) {
    const places = new Map(alphabet.map((character, i) => [character, i]));
    for (const [r, row] of texts.entries()) {
      const at = r * d + offset;
      for (const character of row[f]!) {
        const place = places.get(character);
        if (place !== undefined) counts[at + place]!++;
        counts[at + alphabet.length]!++;
      }
    }
    offset += alphabet.length + 1;
  }
  return counts;
}
