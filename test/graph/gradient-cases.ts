/** Random uses of every operator that has a gradient rule: shapes, broadcasts, attributes, repeated indices. */
import type { Attributes, Graph, Value } from "../../src/graph/graph.ts";
import { elementCount } from "../../src/graph/graph.ts";
import type { Random } from "../support/random.ts";
import type { Argument, Case } from "./finite-differences.ts";

/** `use` counts the uses of an operator: its bits walk through the combinations of what is on or off. */
type MakeCase = (r: Random, use: number) => Case;

const f32 = (shape: readonly number[]): Argument => ({ shape });
const between = (r: Random, from: number, to: number, shape: readonly number[]): Argument => ({
  shape,
  data: r.floats(elementCount(shape), from, to),
});
const i64 = (shape: readonly number[], values: readonly number[]): Argument => ({
  shape,
  data: BigInt64Array.from(values, BigInt),
});

function apply(op: string, inputs: readonly Argument[], attributes: Attributes = {}): Case {
  const shapes = inputs.map((x) => `[${x.shape}]`).join(" ");
  return {
    label: `${op} ${shapes} ${JSON.stringify(attributes)}`,
    inputs,
    build: (g: Graph, values: readonly Value[]) => [g.one(op, values, attributes)],
  };
}

/** Two shapes of which either may be the broadcast one. */
function pair(r: Random): [number[], number[]] {
  const full = r.shape();
  const other = r.narrower(full);
  if (r.chance(0.3) && full.length > 1) {
    const [column, row] = [full.map((d, i) => (i === full.length - 1 ? 1 : d)), full.slice(-1)];
    return [column, row];
  }
  return r.chance() ? [full, other] : [other, full];
}

const axis = (r: Random, rank: number): number => r.int(-rank, rank - 1);
const axes = (r: Random, rank: number): number[] =>
  r
    .shuffled(Array.from({ length: rank }, (_, i) => i))
    .slice(0, r.int(1, rank))
    .map((a) => (r.chance() ? a : a - rank));
const wrap = (a: number, rank: number): number => (a < 0 ? a + rank : a);

function gather(r: Random): Case {
  const x = r.shape(1, 3);
  const index = r.shape(0, 2);
  const rows = Array.from({ length: elementCount(index) }, () => r.int(0, (x[0] as number) - 1));
  return apply("Gather", [f32(x), i64(index, rows)]);
}

function gatherElements(r: Random): Case {
  const x = r.shape(1, 3);
  const k = axis(r, x.length);
  const index = x.map((d, i) => (i === wrap(k, x.length) ? r.int(1, 5) : r.int(1, d)));
  const size = x[wrap(k, x.length)] as number;
  const values = Array.from({ length: elementCount(index) }, () => r.int(0, size - 1));
  return apply("GatherElements", [f32(x), i64(index, values)], { axis: k });
}

/** Along one row of the axis every index occurs once, unless sums are asked for. */
function scatterElements(r: Random, use: number): Case {
  const rows = r.int(1, 3);
  const width = r.int(2, 5);
  const count = r.int(1, width);
  const add = (use & 1) === 0;
  const row = () =>
    add
      ? Array.from({ length: count }, () => r.int(0, width - 1))
      : r.shuffled(Array.from({ length: width }, (_, i) => i)).slice(0, count);
  const index = Array.from({ length: rows }, row).flat();
  const inputs = [f32([rows, width]), i64([rows, count], index), f32([rows, count])];
  return apply("ScatterElements", inputs, { axis: r.pick([1, -1]), ...(add && { reduction: "add" }) });
}

function scatterND(r: Random, use: number): Case {
  const x = r.shape(1, 3);
  const rows = x[0] as number;
  const add = (use & 1) === 0;
  const index = add
    ? Array.from({ length: r.int(1, 5) }, () => r.int(0, rows - 1))
    : r.shuffled(Array.from({ length: rows }, (_, i) => i)).slice(0, r.int(1, rows));
  const inputs = [f32(x), i64([index.length, 1], index), f32([index.length, ...x.slice(1)])];
  return apply("ScatterND", inputs, add ? { reduction: "add" } : {});
}

function product(op: "Gemm" | "FusedMatMul" | "MatMul"): MakeCase {
  return (r, use) => {
    const [m, k, n] = [r.int(1, 4), r.int(1, 4), r.int(1, 4)];
    const plain = op === "MatMul";
    const [transA, transB] = [!plain && (use & 1) > 0, !plain && (use & 2) > 0];
    const batch = op === "Gemm" ? [] : r.shape(0, 2);
    const [left, right] = r.chance() ? [batch, r.narrower(batch)] : [r.narrower(batch), batch];
    const inputs = [
      f32([...left, ...(transA ? [k, m] : [m, k])]),
      f32([...right, ...(transB ? [n, k] : [k, n])]),
    ];
    if (op === "Gemm" && r.chance(0.7)) inputs.push(f32(r.pick([[n], [m, n], [1, n], [m, 1], [1], []])));
    return apply(op, inputs, {
      ...(transA && { transA: 1 }),
      ...(transB && { transB: 1 }),
      ...(!plain && (use & 4) > 0 && { alpha: { float: r.pick([0.5, -1.5, 0.125]) } }),
    });
  };
}

/** Keeps a random part of the outputs, at least one. */
function split(r: Random): Case {
  const x = r.shape(1, 3);
  const k = axis(r, x.length);
  const sizes = Array.from({ length: r.int(2, 3) }, () => r.int(1, 3));
  x[wrap(k, x.length)] = sizes.reduce((n, d) => n + d, 0);
  const used = r.shuffled(sizes.map((_, i) => i)).slice(0, r.int(1, sizes.length));
  return {
    label: `Split [${x}] axis ${k} sizes [${sizes}], outputs ${used} used`,
    inputs: [f32(x)],
    build: (g, values) => used.map((i) => g.apply("Split", values, { axis: k, sizes })[i] as Value),
  };
}

