/**
 * Products with frozen weights in 8-bit integers, forward and backward. Each row of activations is scaled by its
 * own largest magnitude, so small rows (gradients) keep their digits and no row's result depends on the rows
 * beside it; weights have a scale for each column of the product. For the CPU only.
 */
import type { Graph, Node, Value } from "./graph.ts";
import { type Lowering, rewrite } from "./lower.ts";

/** What stands for a weight in an integer product: its name says how it is made of the weight's f32 values. */
export interface IntegerWeight {
  /** The f32 weight [out, in]. */
  readonly name: string;
  /** `forward`: [in, out], for x W^T. `backward`: [out, in], for dy W. */
  readonly direction: "forward" | "backward";
  /** The numbers themselves, or a scale for each column. */
  readonly part: "values" | "scale";
}

const MARK = " int8 ";
const nameOf = ({ name, direction, part }: IntegerWeight): string =>
  [name, MARK, direction, " ", part].join("");

export function integerWeight(name: string): IntegerWeight | null {
  const at = name.lastIndexOf(MARK);
  if (at < 0) return null;
  const [direction, part] = name.slice(at + MARK.length).split(" ");
  return { name: name.slice(0, at), direction, part } as IntegerWeight;
}

const LARGEST = 127;
/** Rows of zeros have a scale too. */
const LEAST = 1e-30;

/** Rounded rows of `x` as u8 around 128, and the scale of each, [m, 1]. */
function roundRows(g: Graph, x: Value): { rounded: Value; scale: Value } {
  const rows = x.shape[0] as number;
  const largest = g.one("ReduceMax", [g.one("Abs", [x])], { axes: [-1] });
  const scale = g.one("Add", [g.one("Mul", [largest, g.scalar(1 / LARGEST)]), g.scalar(LEAST)]);
  const each = g.one("Reshape", [scale], { shape: [rows] });
  const zero = g.constant(new Uint8Array(rows).fill(128), [rows]);
  return { rounded: g.one("QuantizeLinear", [x, each, zero], { axis: 0 }), scale };
}

/** The nodes of two maps of which one multiplies the other: SwiGLU, or Mul(Gelu(gate), up). */
function gatesOf({ nodes }: Graph): ReadonlySet<Node> {
  const activated = new Set(nodes.filter(({ op }) => op === "Gelu").flatMap(({ outputs }) => outputs));
  return new Set(
    nodes.filter(({ op, inputs: [x] }) => op === "SwiGLU" || (op === "Mul" && activated.has(x as Value))),
  );
}

/** How a gradient passes what scales or caps logits: it is the first input. */
const BY_NUMBER = new Set(["Mul", "Div", "Neg"]);

/**
 * Values that are not rounded: within a row most of their numbers are far below the largest, so 8 bits would lose
 * them. A gate's products have outliers; what the loss sends back is near 1 at the label.
 */
function spreadValues({ nodes }: Graph, gates: ReadonlySet<Node>): ReadonlySet<Value> {
  const spread = new Set<Value>();
  for (const node of nodes) {
    const { op, inputs, outputs } = node;
    const follows = BY_NUMBER.has(op) && spread.has(inputs[0] as Value);
    if (op === "ScatterElements" || gates.has(node) || follows) spread.add(outputs[0] as Value);
  }
  return spread;
}

/** What stands between a gate and the products that it takes. */
const TRANSPARENT = new Set(["Split", "Reshape", "Gelu"]);

/** The weights whose products a gate takes: what it sends back to them has its outliers too. */
function gatedWeights({ nodes }: Graph, gates: ReadonlySet<Node>): ReadonlySet<Value> {
  const makers = new Map(nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const weightsOf = (x: Value): Value[] => {
    const maker = makers.get(x);
    if (!maker) return [];
    if (TRANSPARENT.has(maker.op)) return weightsOf(maker.inputs[0] as Value);
    return maker.op === "Gemm" ? [maker.inputs[1] as Value] : [];
  };
  return new Set([...gates].flatMap(({ inputs }) => inputs.flatMap(weightsOf)));
}

const product: Lowering = (g, inputs, node) => {
  const [x, w, bias] = inputs as [Value, Value, Value | undefined];
  const direction = node.attributes.transB ? "forward" : "backward";
  const [out, into] = w.shape as [number, number];
  const shape = direction === "forward" ? [into, out] : [out, into];
  const columns = shape[1] as number;
  const part = (name: IntegerWeight["part"]) => nameOf({ name: w.name, direction, part: name });
  const { rounded, scale } = roundRows(g, x);
  const whole = g.one("MatMulIntegerToFloat", [
    rounded,
    g.weight(part("values"), shape, "i8"),
    g.scalar(1),
    g.weight(part("scale"), [columns]),
    g.constant(Uint8Array.of(128), []),
    g.constant(new Int8Array(columns), [columns]),
  ]);
  const y = g.one("Mul", [whole, scale]);
  return [bias ? g.one("Add", [y, bias]) : y];
};

/** A matrix of trained or computed values times a frozen weight, neither scaled nor turned. */
const replaceable = ({ attributes }: Node, [x, w]: readonly Value[]): boolean =>
  w?.kind === "weight" && x?.kind !== "weight" && !attributes.transA && attributes.alpha === undefined;

/** Takes a graph before it is lowered. */
export function quantise(graph: Graph): Graph {
  const gates = gatesOf(graph);
  const spread = spreadValues(graph, gates);
  const gated = gatedWeights(graph, gates);
  const staysExact = ({ attributes, inputs: [x, w] }: Node) =>
    spread.has(x as Value) || (!attributes.transB && gated.has(w as Value));
  return rewrite(graph, {
    Gemm: (g, inputs, node) =>
      replaceable(node, inputs) && !staysExact(node)
        ? product(g, inputs, node)
        : [g.one("Gemm", inputs, node.attributes)],
  });
}
