/**
 * Reverse-mode differentiation, graph to graph: one row per operator, one short walk.
 *
 * A row gives, for every differentiable input of its node, how to emit that input's gradient from the
 * gradients of the node's outputs. The walk asks only for inputs that lie on a path from what is trained to
 * the loss: with a frozen model no weight gradient is ever emitted.
 */
import { TagllmError } from "../errors.ts";
import { joinRows, overRows, probabilities, silu } from "./composites.ts";
import { elementCount, type Graph, type Node, type Value } from "./graph.ts";
import { attributeList, normalizeAxis } from "./operators.ts";

/** Emits the gradient of one input; null where there is none (indices, shapes). */
type Emit = (() => Value) | null;
/** `grads[i]` is the gradient of output i, null where that output does not reach the loss. */
type Rule = (g: Graph, node: Node, grads: readonly (Value | null)[]) => readonly Emit[];

/** Sums a gradient over the axes along which `shape` was broadcast. */
function unbroadcast(g: Graph, gradient: Value, shape: readonly number[]): Value {
  if (String(gradient.shape) === String(shape)) return gradient;
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  const summed = axes.length ? g.one("ReduceSum", [gradient], { axes }) : gradient;
  return g.one("Reshape", [summed], { shape });
}

function zeros(g: Graph, shape: readonly number[]): Value {
  const zero = g.constant(
    Float32Array.of(0),
    shape.map(() => 1),
  );
  return elementCount(shape) === 1 ? zero : g.one("Expand", [zero], { shape });
}

const input = (node: Node, i: number): Value => node.inputs[i] as Value;
const output = (node: Node, i = 0): Value => node.outputs[i] as Value;
const only = (grads: readonly (Value | null)[]): Value => grads[0] as Value;

/** Gradients of Y = alpha * op(A) op(B), each as one product of the same kind. */
function productRule(op: "Gemm" | "FusedMatMul"): Rule {
  return (g, node, grads) => {
    const dy = only(grads);
    const [a, b, c] = node.inputs as [Value, Value, Value | undefined];
    const transA = Boolean(node.attributes.transA);
    const transB = Boolean(node.attributes.transB);
    const alpha = node.attributes.alpha;
    const product = (x: Value, y: Value, tx: boolean, ty: boolean, shape: readonly number[]): Value =>
      unbroadcast(
        g,
        g.one(op, [x, y], {
          ...(tx && { transA: 1 }),
          ...(ty && { transB: 1 }),
          ...(alpha !== undefined && { alpha }),
        }),
        shape,
      );
    const rules: Emit[] = [
      () => (transA ? product(b, dy, transB, true, a.shape) : product(dy, b, false, !transB, a.shape)),
      () => (transB ? product(dy, a, true, transA, b.shape) : product(a, dy, !transA, false, b.shape)),
    ];
    if (c) rules.push(() => unbroadcast(g, dy, c.shape));
    return rules;
  };
}

const inverse = (perm: readonly number[]): number[] => perm.map((_, i) => perm.indexOf(i));

