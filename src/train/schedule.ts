/** How the learning rate goes over a run: linear warm-up, then half a cosine down to zero. */

/** The factor of the learning rate at `step` (counted from 0) of `steps`. */
export function cosineWithWarmup(step: number, steps: number, warmup: number): number {
  if (step < warmup) return step / Math.max(1, warmup);
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
