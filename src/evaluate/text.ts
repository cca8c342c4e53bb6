/**
 * How well a base foretells text, from what was measured for each row. Sums over rows come first, so a long row
 * counts more than a short one. Without anything to divide by the numbers are NaN.
 */

/** Nats of the labelled tokens of each row, and how many they are. */
export interface TokenLosses {
  readonly nats: Float64Array;
  readonly tokens: Float64Array;
}

/** Bits and characters (Unicode code points) of each row. */
export interface TextScores {
  readonly bits: Float64Array;
  readonly characters: Float64Array;
}

export interface TextLoss {
  /** A token. */
  nats: number;
  perplexity: number;
}

export function textMetrics({ nats, tokens }: TokenLosses): TextLoss {
  const perToken = total(nats) / total(tokens);
  return { nats: perToken, perplexity: Math.exp(perToken) };
}

export const bitsPerCharacter = ({ bits, characters }: TextScores): number => total(bits) / total(characters);

/** Share of the rows whose answer is the truth, character by character. */
export function exactMatch(truth: readonly string[], said: readonly string[], rows: Int32Array): number {
  let same = 0;
  for (const i of rows) if (truth[i] === said[i]) same++;
  return same / rows.length;
}

function total(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