function concat(r: Random): Case {
  const x = r.shape(1, 3);
  const k = axis(r, x.length);
  const parts = Array.from({ length: r.int(1, 3) }, () =>
    x.map((d, i) => (i === wrap(k, x.length) ? r.int(1, 3) : d)),
  );
  return apply("Concat", parts.map(f32), { axis: k });
}

function layerNorm(r: Random, use: number): Case {
  const x = [...r.shape(1, 2), r.int(3, 6)];
  const width = x.at(-1) as number;
  const ramp = Float32Array.from({ length: elementCount(x) }, (_, i) => (i % width) + r.float(-0.3, 0.3));
  const inputs = [{ shape: x, data: ramp }, between(r, 0.5, 1.5, x.slice(-1))];
  if (use & 1) inputs.push(between(r, -1, 1, x.slice(-1)));
  return apply("LayerNormalization", inputs, { axis: -1, epsilon: { float: r.pick([1e-5, 1e-2]) } });
}

function norm(r: Random): Case {
  const x = [...r.shape(1, 2), r.int(2, 6)];
  const inputs = [between(r, 0.3, 1.2, x), between(r, 0.5, 1.5, x.slice(-1))];
  return apply("SimplifiedLayerNormalization", inputs, {
    axis: -1,
    epsilon: { float: r.pick([1e-6, 1e-2]) },
  });
}

/** Whole and partial rotation, halves and interleaved pairs, rows of the tables used more than once. */
function rotary(r: Random): Case {
  const [batch, length, heads, size] = [r.int(1, 2), r.int(1, 3), r.int(1, 2), r.pick([4, 6])];
  const rows = length + r.int(0, 2); // fewer rows than positions are refused by the runtime
  const partial = r.chance(0.3) ? { rotary_embedding_dim: size - 2, num_heads: heads } : {};
  const rotated = "num_heads" in partial ? size - 2 : size;
  const table = (): Argument => ({ ...f32([rows, rotated / 2]), constant: true });
  const ids = Array.from({ length: batch * length }, () => r.int(0, rows - 1));
  const inputs = [f32([batch, length, heads * size]), i64([batch, length], ids), table(), table()];
  return apply("RotaryEmbedding", inputs, { ...partial, ...(r.chance(0.3) && { interleaved: 1 }) });
}

/** One to three blocks of values. */
function attend(r: Random): Case {
  const [lead, m, d] = [r.shape(1, 2), r.int(1, 4), r.int(1, 4)];
  const blocks = Array.from({ length: r.int(1, 3) }, () => r.int(1, 3));
  const scores = [...lead, m, blocks.reduce((n, size) => n + size, 0)];
  const leadOf = () => (r.int(0, 1) ? lead : [...lead.slice(0, -1), 1]);
  return apply("Attend", [f32(scores), ...blocks.map((size) => f32([...leadOf(), size, d]))]);
}

const elementwise =
  (op: string): MakeCase =>
  (r) =>
    apply(op, pair(r).map(f32));
const unary =
  (op: string, from = -1, to = 1): MakeCase =>
  (r) =>
    apply(op, [between(r, from, to, r.shape(0, 4))]);
const rowwise =
  (op: string): MakeCase =>
  (r) =>
    apply(op, [f32(r.shape(1, 4))]);
const reduction =
  (op: string): MakeCase =>
  (r) => {
    const x = r.shape(1, 4);
    return apply(op, [f32(x)], { axes: axes(r, x.length) });
  };

/** By operator: makes one random use of it. */
export const gradientCases: Record<string, MakeCase> = {
  Add: elementwise("Add"),
  Sub: elementwise("Sub"),
  Mul: elementwise("Mul"),
  Sum: (r) => apply("Sum", r.shuffled([...pair(r), [1]].slice(0, r.int(1, 3))).map(f32)),
  Div: (r) => {
    const [a, b] = pair(r);
    return apply("Div", [f32(a), between(r, 0.7, 2, b)]);
  },
  Neg: unary("Neg"),
  Exp: unary("Exp"),
  Log: unary("Log", 0.7, 2),
  Sigmoid: unary("Sigmoid", -3, 3),
  Tanh: unary("Tanh", -2, 2),
  Gelu: (r, use) => apply("Gelu", [between(r, -3, 3, r.shape(0, 4))], use & 1 ? { approximate: "tanh" } : {}),
  SwiGLU: (r) =>
    apply(
      "SwiGLU",
      pair(r).map((shape) => between(r, -3, 3, shape)),
    ),
  Attend: attend,
  Softmax: rowwise("Softmax"),
  LogSoftmax: rowwise("LogSoftmax"),
  ReduceSum: reduction("ReduceSum"),
  ReduceMean: reduction("ReduceMean"),
  Reshape: (r) => {
    const x = r.shape(0, 4);
    return apply("Reshape", [f32(x)], { shape: r.shuffled([...x, 1]) });
  },
  Expand: (r) => {
    const shape = r.shape();
    return apply("Expand", [f32(r.narrower(shape))], { shape });
  },
  Transpose: (r) => {
    const x = r.shape();
    return apply("Transpose", [f32(x)], { perm: r.shuffled(x.map((_, i) => i)) });
  },
  Concat: concat,
  Split: split,
  Gather: gather,
  GatherElements: gatherElements,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  Gemm: product("Gemm"),
  FusedMatMul: product("FusedMatMul"),
  MatMul: product("MatMul"),
  SimplifiedLayerNormalization: norm,
  LayerNormalization: layerNorm,
  RotaryEmbedding: rotary,
};
