/**
 * Rewrites operators that no runtime or this device has no kernel for into ones it has. Runs after differentiation, so rules
 * and models speak of one set of operators whatever the device.
 */
import { composites } from "./composites.ts";
import { Graph, type Node, type Value } from "./graph.ts";
import { attributeNumber } from "./operators.ts";

export type Device = "cpu" | "webgpu";

export type Lowering = (g: Graph, inputs: readonly Value[], node: Node) => readonly Value[];

function transposeLast(g: Graph, x: Value): Value {
  const rank = x.shape.length;
  const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  return g.one("Transpose", [x], { perm });
}

const webgpu: Record<string, Lowering> = {
  FusedMatMul: (g, [a, b], { attributes }) => {
    const alpha = attributeNumber(attributes.alpha, 1);
    const left = attributes.transA ? transposeLast(g, a as Value) : (a as Value);
    const right = attributes.transB ? transposeLast(g, b as Value) : (b as Value);
    const product = g.one("MatMul", [left, right]);
    return [alpha === 1 ? product : g.one("Mul", [product, g.scalar(alpha)])];
  },
  LogSoftmax: (g, [x]) => {
    const shifted = g.one("Sub", [x as Value, g.one("ReduceMax", [x as Value], { axes: [-1] })]);
    const total = g.one("ReduceSum", [g.one("Exp", [shifted])], { axes: [-1] });
    return [g.one("Sub", [shifted, g.one("Log", [total])])];
  },
  /** The kernel's second output is the mean instead of 1/rms. */
  SimplifiedLayerNormalization: (g, inputs, { op, attributes }) => {
    const x = inputs[0] as Value;
    const meanSquare = g.one("ReduceMean", [g.one("Mul", [x, x])], { axes: [-1] });
    const epsilon = g.scalar(attributeNumber(attributes.epsilon, 1e-5));
    const rms = g.one("Sqrt", [g.one("Add", [meanSquare, epsilon])]);
    return [g.one(op, inputs, attributes), g.one("Div", [g.scalar(1), rms])];
  },
  /** The kernel gives the first output only. */
  LayerNormalization: (g, inputs, { op, attributes }) => {
    const x = inputs[0] as Value;
    const mean = g.one("ReduceMean", [x], { axes: [-1] });
    const centred = g.one("Sub", [x, mean]);
    const variance = g.one("ReduceMean", [g.one("Mul", [centred, centred])], { axes: [-1] });
    const epsilon = g.scalar(attributeNumber(attributes.epsilon, 1e-5));
    const deviation = g.one("Sqrt", [g.one("Add", [variance, epsilon])]);
    return [g.one(op, inputs, attributes), mean, g.one("Div", [g.scalar(1), deviation])];
  },
};

/** Device kernels that are missing or, as of onnxruntime 1.30, wrong. */
const lowerings: Record<Device, Record<string, Lowering>> = { cpu: {}, webgpu };

/** An equal graph for `device`; the graph itself where nothing needs to change. */
export const lower = (graph: Graph, device: Device): Graph =>
  rewrite(rewrite(graph, composites), lowerings[device]);

/** The graph with every operator of `table` replaced by what it gives. */
export function rewrite(graph: Graph, table: Record<string, Lowering>): Graph {
  if (!graph.nodes.some((n) => table[n.op])) return graph;
  const lowered = new Graph();
  const mapped = new Map<Value, Value>();
  for (const v of graph.inputs.values()) {
    const { name, shape, dtype, kind } = v;
    if (kind === "weight") mapped.set(v, lowered.weight(name, shape, dtype));
    else if (kind === "packed") mapped.set(v, lowered.packedWeight(name, shape, dtype));
    else mapped.set(v, lowered.input(name, dtype, shape));
  }
  const translate = (v: Value): Value => {
    if (v.kind === "constant") return lowered.constant(v.data as Float32Array, v.shape);
    return mapped.get(v) as Value;
  };
  for (const node of graph.live()) {
    const inputs = node.inputs.map(translate);
    const outputs =
      table[node.op]?.(lowered, inputs, node) ?? lowered.apply(node.op, inputs, node.attributes);
    node.outputs.forEach((o, i) => {
      mapped.set(o, outputs[i] as Value);
    });
  }
  for (const [name, v] of graph.outputs) lowered.output(name, translate(v));
  return lowered;
}