export const gradients: Record<string, Rule> = {
  Add: (g, n, grads) => n.inputs.map((x) => () => unbroadcast(g, only(grads), x.shape)),
  Sum: (g, n, grads) => n.inputs.map((x) => () => unbroadcast(g, only(grads), x.shape)),
  Sub: (g, n, grads) => [
    () => unbroadcast(g, only(grads), input(n, 0).shape),
    () => unbroadcast(g, g.one("Neg", [only(grads)]), input(n, 1).shape),
  ],
  Mul: (g, n, grads) => [
    () => unbroadcast(g, g.one("Mul", [only(grads), input(n, 1)]), input(n, 0).shape),
    () => unbroadcast(g, g.one("Mul", [only(grads), input(n, 0)]), input(n, 1).shape),
  ],
  Div: (g, n, grads) => {
    const scaled = () => g.one("Div", [only(grads), input(n, 1)]);
    return [
      () => unbroadcast(g, scaled(), input(n, 0).shape),
      () => unbroadcast(g, g.one("Neg", [g.one("Mul", [scaled(), output(n)])]), input(n, 1).shape),
    ];
  },
  Neg: (g, _n, grads) => [() => g.one("Neg", [only(grads)])],
  Exp: (g, n, grads) => [() => g.one("Mul", [only(grads), output(n)])],
  Log: (g, n, grads) => [() => g.one("Div", [only(grads), input(n, 0)])],
  Sigmoid: (g, n, grads) => [
    () => {
      const s = output(n);
      return g.one("Mul", [only(grads), g.one("Mul", [s, g.one("Sub", [g.scalar(1), s])])]);
    },
  ],
  Tanh: (g, n, grads) => [
    () => {
      const squared = g.one("Mul", [output(n), output(n)]);
      return g.one("Mul", [only(grads), g.one("Sub", [g.scalar(1), squared])]);
    },
  ],
  Gelu: (g, n, grads) => [
    () => {
      const slope = n.attributes.approximate === "tanh" ? slopeOfTanhGelu : slopeOfGelu;
      return g.one("Mul", [only(grads), slope(g, input(n, 0))]);
    },
  ],
  Softmax: (g, n, grads) => [
    () => {
      const p = output(n);
      const weighted = g.one("Mul", [only(grads), p]);
      const total = g.one("ReduceSum", [weighted], { axes: [-1] });
      return g.one("Sub", [weighted, g.one("Mul", [p, total])]);
    },
  ],
  LogSoftmax: (g, n, grads) => [
    () => {
      const total = g.one("ReduceSum", [only(grads)], { axes: [-1] });
      return g.one("Sub", [only(grads), g.one("Mul", [g.one("Exp", [output(n)]), total])]);
    },
  ],
  ReduceSum: (g, n, grads) => [() => g.one("Expand", [only(grads)], { shape: input(n, 0).shape })],
  ReduceMean: (g, n, grads) => [
    () => {
      const x = input(n, 0);
      const each = g.scalar(elementCount(output(n).shape) / elementCount(x.shape));
      return g.one("Expand", [g.one("Mul", [only(grads), each])], { shape: x.shape });
    },
  ],
  Reshape: (g, n, grads) => [() => g.one("Reshape", [only(grads)], { shape: input(n, 0).shape })],
  Expand: (g, n, grads) => [() => unbroadcast(g, only(grads), input(n, 0).shape)],
  Transpose: (g, n, grads) => [
    () => g.one("Transpose", [only(grads)], { perm: inverse(attributeList(n.attributes.perm)) }),
  ],
  Concat: (g, n, grads) => {
    const axis = n.attributes.axis as number;
    const sizes = n.inputs.map((x) => x.shape[normalizeAxis(axis, x.shape.length)] as number);
    return n.inputs.map((_, i) => () => g.apply("Split", [only(grads)], { axis, sizes })[i] as Value);
  },
  Split: (g, n, grads) => [
    () => {
      const parts = n.outputs.map((part, i) => grads[i] ?? zeros(g, part.shape));
      return g.one("Concat", parts, { axis: n.attributes.axis as number });
    },
  ],
  Gather: (g, n, grads) => [
    () => {
      const [x, index] = [input(n, 0), input(n, 1)];
      const rows = elementCount(index.shape);
      const updates = g.one("Reshape", [only(grads)], { shape: [rows, ...x.shape.slice(1)] });
      return g.one("ScatterND", [zeros(g, x.shape), rowIndex(g, index, rows), updates], { reduction: "add" });
    },
    null,
  ],
  GatherElements: (g, n, grads) => [
    () =>
      g.one("ScatterElements", [zeros(g, input(n, 0).shape), input(n, 1), only(grads)], {
        ...n.attributes,
        reduction: "add",
      }),
    null,
  ],
  ScatterElements: (g, n, grads) => {
    const { reduction, ...axis } = n.attributes;
    const index = input(n, 1);
    return [
      () =>
        reduction === "add"
          ? only(grads)
          : g.one("ScatterElements", [only(grads), index, zeros(g, index.shape)], axis),
      null,
      () => g.one("GatherElements", [only(grads), index], axis),
    ];
  },
  ScatterND: (g, n, grads) => {
    const [index, updates] = [input(n, 1), input(n, 2)];
    return [
      () =>
        n.attributes.reduction === "add"
          ? only(grads)
          : g.one("ScatterND", [only(grads), index, zeros(g, updates.shape)]),
      null,
      () => g.one("Gather", [only(grads), g.one("Reshape", [index], { shape: [index.shape[0] as number] })]),
    ];
  },
  /** With z = silu(gate) * up and s = sigmoid(gate): dz/dgate = z + s * (up - z), dz/dup = silu(gate). */
  SwiGLU: (g, n, grads) => {
    const [gate, up] = [input(n, 0), input(n, 1)];
    const { sigmoid, silu: gated } = silu(g, gate);
    return [
      () => {
        const rest = g.one("Mul", [sigmoid, g.one("Sub", [up, output(n)])]);
        return unbroadcast(g, g.one("Mul", [only(grads), g.one("Add", [output(n), rest])]), gate.shape);
      },
      () => unbroadcast(g, g.one("Mul", [only(grads), gated]), up.shape),
    ];
  },
  /**
   * With p = softmax(scores) and y = p v: dscores = p * (dp - sum(dp * p)), and the sum over keys is that of
   * dy * y over channels, which are fewer.
   */
  Attend: (g, n, grads) => {
    const [scores, ...values] = n.inputs as [Value, ...Value[]];
    const dy = only(grads);
    const { whole, parts } = probabilities(g, scores, values);
    return [
      () => {
        const each = values.map((v) => overRows(g, dy, v, { transB: 1 }));
        const sent = each.length === 1 ? (each[0] as Value) : g.one("Concat", each, { axis: -1 });
        const total = g.one("ReduceSum", [g.one("Mul", [dy, output(n)])], { axes: [-1] });
        return g.one("Mul", [whole, g.one("Sub", [sent, total])]);
      },
      ...parts.map((p, i) => () => {
        const shared = values[i]?.shape.at(-3) !== p.shape.at(-3);
        const sides = shared ? [joinRows(g, p), joinRows(g, dy)] : [p, dy];
        return g.one("FusedMatMul", sides, { transA: 1 });
      }),
    ];
  },
  Gemm: productRule("Gemm"),
  FusedMatMul: productRule("FusedMatMul"),
  MatMul: productRule("FusedMatMul"),
  SimplifiedLayerNormalization: (g, n, grads) => {
    if (grads[1]) throw noRowGradient("SimplifiedLayerNormalization", "its second (1/rms)");
    const dy = only(grads);
    const [x, scale] = [input(n, 0), input(n, 1)];
    const inverseRms = output(n, 1);
    return [
      () => {
        const scaled = g.one("Mul", [dy, scale]);
        const along = g.one("ReduceMean", [g.one("Mul", [scaled, x])], { axes: [-1] });
        const squared = g.one("Mul", [inverseRms, inverseRms]);
        const radial = g.one("Mul", [x, g.one("Mul", [along, squared])]);
        return g.one("Mul", [g.one("Sub", [scaled, radial]), inverseRms]);
      },
      () => unbroadcast(g, g.one("Mul", [dy, g.one("Mul", [x, inverseRms])]), scale.shape),
    ];
  },
  LayerNormalization: (g, n, grads) => {
    if (grads[1] || grads[2]) throw noRowGradient("LayerNormalization", "its rows' mean and 1/deviation");
    const dy = only(grads);
    const [x, scale] = [input(n, 0), input(n, 1)];
    const inverse = output(n, 2);
    const standard = () => g.one("Mul", [g.one("Sub", [x, output(n, 1)]), inverse]);
    const rules: Emit[] = [
      () => {
        const scaled = g.one("Mul", [dy, scale]);
        const mean = g.one("ReduceMean", [scaled], { axes: [-1] });
        const along = g.one("ReduceMean", [g.one("Mul", [scaled, standard()])], { axes: [-1] });
        const straight = g.one("Sub", [g.one("Sub", [scaled, mean]), g.one("Mul", [standard(), along])]);
        return g.one("Mul", [straight, inverse]);
      },
      () => unbroadcast(g, g.one("Mul", [dy, standard()]), scale.shape),
    ];
    const bias = n.inputs[2];
    if (bias) rules.push(() => unbroadcast(g, dy, bias.shape));
    return rules;
  },
  RotaryEmbedding: (g, n, grads) => [
    () =>
      g.one(
        "RotaryEmbedding",
        [only(grads), input(n, 1), input(n, 2), g.one("Neg", [input(n, 3)])],
        n.attributes,
      ),
    null,
    null,
    null,
  ],
};

