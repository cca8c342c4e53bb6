/**
 * AdamW as PyTorch defines it (decoupled weight decay, bias-corrected moments), on a handful of small f32
 * arrays, with clipping of the global gradient norm. Moments are f32, arithmetic f64.
 */
import { type Arrays, takeArray } from "../arrays.ts";

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export const adamDefaults: AdamOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

export interface Parameter {
  readonly name: string;
  /** Updated in place. */
  readonly values: Float32Array;
  /** Multiplies the learning rate of the step. */
  readonly rate: number;
}

export class AdamW {
  readonly parameters: readonly Parameter[];
  private readonly options: AdamOptions;
  private readonly first: Float32Array[];
  private readonly second: Float32Array[];
  private steps = 0;

  constructor(parameters: readonly Parameter[], options: Partial<AdamOptions> = {}) {
    this.parameters = parameters;
    this.options = { ...adamDefaults, ...options };
    this.first = parameters.map((p) => new Float32Array(p.values.length));
    this.second = parameters.map((p) => new Float32Array(p.values.length));
  }

  /** Moments of every parameter and the number of steps, to go on from later. */
  state(): Arrays {
    return new Map<string, Float32Array | Float64Array>([
      ["adam.steps", Float64Array.of(this.steps)],
      ...this.parameters.flatMap(({ name }, i): [string, Float32Array][] => [
        [`adam.first.${name}`, (this.first[i] as Float32Array).slice()],
        [`adam.second.${name}`, (this.second[i] as Float32Array).slice()],
      ]),
    ]);
  }

  restore(state: Arrays): void {
    this.steps = takeArray(state, "adam.steps", 1)[0] as number;
    this.parameters.forEach(({ name, values }, i) => {
      this.first[i]?.set(takeArray(state, `adam.first.${name}`, values.length));
      this.second[i]?.set(takeArray(state, `adam.second.${name}`, values.length));
    });
  }

  /** One update; `gradients[i]` belongs to parameter i. */
  step(gradients: readonly Float32Array[], learningRate: number): void {
    const { beta1, beta2, epsilon, weightDecay } = this.options;
    this.steps++;
    const correction1 = 1 - beta1 ** this.steps;
    const correction2 = Math.sqrt(1 - beta2 ** this.steps);
    this.parameters.forEach(({ values, rate }, i) => {
      const gradient = gradients[i] as Float32Array;
      const m = this.first[i] as Float32Array;
      const v = this.second[i] as Float32Array;
      const lr = learningRate * rate;
      for (let k = 0; k < values.length; k++) {
        const g = gradient[k] as number;
        m[k] = beta1 * (m[k] as number) + (1 - beta1) * g;
        v[k] = beta2 * (v[k] as number) + (1 - beta2) * g * g;
        const denominator = Math.sqrt(v[k] as number) / correction2 + epsilon;
        const decayed = (values[k] as number) * (1 - lr * weightDecay);
        values[k] = decayed - ((lr / correction1) * (m[k] as number)) / denominator;
      }
    });
  }
}

/** Euclidean norm over all gradients. */
export function globalNorm(gradients: readonly Float32Array[]): number {
  let squares = 0;
  for (const gradient of gradients) for (const g of gradient) squares += g * g;
  return Math.sqrt(squares);
}

/** Scales all gradients in place so that their global norm is at most `limit`; returns the norm before. */
export function clipGradients(gradients: readonly Float32Array[], limit: number): number {
  const norm = globalNorm(gradients);
  const factor = limit / (norm + 1e-6);
  if (factor < 1)
    for (const gradient of gradients)
      for (let i = 0; i < gradient.length; i++) gradient[i] = (gradient[i] as number) * factor;
  return norm;
}
