/**
 * Products with frozen weights that are stored in 4 or 8 bits: numbers in blocks of 32 along the inner axis, each block
 * with a scale and a zero point. The weights are rounded, as a token costs the reading of all of them; what they are
 * multiplied with is f32, which kernels of few rows round to 8 bits as they go. Forward only, and for the CPU only.
 */
import type { Graph, Node, Value } from "./graph.ts";
import { rewrite } from "./lower.ts";

export type Bits = 4 | 8;

/** Numbers that share a scale and a zero point. */
export const BLOCK = 32;

/** What stands for a weight in such a product: its name says how it is made of the weight's f32 values. */
export interface BlockWeight {
  readonly name: string;
  readonly bits: Bits;
  /** How the f32 weight is stored: `rows` [out, in], `columns` [in, out]. */
  readonly stored: "rows" | "columns";
  readonly part: "values" | "scale" | "zero";
}

const MARK = " bits ";
const nameOf = ({ name, bits, stored, part }: BlockWeight): string =>
  [name, MARK, bits, " ", stored, " ", part].join("");

export function blockWeight(name: string): BlockWeight | null {
  const at = name.lastIndexOf(MARK);
  if (at < 0) return null;
  const [bits, stored, part] = name.slice(at + MARK.length).split(" ");
  return { name: name.slice(0, at), bits: Number(bits), stored, part } as BlockWeight;
}

/** Sizes of the three parts of a weight of `out` rows of `into` numbers. */
export function blockSizes(out: number, into: number, bits: Bits) {
  const blocks = Math.ceil(into / BLOCK);
  return {
    values: [out, blocks, (BLOCK * bits) / 8],
    scale: [out * blocks],
    zero: [out * Math.ceil((blocks * bits) / 8)],
  } as const;
}

/**
 * Products of fewer rows get their weights as constants of the program, which the runtime lays out for its kernels: a
 * copy for each such program. Those of more rows read the one copy that all programs share, and turn it into f32 as
 * they go; with 512 rows that takes a quarter more time, with one row it would take forty times as long.
 */
export const PACKED_ROWS = 64;

/** Tensors whose rows stand below one another in one product. */
const JOINED = " + ";

export const joinedNames = (name: string): readonly string[] => name.split(JOINED);

/** x W^T of the weights of `nodes` below one another, and what it becomes for each. */
function product(g: Graph, x: Value, nodes: readonly Node[], bits: Bits): readonly Value[] {
  const stored = nodes[0]?.attributes.transB ? "rows" : "columns";
  const weights = nodes.map(({ inputs }) => inputs[1] as Value);
  const outs = weights.map(({ shape }) => shape[stored === "rows" ? 0 : 1] as number);
  const [into, out] = [x.shape[1] as number, outs.reduce((a, b) => a + b)];
  const name = weights.map((w) => w.name).join(JOINED);
  const sizes = blockSizes(out, into, bits);
  const packed = (x.shape[0] as number) < PACKED_ROWS;
  const part = (own: BlockWeight["part"]) => {
    const full = nameOf({ name, bits, stored, part: own });
    const dtype = own === "scale" ? "f32" : "u8";
    return packed ? g.packedWeight(full, sizes[own], dtype) : g.weight(full, sizes[own], dtype);
  };
  const attributes = { K: into, N: out, bits, block_size: BLOCK, accuracy_level: 4 };
  const y = g.one("MatMulNBits", [x, part("values"), part("scale"), part("zero")], attributes);
  return nodes.length === 1 ? [y] : g.apply("Split", [y], { axis: 1, sizes: outs });
}

/** A matrix of computed values times a frozen weight, not scaled. */
const replaceable = ({ attributes }: Node, [x, w]: readonly Value[]): boolean =>
  w?.kind === "weight" && x?.kind !== "weight" && !attributes.transA && attributes.alpha === undefined;

/** Of each product, those of the same rows: a kernel of few rows is short, so three as one cost what one does. */
function groupsOf(graph: Graph): ReadonlyMap<Node, readonly Node[]> {
  const byRows = new Map<Value, Node[]>();
  const groups = new Map<Node, readonly Node[]>();
  for (const node of graph.live()) {
    const [x] = node.inputs as [Value];
    if (node.op !== "Gemm" || !replaceable(node, node.inputs)) continue;
    const few = node.attributes.transB && (x.shape[0] as number) < PACKED_ROWS;
    const group = few ? (byRows.get(x) ?? []) : [];
    group.push(node);
    if (few) byRows.set(x, group);
    groups.set(node, group);
  }
  return groups;
}

/** Takes a graph before it is lowered. */
export function storeInBits(graph: Graph, bits: Bits): Graph {
  const groups = groupsOf(graph);
  const done = new Map<Node, Value>();
  return rewrite(graph, {
    Gemm: (g, inputs, node) => {
      const group = groups.get(node);
      if (!group) return [g.one("Gemm", inputs, node.attributes)];
      const [x, , bias] = inputs as [Value, Value, Value | undefined];
      if (!done.has(node))
        for (const [i, y] of product(g, x, group, bits).entries()) done.set(group[i] as Node, y);
      const y = done.get(node) as Value;
      return [bias ? g.one("Add", [y, bias]) : y];
    },
  });
}