function noRowGradient(op: string, which: string): TagllmError {
  return new TagllmError(
    "graph/no-gradient",
    `The loss depends on another output of ${op} than the first, ${which}, which has no gradient.`,
    "Compute it from ReduceMean and Div where it must be differentiated.",
  );
}

/** d(x Phi(x)) = Phi(x) + x phi(x). */
function slopeOfGelu(g: Graph, x: Value): Value {
  const times = (a: Value, factor: number) => g.one("Mul", [a, g.scalar(factor)]);
  const phi = times(g.one("Exp", [times(g.one("Mul", [x, x]), -0.5)]), 1 / Math.sqrt(2 * Math.PI));
  const erf = g.one("Erf", [times(x, Math.SQRT1_2)]);
  const cumulative = times(g.one("Add", [erf, g.scalar(1)]), 0.5);
  return g.one("Add", [cumulative, g.one("Mul", [x, phi])]);
}

/** Of x (1 + tanh u) / 2 with u = c (x + a x^3): (1 + t) / 2 + x (1 - t^2) c (1 + 3 a x^2) / 2. */
function slopeOfTanhGelu(g: Graph, x: Value): Value {
  const [a, c] = [0.044715, Math.sqrt(2 / Math.PI)];
  const times = (y: Value, factor: number) => g.one("Mul", [y, g.scalar(factor)]);
  const plus = (y: Value, term: number) => g.one("Add", [y, g.scalar(term)]);
  const square = g.one("Mul", [x, x]);
  const t = g.one("Tanh", [g.one("Mul", [x, plus(times(square, a * c), c)])]);
  const inner = g.one("Mul", [x, plus(times(square, 1.5 * a * c), 0.5 * c)]);
  const bend = g.one("Sub", [g.scalar(1), g.one("Mul", [t, t])]);
  return g.one("Add", [times(plus(t, 1), 0.5), g.one("Mul", [inner, bend])]);
}

