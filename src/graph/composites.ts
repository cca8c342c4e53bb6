/**
 * Operators that no runtime has, as operators it has. They exist because the gradient of the whole is cheaper
 * than that of its parts; their rules share these intermediate results, which value numbering makes one node.
 */
import type { Attributes, Graph, Value } from "./graph.ts";

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

/**
 * Products of `left` [..., r, m, k] and `right` [..., r, k, n], or [..., 1, k, n]: what all r have in common meets
 * their rows in one product of r * m.
 */
export function overRows(g: Graph, left: Value, right: Value, attributes: Attributes = {}): Value {
  if (left.shape.at(-3) === right.shape.at(-3)) return g.one("FusedMatMul", [left, right], attributes);
  const product = g.one("FusedMatMul", [joinRows(g, left), right], attributes);
  const shape = [...left.shape.slice(0, -1), product.shape.at(-1) as number];
  return g.one("Reshape", [product], { shape });
}

/** [..., r, m, k] -> [..., 1, r * m, k] */
export function joinRows(g: Graph, x: Value): Value {
  const [r, m, k] = x.shape.slice(-3) as [number, number, number];
  return g.one("Reshape", [x], { shape: [...x.shape.slice(0, -3), 1, r * m, k] });
}

export const composites: Record<string, (g: Graph, inputs: readonly Value[]) => readonly Value[]> = {
  SwiGLU: (g, [gate, up]) => [g.one("Mul", [silu(g, gate as Value).silu, up as Value])],
  Attend: (g, [scores, ...values]) => {
    const { parts } = probabilities(g, scores as Value, values);
    const mixed = parts.map((p, i) => overRows(g, p, values[i] as Value));
    return [mixed.reduce((a, b) => g.one("Add", [a, b]))];
  },
};
