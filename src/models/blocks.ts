/** What layers are made of in more than one family: projections, gated and plain MLPs, the two residual styles. */
import type { Graph, Value } from "../graph/graph.ts";
import type { ConfigReader } from "./config.ts";
import type { LayerRun, LayerStep, Projected } from "./decoder.ts";
import type { Sizes } from "./sizes.ts";
import { type Block, times, type Weights } from "./weights.ts";

const silu: Block = (g, x) => g.one("Mul", [x, g.one("Sigmoid", [x])]);
const gelu: Block = (g, x) => g.one("Gelu", [x]);
const tanhGelu: Block = (g, x) => g.one("Gelu", [x], { approximate: "tanh" });

/** Hugging Face's names; `gelu_new`, `gelu_fast` and `gelu_pytorch_tanh` are spellings of one function. */
const activations: Readonly<Record<string, Block>> = {
  silu,
  swish: silu,
  gelu,
  gelu_python: gelu,
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
};

export function readActivation(config: ConfigReader, key: string): Block {
  return activations[config.choice(key, Object.keys(activations))] as Block;
}

/** Queries, keys and values of normed rows. */
export type Projection = (g: Graph, x: Value, step: LayerStep) => Projected;

export interface ProjectionOptions {
  readonly bias?: boolean;
  /** Applied to queries and keys, before they are rotated. */
  readonly norm?: (name: string, heads: number) => Block;
}

/** Three maps `q_proj`, `k_proj`, `v_proj`. */
export function projections(
  w: Weights,
  at: string,
  { hidden, heads, kvHeads, headDim }: Sizes,
  { bias = false, norm }: ProjectionOptions = {},
): Projection {
  const [q, k, v] = [
    w.linear(`${at}.q_proj`, hidden, heads * headDim, bias),
    w.linear(`${at}.k_proj`, hidden, kvHeads * headDim, bias),
    w.linear(`${at}.v_proj`, hidden, kvHeads * headDim, bias),
  ];
  const normQ = norm?.(`${at}.q_norm`, heads);
  const normK = norm?.(`${at}.k_norm`, kvHeads);
  return (g, x, { rows }) => {
    const query = q(g, rows(x));
    const key = k(g, x);
    return { q: normQ?.(g, query) ?? query, k: normK?.(g, key) ?? key, v: v(g, x) };
  };
}

/** activation(gate) * up */
export const gated = (g: Graph, activation: Block, gate: Value, up: Value): Value =>
  activation === silu ? g.one("SwiGLU", [gate, up]) : g.one("Mul", [activation(g, gate), up]);

/** down(act(gate x) * up x), the two maps apart. */
export function gatedMlp(
  w: Weights,
  at: string,
  { hidden, inner }: Sizes,
  activation: Block,
  bias = false,
): Block {
  const gate = w.linear(`${at}.gate_proj`, hidden, inner, bias);
  const up = w.linear(`${at}.up_proj`, hidden, inner, bias);
  const down = w.linear(`${at}.down_proj`, inner, hidden, bias);
  return (g, x) => down(g, gated(g, activation, gate(g, x), up(g, x)));
}

export interface LayerParts {
  readonly project: Projection;
  /** Of the heads' contexts. */
  readonly out: Block;
  readonly mlp: Block;
  /** Around attention and MLP; a family has some of them. */
  readonly norms: {
    readonly beforeAttention?: Block;
    readonly afterAttention?: Block;
    readonly beforeMlp?: Block;
    readonly afterMlp?: Block;
  };
  /** What both branches are multiplied by. */
  readonly multiplier?: number;
}

const asIs: Block = (_, x) => x;

/** x + attention(x), then x + mlp(x). */
export function sequential({ project, out, mlp, norms, multiplier = 1 }: LayerParts): LayerRun {
  const { beforeAttention = asIs, afterAttention = asIs, beforeMlp = asIs, afterMlp = asIs } = norms;
  return (g, x, step) => {
    const context = step.attend(project(g, beforeAttention(g, x), step));
    const rows = step.rows(x);
    const attended = times(g, afterAttention(g, out(g, context)), multiplier);
    const y = g.one("Add", [rows, attended]);
    return g.one("Add", [y, times(g, afterMlp(g, mlp(g, beforeMlp(g, y))), multiplier)]);
  };
}

/** x + attention(x) + mlp(x), both of the same x; without a norm of its own the MLP reads attention's. */
export function parallel({ project, out, mlp, norms }: Omit<LayerParts, "multiplier">): LayerRun {
  const { beforeAttention = asIs, beforeMlp } = norms;
  return (g, x, step) => {
    const normed = beforeAttention(g, x);
    const context = step.attend(project(g, normed, step));
    const rows = step.rows(x);
    const inside = beforeMlp ? beforeMlp(g, rows) : step.rows(normed);
    return g.one("Sum", [rows, out(g, context), mlp(g, inside)]);
  };
}
