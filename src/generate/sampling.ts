/**
 * From logits to the next token. Each rule and their order are those of Hugging Face's logits processors: the
 * repetition penalty, then, when tokens are drawn, temperature, top-k, top-p and min-p. A token that a rule takes
 * out has the score -Infinity.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { mersenne } from "pure-rand/generator/mersenne";

export interface Sampling {
  /** Logits are divided by it before a token is drawn; 0 takes the likeliest token. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens are drawn from (and those level with the last); 0 for all. */
  readonly topK: number;
  /** Only the likeliest tokens that together have this probability; 1 for all. */
  readonly topP: number;
  /** Only tokens with this share of the likeliest one's probability; 0 for all. */
  readonly minP: number;
  /** Above 1: tokens of prompt and answer become less likely to come again; 1 changes nothing. */
  readonly repetitionPenalty: number;
}

/** The choice of the next token after `seen`, by logits [vocab]. */
export type Choose = (logits: Float32Array, seen: ReadonlySet<number>) => number;

/**
 * @param seed of the draws, which follow each other with every choice
 * @param never ids that are not to be chosen
 */
export function chooser(sampling: Sampling, seed: number, never: readonly number[] = []): Choose {
  const random = mersenne(seed); // the first draw of a shift register would be the seed itself
  return (logits, seen) => {
    const scores = penaliseRepetition(leaveOut(logits, never), seen, sampling.repetitionPenalty);
    if (sampling.temperature === 0) return largest(scores);
    return draw(softmax(warp(fromLargest(scores), sampling)), uniformFloat64(random));
  };
}

/** Of the same probabilities, and finite when a temperature near 0 divides them. */
function fromLargest(scores: Float32Array): Float32Array {
  const top = scores[largest(scores)] as number;
  return scores.map((x) => x - top);
}

export function leaveOut(logits: Float32Array, never: readonly number[]): Float32Array {
  if (never.length === 0) return logits;
  const scores = logits.slice();
  for (const id of never) scores[id] = Number.NEGATIVE_INFINITY;
  return scores;
}

/** Scores of tokens that were there: a positive one is divided by the penalty, a negative one multiplied. */
export function penaliseRepetition(
  logits: Float32Array,
  seen: Iterable<number>,
  penalty: number,
): Float32Array {
  if (penalty === 1) return logits;
  const scores = logits.slice();
  for (const id of seen) {
    const score = scores[id] as number;
    scores[id] = score < 0 ? score * penalty : score / penalty;
  }
  return scores;
}

/** What makes drawing more or less daring, in its order. */
export function warp(
  logits: Float32Array,
  { temperature, topK, topP, minP }: Pick<Sampling, "temperature" | "topK" | "topP" | "minP">,
): Float32Array {
  let scores: Float32Array = logits.map((x) => x / temperature);
  if (topK > 0) scores = keepTopK(scores, topK);
  if (topP < 1) scores = keepTopP(scores, topP);
  if (minP > 0) scores = keepMinP(scores, minP);
  return scores;
}

function keepTopK(scores: Float32Array, k: number): Float32Array {
  if (k >= scores.length) return scores;
  const least = scores.toSorted()[scores.length - k] as number;
  return scores.map((x) => (x < least ? Number.NEGATIVE_INFINITY : x));
}

/**
 * From the unlikeliest on, as long as those taken out have at most 1 - p together; the likeliest always stays, and
 * so do those level with the last that stays.
 */
function keepTopP(scores: Float32Array, p: number): Float32Array {
  const ascending = scores.toSorted();
  const probabilities = softmax(ascending);
  let sum = 0;
  const first = probabilities.findIndex((x) => {
    sum += x;
    return sum > 1 - p;
  });
  const least = ascending.at(first) as number;
  return scores.map((x) => (x < least ? Number.NEGATIVE_INFINITY : x));
}

function keepMinP(scores: Float32Array, share: number): Float32Array {
  const probabilities = softmax(scores);
  const least = share * probabilities.reduce((a, b) => Math.max(a, b));
  return scores.map((x, id) => ((probabilities[id] as number) < least ? Number.NEGATIVE_INFINITY : x));
}

export function softmax(scores: Float32Array): Float64Array {
  const top = scores.reduce((a, b) => Math.max(a, b));
  const powers = Float64Array.from(scores, (x) => Math.exp(x - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}

/** The first token at which the probabilities up to it exceed `uniform`, a number of [0, 1). */
function draw(probabilities: Float64Array, uniform: number): number {
  let [sum, last] = [0, 0];
  for (const [id, p] of probabilities.entries()) {
    if (p === 0) continue;
    sum += p;
    last = id;
    if (sum > uniform) return id;
  }
  return last;
}

/** The first of the largest. */
export function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
