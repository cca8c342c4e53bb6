/**
 * A product with a matrix that had one number of each row added to, as it is of what a loss sends back to logits: the
 * number meets one row of the weight. So the matrix, a vocabulary wide, is not copied to add to it. For the CPU only:
 * elsewhere a copy is cheap, and rows of a weight are not looked up by 64-bit numbers.
 */
import type { Graph, Node, Value } from "./graph.ts";
import { rewrite } from "./lower.ts";

interface SparseAddition {
  /** [m, n] */
  readonly dense: Value;
  /** i64[m, 1]: a column of each row. */
  readonly column: Value;
  /** [m, 1] */
  readonly addend: Value;
}

const isAddition = ({ op, attributes, inputs }: Node): boolean =>
  op === "ScatterElements" &&
  attributes.reduction === "add" &&
  attributes.axis === 1 &&
  inputs[1]?.dtype === "i64" &&
  inputs[1].shape[1] === 1 &&
  inputs[1].shape[0] === inputs[0]?.shape[0];

const isPlain = ({ attributes, inputs }: Node): boolean =>
  inputs.length === 2 && Object.values(attributes).every((a) => a === 0);

/** (dense + addend at column) W = dense W + addend * W[column], wherever the sum is multiplied by a matrix from the left. */
export function multiplyAround(graph: Graph): Graph {
  if (!graph.nodes.some(isAddition)) return graph;
  const additions = new Map<Value, SparseAddition>();
  return rewrite(graph, {
    ScatterElements: (g, inputs, node) => {
      const sum = g.one("ScatterElements", inputs, node.attributes);
      const [dense, column, addend] = inputs as [Value, Value, Value];
      if (isAddition(node)) additions.set(sum, { dense, column, addend });
      return [sum];
    },
    Gemm: (g, inputs, node) => {
      const [x, weight] = inputs as [Value, Value];
      const addition = isPlain(node) ? additions.get(x) : undefined;
      return [addition ? product(g, addition, weight) : g.one("Gemm", inputs, node.attributes)];
    },
  });
}

function product(g: Graph, { dense, column, addend }: SparseAddition, weight: Value): Value {
  const rows = g.one("Gather", [weight, g.one("Reshape", [column], { shape: [column.shape[0] as number] })]);
  return g.one("Add", [g.one("Gemm", [dense, weight]), g.one("Mul", [rows, addend])]);
}
