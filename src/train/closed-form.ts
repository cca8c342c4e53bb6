/**
 * A linear head is convex, so it is not walked to but solved: by ridge regression on the hidden states that the
 * last steps produced anyway. The tag's gradient is then taken through a head that is near its best for the
 * tag as it is (variable projection). A moving tag shifts all hidden states together, which the bias undoes;
 * so errors count less their mean while the tag trains, and between solutions the bias follows the residuals.
 */

import { type Arrays, prefixed, takeArray, unprefixed } from "../arrays.ts";
import type { HeadValues } from "../batch/head.ts";
import { type Ridge, solveRidge } from "../evaluate/ridge.ts";
import { RunningMoments } from "../evaluate/running-moments.ts";

/** What a step says of its head examples. */
export interface HeadObservation {
  /** [n, width] */
  readonly hidden: Float32Array;
  /** [n, outputs], standardised. */
  readonly targets: Float32Array;
  /** [n, outputs] */
  readonly predictions: Float32Array;
}

export interface WindowOptions {
  /** Examples that a solution is made from: the latest. */
  readonly rows: number;
  /** Steps between solutions. */
  readonly every: number;
  /** Ridge penalty per example, on standardised states; large, because the states are of different ages. */
  readonly shrink: number;
}

export class WindowedRidge {
  private readonly head: HeadValues;
  private readonly options: WindowOptions;
  private readonly hidden: Float32Array;
  private readonly targets: Float64Array;
  private readonly width: number;
  private readonly sums: RunningMoments;
  private seen = 0;
  private steps = 0;

  constructor(head: HeadValues, options: WindowOptions) {
    this.head = head;
    this.options = options;
    this.width = head.weight.length / head.outputs;
    this.hidden = new Float32Array(options.rows * this.width);
    this.targets = new Float64Array(options.rows * head.outputs);
    this.sums = new RunningMoments(this.width, head.outputs);
  }

  /** Takes a step's examples into the window and moves the head in place. */
  observe({ hidden, targets, predictions }: HeadObservation): void {
    const { width } = this;
    const { outputs } = this.head;
    for (let i = 0; i * outputs < targets.length; i++) {
      const x = hidden.subarray(i * width, (i + 1) * width);
      this.push(x, targets.subarray(i * outputs, (i + 1) * outputs));
    }
    this.steps++;
    if (this.steps % this.options.every === 0) this.solve();
    else this.followResiduals(targets, predictions);
  }

  /** The window and its sums, to go on from later; the head is the caller's. */
  state(): Arrays {
    return new Map<string, Float32Array | Float64Array>([
      ["counts", Float64Array.of(this.seen, this.steps)],
      ["hidden", this.hidden.slice()],
      ["targets", this.targets.slice()],
      ...prefixed("sums.", this.sums.state()),
    ]);
  }

  restore(state: Arrays): void {
    const [seen, steps] = takeArray(state, "counts", 2);
    this.seen = seen as number;
    this.steps = steps as number;
    this.hidden.set(takeArray(state, "hidden", this.hidden.length));
    this.targets.set(takeArray(state, "targets", this.targets.length));
    this.sums.restore(unprefixed("sums.", state));
  }

  /** The latest example takes the place of the oldest. */
  private push(hidden: Float32Array, targets: Float32Array): void {
    const { outputs } = this.head;
    const place = this.seen % this.options.rows;
    const x = this.hidden.subarray(place * this.width, (place + 1) * this.width);
    const y = this.targets.subarray(place * outputs, (place + 1) * outputs);
    if (this.seen >= this.options.rows) this.sums.remove(x, y);
    x.set(hidden);
    y.set(targets);
    this.sums.add(x, y);
    this.seen++;
  }

  private solve(): void {
    const sums = this.sums.moments();
    setHead(this.head, solveRidge(sums, this.options.shrink * sums.rows, { standardise: true }));
  }

  private followResiduals(targets: Float32Array, predictions: Float32Array): void {
    const { outputs, bias } = this.head;
    const rows = targets.length / outputs;
    for (let i = 0; i < targets.length; i++) {
      const residual = (predictions[i] as number) - (targets[i] as number);
      bias[i % outputs] = (bias[i % outputs] as number) - residual / rows;
    }
  }
}

/** Puts a ridge's weights [width, outputs] into a head [outputs, width], in place. */
export function setHead(head: HeadValues, { weight, bias }: Ridge): void {
  const { outputs } = head;
  const width = weight.length / outputs;
  for (let o = 0; o < outputs; o++) {
    for (let k = 0; k < width; k++) head.weight[o * width + k] = weight[k * outputs + o] as number;
    head.bias[o] = bias[o] as number;
  }
}
