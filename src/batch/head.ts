/** A linear head on hidden states, computed here: for heads and states that are at hand. */

export interface HeadValues {
  readonly outputs: number;
  /** [outputs, width] */
  readonly weight: Float32Array;
  /** [outputs] */
  readonly bias: Float32Array;
}

/** [n, width] -> [n, outputs] */
export function applyHead(hidden: Float32Array, { weight, bias, outputs }: HeadValues): Float32Array {
  const width = weight.length / outputs;
  const out = new Float32Array((hidden.length / width) * outputs);
  for (let i = 0; i < out.length; i++) {
    const [row, output] = [Math.floor(i / outputs), i % outputs];
    let sum = bias[output] as number;
    for (let k = 0; k < width; k++) {
      sum += (hidden[row * width + k] as number) * (weight[output * width + k] as number);
    }
    out[i] = sum;
  }
  return out;
}

/** Weighted mean of each output's errors, [outputs]. */
export function meanErrors(
  predictions: Float32Array,
  targets: Float32Array,
  weights: ArrayLike<number>,
): Float32Array {
  const outputs = targets.length / weights.length;
  const sums = new Float64Array(outputs);
  let total = 0;
  for (let i = 0; i < targets.length; i++) {
    const weight = weights[Math.floor(i / outputs)] as number;
    sums[i % outputs] =
      (sums[i % outputs] as number) + weight * ((predictions[i] as number) - (targets[i] as number));
    total += weight / outputs;
  }
  return Float32Array.from(sums, (sum) => sum / total);
}
