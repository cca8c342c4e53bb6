/** What a run of a graph takes, from its shapes alone: operations of its products, and memory of its results. */
import { elementCount, type Graph, type Type, type Value } from "./graph.ts";

const BYTES = { f32: 4, i32: 4, i64: 8, i8: 1, u8: 1 } as const;
const PRODUCTS = new Set(["Gemm", "MatMul", "FusedMatMul"]);

export const byteCount = ({ dtype, shape }: Type): number => BYTES[dtype] * elementCount(shape);

/** Floating-point operations, 2MNK of every product that the graph's outputs need. */
export function productFlops(graph: Graph): number {
  let flops = 0;
  for (const { op, inputs, outputs, attributes } of graph.live()) {
    if (!PRODUCTS.has(op)) continue;
    const shape = inputs[0]?.shape as readonly number[];
    const inner = shape.at(attributes.transA ? -2 : -1) as number;
    flops += 2 * inner * elementCount((outputs[0] as Value).shape);
  }
  return flops;
}

/** The most bytes of results that are needed at one time, when nodes run in their order; weights are not counted. */
export function peakBytes(graph: Graph): number {
  const nodes = graph.live();
  // A reshaped result lies where it lay before.
  const places = new Map<Value, Value>();
  const placeOf = (v: Value): Value => places.get(v) ?? v;
  const last = new Map<Value, number>();
  nodes.forEach(({ op, inputs, outputs }, i) => {
    for (const v of inputs) last.set(placeOf(v), i);
    if (op === "Reshape") places.set(outputs[0] as Value, placeOf(inputs[0] as Value));
  });
  for (const v of graph.outputs.values()) last.set(placeOf(v), nodes.length);
  let [held, peak] = [0, 0];
  nodes.forEach(({ op, inputs, outputs }, i) => {
    if (op !== "Reshape") for (const v of outputs) held += byteCount(v);
    peak = Math.max(peak, held);
    const done = new Set([...inputs, ...outputs].map(placeOf));
    for (const v of done) if (v.kind === "computed" && (last.get(v) ?? i) <= i) held -= byteCount(v);
  });
  return peak;
}