/** Indices as ScatterND wants them: i64[rows, 1]. */
function rowIndex(g: Graph, index: Value, rows: number): Value {
  if (index.dtype !== "i64") throw new Error("rows to gather from a trained value need i64 indices");
  return g.one("Reshape", [index], { shape: [rows, 1] });
}

/**
 * Emits d`loss`/d`value` for each of `wrt` and returns them in that order (zeros where the loss does not
 * depend on a value). `loss` must have one element, or be an intermediate result of which the gradient is
 * known: `seed`, of its shape.
 * @throws graph/no-gradient naming every operator on the way that has no row, before anything is emitted.
 */
export function differentiate(g: Graph, loss: Value, wrt: readonly Value[], seed = one(g, loss)): Value[] {
  const path = nodesBetween(g, loss, wrt);
  const lacking = new Set([...path].filter((n) => !gradients[n.op]).map((n) => n.op));
  if (lacking.size) {
    throw new TagllmError(
      "graph/no-gradient",
      `No gradient rule for the operator${lacking.size > 1 ? "s" : ""} ${[...lacking].sort().join(", ")}.`,
      "Add a row for each to src/graph/gradients.ts.",
    );
  }
  const onPath = new Set<Value>(wrt);
  for (const node of path) for (const o of node.outputs) onPath.add(o);

  const pending = new Map<Value, Value[]>([[loss, [seed]]]);
  const settled = (value: Value): Value | null => {
    const parts = pending.get(value);
    if (!parts) return null;
    if (parts.length > 1) pending.set(value, [parts.reduce((a, b) => g.one("Add", [a, b]))]);
    return (pending.get(value) as Value[])[0] as Value;
  };
  for (const node of [...path].reverse()) {
    const grads = node.outputs.map(settled);
    if (grads.every((x) => x === null)) continue;
    const emits = (gradients[node.op] as Rule)(g, node, grads);
    node.inputs.forEach((value, i) => {
      if (!onPath.has(value)) return;
      const emit = emits[i];
      if (!emit) {
        throw new TagllmError(
          "graph/no-gradient",
          `Input ${i} of ${node.op} cannot be trained: it has no gradient.`,
          "Train a value that reaches the loss through differentiable inputs only.",
        );
      }
      pending.set(value, [...(pending.get(value) ?? []), emit()]);
    });
  }
  return wrt.map((value) => settled(value) ?? zeros(g, value.shape));
}

function one(g: Graph, loss: Value): Value {
  if (elementCount(loss.shape) !== 1) throw new Error(`the loss must have one element, not [${loss.shape}]`);
  return g.constant(
    Float32Array.of(1),
    loss.shape.map(() => 1),
  );
}

/** Nodes that depend on one of `wrt` and that `loss` depends on, in order of execution. */
function nodesBetween(g: Graph, loss: Value, wrt: readonly Value[]): Set<Node> {
  const reached = new Set<Value>(wrt);
  const forward = g.nodes.filter((node) => {
    const hit = node.inputs.some((v) => reached.has(v));
    if (hit) for (const o of node.outputs) reached.add(o);
    return hit;
  });
  const needed = new Set<Value>([loss]);
  const path = forward.reverse().filter((node) => {
    const hit = node.outputs.some((v) => needed.has(v));
    if (hit) for (const v of node.inputs) needed.add(v);
    return hit;
  });
  return new Set(path.reverse());
}
