/**
 * Split conformal prediction (Vovk et al. 2005; Lei et al. 2018): how wide an answer must be to hold the truth
 * of a share of new rows, learned from rows that the model was not fitted to. The promise holds for new rows
 * like those rows; where they also chose the step or the penalty, it is slightly too good.
 */

/** The share that intervals and sets are made for. */
export const conformalLevel = 0.9;

/**
 * The ceil((n + 1) level)-th smallest score: the truth of a new row scores at most this with probability
 * `level` or more. Infinity where there are too few rows for that.
 */
export function conformalThreshold(scores: ArrayLike<number>, level = conformalLevel): number {
  const sorted = Float64Array.from(scores).sort();
  return sorted[Math.ceil((sorted.length + 1) * level) - 1] ?? Number.POSITIVE_INFINITY;
}

/** Score of a class: how improbable it was said to be. */
export const classScore = (probability: number): number => 1 - probability;
