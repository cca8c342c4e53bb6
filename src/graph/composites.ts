/**
 * Operators that no runtime has, as operators it has. They exist because the gradient of the whole is cheaper
 * than that of its parts; their rules share these intermediate results, which value numbering makes one node.
 */
import type { Graph, Value } from "./graph.ts";

export const silu = (g: Graph, gate: Value): { sigmoid: Value; silu: Value } => {
  const sigmoid = g.one("Sigmoid", [gate]);
  return { sigmoid, silu: g.one("Mul", [gate, sigmoid]) };
};

/** Softmax of the scores, cut into the parts that belong to each block of values. */
export function probabilities(
  g: Graph,
  scores: Value,
  values: readonly Value[],
): { whole: Value; parts: readonly Value[] } {
  const whole = g.one("Softmax", [scores]);
  if (values.length === 1) return { whole, parts: [whole] };
  const sizes = values.map((v) => v.shape.at(-2) as number);
  return { whole, parts: g.apply("Split", [whole], { axis: -1, sizes }) };
}

export const composites: Record<string, (g: Graph, inputs: readonly Value[]) => readonly Value[]> = {
  SwiGLU: (g, [gate, up]) => [g.one("Mul", [silu(g, gate as Value).silu, up as Value])],
  Attend: (g, [scores, ...values]) => {
    const { parts } = probabilities(g, scores as Value, values);
    const mixed = parts.map((p, i) => g.one("FusedMatMul", [p, values[i] as Value]));
    return [mixed.reduce((a, b) => g.one("Add", [a, b]))];
  },
};
