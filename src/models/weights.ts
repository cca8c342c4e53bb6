/**
 * The parts that models are made of, each with its tensors: making a part declares what it reads from the
 * checkpoint, applying it emits its nodes. So a family names a tensor once, and what it declares is what it reads.
 */
import type { Graph, Value } from "../graph/graph.ts";

/** [n, width] -> [n, other width] */
export type Block = (g: Graph, x: Value) => Value;

export class Weights {
  readonly shapes = new Map<string, readonly number[]>();

  /** A tensor as it is. */
  tensor(name: string, shape: readonly number[]): (g: Graph) => Value {
    this.shapes.set(name, shape);
    return (g) => g.weight(name, shape);
  }

  /** y = x W^T + b, the weight stored as [to, from]. */
  linear(name: string, from: number, to: number, bias = false): Block {
    const parts = [this.tensor(`${name}.weight`, [to, from])];
    if (bias) parts.push(this.tensor(`${name}.bias`, [to]));
    return (g, x) => g.one("Gemm", [x, ...parts.map((part) => part(g))], { transB: 1 });
  }

  /** y = x W + b, the weight stored as [from, to]: GPT-2's Conv1D. */
  conv1d(name: string, from: number, to: number): Block {
    const parts = [this.tensor(`${name}.weight`, [from, to]), this.tensor(`${name}.bias`, [to])];
    return (g, x) => g.one("Gemm", [x, ...parts.map((part) => part(g))]);
  }

  /** @param plus what is added to the weight: Gemma's are stored less 1 */
  rmsNorm(name: string, width: number, epsilon: number, plus = 0): Block {
    const weight = this.tensor(`${name}.weight`, [width]);
    return (g, x) => {
      const scale = plus ? g.one("Add", [weight(g), g.scalar(plus)]) : weight(g);
      return g.one("SimplifiedLayerNormalization", [x, scale], { axis: -1, epsilon: { float: epsilon } });
    };
  }

  layerNorm(name: string, width: number, epsilon: number, bias = true): Block {
    const parts = [this.tensor(`${name}.weight`, [width])];
    if (bias) parts.push(this.tensor(`${name}.bias`, [width]));
    return (g, x) =>
      g.one("LayerNormalization", [x, ...parts.map((part) => part(g))], {
        axis: -1,
        epsilon: { float: epsilon },
      });
  }

  /** A layer norm of every head, each with a weight of its own: [heads, headDim]. */
  headLayerNorm(name: string, heads: number, headDim: number, epsilon: number): Block {
    const weight = this.tensor(`${name}.weight`, [heads, headDim]);
    return perHead(headDim, (g, x) => {
      const ones = g.constant(new Float32Array(headDim).fill(1), [headDim]);
      const normed = g.one("LayerNormalization", [x, ones], { axis: -1, epsilon: { float: epsilon } });
      const apart = g.one("Reshape", [normed], { shape: [(x.shape[0] as number) / heads, heads, headDim] });
      return g.one("Mul", [apart, weight(g)]);
    });
  }
}

/** Applies `block` to each head of [n, heads * headDim] as a row of its own. */
export function perHead(headDim: number, block: Block): Block {
  return (g, x) => {
    const [rows, width] = x.shape as [number, number];
    const apart = g.one("Reshape", [x], { shape: [(rows * width) / headDim, headDim] });
    return g.one("Reshape", [block(g, apart)], { shape: [rows, width] });
  };
}

/** c tanh(x / c) */
export const softcap = (g: Graph, x: Value, c: number): Value =>
  times(g, g.one("Tanh", [times(g, x, 1 / c)]), c);

export const times = (g: Graph, x: Value, factor: number): Value =>
  factor === 1 ? x : g.one("Mul", [x, g.scalar(factor)]);
