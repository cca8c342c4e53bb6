/**
 * One row per operator: which ONNX domain it lives in and what its outputs' types are. The same row serves
 * hand-written forward functions and the gradients' emissions. Shapes are static throughout.
 */
import type { Attribute, Attributes, Type } from "./graph.ts";

export interface Operator {
  /** ONNX domain; the default domain when absent. */
  readonly domain?: "com.microsoft";
  infer(inputs: readonly Type[], attributes: Attributes): readonly Type[];
}

type Shape = readonly number[];

function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function broadcastShapes(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    expect(x === y || x === 1 || y === 1, `[${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

const count = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);

export const attributeList = (value: Attribute | undefined): readonly number[] => value as readonly number[];
export const attributeNumber = (value: Attribute | undefined, otherwise: number): number =>
  value === undefined
    ? otherwise
    : typeof value === "object" && "float" in value
      ? value.float
      : (value as number);

export function normalizeAxis(axis: number, rank: number): number {
  expect(axis >= -rank && axis < rank, `there is no axis ${axis} of ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

function at(inputs: readonly Type[], i: number): Type {
  const t = inputs[i];
  expect(t !== undefined, `input ${i} is missing`);
  return t;
}

const elementwise: Operator = {
  infer: (inputs) => {
    const { dtype } = at(inputs, 0);
    expect(
      inputs.every((t) => t.dtype === dtype),
      "element types differ",
    );
    return [{ dtype, shape: inputs.map((t) => t.shape).reduce((a, b) => broadcastShapes(a, b)) }];
  },
};

const unary: Operator = { infer: (inputs) => [at(inputs, 0)] };

/** Over the last axis, which is the only one the gradients and lowerings speak of. */
const rowwise: Operator = {
  infer: (inputs, { axis }) => {
    const x = at(inputs, 0);
    expect(
      normalizeAxis(attributeNumber(axis, -1), x.shape.length) === x.shape.length - 1,
      "only the last axis",
    );
    return [x];
  },
};

/** Reductions take their axes from an attribute here; the ONNX writer turns them into an input. */
const reduction: Operator = {
  infer: (inputs, { axes }) => {
    const x = at(inputs, 0);
    const reduced = new Set(attributeList(axes).map((a) => normalizeAxis(a, x.shape.length)));
    expect(reduced.size > 0, "no axis to reduce"); // which ONNX would take for all axes
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => (reduced.has(i) ? 1 : d)) }];
  },
};

const matrix = (shape: Shape, transpose: boolean): [number, number] => {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return transpose ? [columns, rows] : [rows, columns];
};

export const operators: Record<string, Operator> = {
  Add: elementwise,
  Sub: elementwise,
  Mul: elementwise,
  Div: elementwise,
  Sum: elementwise,
  Neg: unary,
  Exp: unary,
  Log: unary,
  Sqrt: unary,
  Abs: unary,
  Sigmoid: unary,
  Tanh: unary,
  Erf: unary,
  /** x Phi(x); with `approximate: "tanh"` the curve through tanh that most checkpoints were trained with. */
  Gelu: unary,
  Softmax: rowwise,
  LogSoftmax: rowwise,
  ReduceSum: reduction,
  ReduceMean: reduction,
  ReduceMax: reduction,
  Reshape: {
    infer: (inputs, { shape }) => {
      const x = at(inputs, 0);
      const to = attributeList(shape);
      expect(count(to) === count(x.shape), `cannot reshape to [${to}]`);
      return [{ dtype: x.dtype, shape: to }];
    },
  },
  Expand: {
    infer: (inputs, { shape }) => {
      const x = at(inputs, 0);
      return [{ dtype: x.dtype, shape: broadcastShapes(x.shape, attributeList(shape)) }];
    },
  },
  Transpose: {
    infer: (inputs, { perm }) => {
      const x = at(inputs, 0);
      const order = attributeList(perm);
      expect(
        [...order].sort((a, b) => a - b).every((p, i) => p === i) && order.length === x.shape.length,
        "bad perm",
      );
      return [{ dtype: x.dtype, shape: order.map((p) => x.shape[p] as number) }];
    },
  },
  Concat: {
    infer: (inputs, { axis }) => {
      const x = at(inputs, 0);
      const k = normalizeAxis(axis as number, x.shape.length);
      for (const t of inputs) {
        expect(
          t.shape.length === x.shape.length && t.shape.every((d, i) => i === k || d === x.shape[i]),
          `cannot concatenate along axis ${axis}`,
        );
      }
      const total = inputs.reduce((n, t) => n + (t.shape[k] as number), 0);
      return [{ dtype: x.dtype, shape: x.shape.map((d, i) => (i === k ? total : d)) }];
    },
  },
  Split: {
    infer: (inputs, { axis, sizes }) => {
      const x = at(inputs, 0);
      const k = normalizeAxis(axis as number, x.shape.length);
      const parts = attributeList(sizes);
      expect(parts.reduce((n, d) => n + d, 0) === x.shape[k], `sizes ${parts} do not add up to axis ${axis}`);
      return parts.map((size) => ({ dtype: x.dtype, shape: x.shape.map((d, i) => (i === k ? size : d)) }));
    },
  },
  Gather: {
    infer: (inputs, { axis }) => {
      const [x, index] = [at(inputs, 0), at(inputs, 1)];
      expect((axis ?? 0) === 0 && index.dtype !== "f32", "only integer indices into axis 0");
      return [{ dtype: x.dtype, shape: [...index.shape, ...x.shape.slice(1)] }];
    },
  },
  GatherElements: {
    infer: (inputs) => {
      const [x, index] = [at(inputs, 0), at(inputs, 1)];
      expect(x.shape.length === index.shape.length && index.dtype !== "f32", "index and data differ in rank");
      return [{ dtype: x.dtype, shape: index.shape }];
    },
  },
  ScatterElements: {
    infer: (inputs) => {
      const [x, index, updates] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
      expect(String(index.shape) === String(updates.shape), "index and updates differ in shape");
      return [x];
    },
  },
  /** Rows `index[:, 0]` of `x` (axis 0) are replaced by, or with reduction "add" increased by, `updates`. */
  ScatterND: {
    infer: (inputs) => {
      const [x, index, updates] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
      expect(
        index.dtype === "i64" && index.shape.length === 2 && index.shape[1] === 1,
        "index must be i64[n,1]",
      );
      expect(
        String(updates.shape) === String([index.shape[0], ...x.shape.slice(1)]),
        "updates have a wrong shape",
      );
      return [x];
    },
  },
  /** Y = alpha * op(A) op(B) + C on matrices; transB takes Hugging Face's [out, in] weights as stored. */
  Gemm: {
    infer: (inputs, { transA, transB }) => {
      const [a, b, c] = [at(inputs, 0), at(inputs, 1), inputs[2]];
      expect(a.shape.length === 2 && b.shape.length === 2, "Gemm takes matrices");
      const [m, k] = matrix(a.shape, Boolean(transA));
      const [k2, n] = matrix(b.shape, Boolean(transB));
      expect(k === k2, `inner sizes ${k} and ${k2} differ`);
      expect(!c || String(broadcastShapes(c.shape, [m, n])) === String([m, n]), "C does not broadcast");
      return [{ dtype: "f32", shape: [m, n] }];
    },
  },
  /** Batched Y = alpha * op(A) op(B) over the last two axes. */
  FusedMatMul: {
    domain: "com.microsoft",
    infer: (inputs, { transA, transB }) => {
      const [a, b] = [at(inputs, 0), at(inputs, 1)];
      const [m, k] = matrix(a.shape, Boolean(transA));
      const [k2, n] = matrix(b.shape, Boolean(transB));
      expect(k === k2, `inner sizes ${k} and ${k2} differ`);
      return [
        { dtype: "f32", shape: [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n] },
      ];
    },
  },
  MatMul: {
    infer: (inputs) => {
      const [a, b] = [at(inputs, 0), at(inputs, 1)];
      const [m, k] = matrix(a.shape, false);
      const [k2, n] = matrix(b.shape, false);
      expect(k === k2, `inner sizes ${k} and ${k2} differ`);
      return [
        { dtype: "f32", shape: [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n] },
      ];
    },
  },
  /** RMSNorm over the last axis; outputs y and 1/rms of each row. */
  SimplifiedLayerNormalization: {
    infer: (inputs) => {
      const [x, scale] = [at(inputs, 0), at(inputs, 1)];
      expect(String(scale.shape) === String(x.shape.slice(-1)), "scale does not fit the last axis");
      return [x, { dtype: "f32", shape: [...x.shape.slice(0, -1), 1] }];
    },
  },
  /** Over the last axis, with a scale and perhaps a bias; outputs y, and the mean and 1/deviation of each row. */
  LayerNormalization: {
    infer: (inputs) => {
      const [x, scale, bias] = [at(inputs, 0), at(inputs, 1), inputs[2] ?? at(inputs, 1)];
      const last = String(x.shape.slice(-1));
      expect(
        String(scale.shape) === last && String(bias.shape) === last,
        "scale and bias do not fit the last axis",
      );
      const rows: Type = { dtype: "f32", shape: [...x.shape.slice(0, -1), 1] };
      return [x, rows, rows];
    },
  },
  /** x [B,S,heads*size], position ids i64[B,S], cos and sin tables [rows, size/2]; halves are rotated. */
  RotaryEmbedding: {
    domain: "com.microsoft",
    infer: (inputs) => {
      const [x, ids, cos, sin] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 3)];
      expect(
        x.shape.length === 3 && String(ids.shape) === String(x.shape.slice(0, 2)),
        "x must be [B,S,hidden]",
      );
      expect(
        String(cos.shape) === String(sin.shape) && cos.shape.length === 2,
        "cos and sin differ in shape",
      );
      return [x];
    },
  },
  /** Rows of x over their scales, rounded, plus the zero point: x [m,n], scale [m], zero u8[m]. */
  QuantizeLinear: {
    infer: (inputs, { axis }) => {
      const [x, scale, zero] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
      expect(axis === 0 && String(scale.shape) === String(x.shape.slice(0, 1)), "one scale a row");
      expect(zero.dtype === "u8" && String(zero.shape) === String(scale.shape), "one zero point u8 a row");
      return [{ dtype: "u8", shape: x.shape }];
    },
  },
  /** (a - a_zero) (b - b_zero) * a_scale * b_scale: a u8[m,k], b i8[k,n], a_scale [], b_scale [n], a_zero u8[], b_zero i8[n]. */
  MatMulIntegerToFloat: {
    domain: "com.microsoft",
    infer: (inputs) => {
      const [a, b, , scale] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 3)];
      expect(a.dtype === "u8" && b.dtype === "i8" && a.shape[1] === b.shape[0], "u8[m,k] times i8[k,n]");
      expect(String(scale.shape) === String(b.shape.slice(1)), "one scale a column");
      return [{ dtype: "f32", shape: [a.shape[0] as number, b.shape[1] as number] }];
    },
  },
  /**
   * x W^T of W [N,K] in blocks of 32 numbers of 4 or 8 bits: values u8[N,blocks,bytes], scale [N*blocks], zero points
   * u8, two in a byte where they have 4 bits.
   */
  MatMulNBits: {
    domain: "com.microsoft",
    infer: (inputs, { K, N, bits, block_size }) => {
      const [x, values, scale] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
      const blocks = Math.ceil((K as number) / (block_size as number));
      const bytes = ((block_size as number) * (bits as number)) / 8;
      expect(x.shape.length === 2 && x.shape[1] === K, `rows of ${K}`);
      expect(values.dtype === "u8" && String(values.shape) === String([N, blocks, bytes]), "values u8[N,..]");
      expect(scale.shape[0] === (N as number) * blocks, "one scale a block");
      return [{ dtype: "f32", shape: [x.shape[0] as number, N as number] }];
    },
  },
  /** silu(gate) * up. Not an operator of ONNX: see `composites` in lower.ts. */
  SwiGLU: elementwise,
  /**
   * Scores [..., r, m, n_0 + n_1 + ...] and values [..., r, n_i, d], or [..., 1, n_i, d] where all r have them in
   * common -> softmax(scores) over the values, [..., r, m, d].
   */
  Attend: {
    infer: (inputs) => {
      const [scores, ...values] = inputs as [Type, ...Type[]];
      const keys = values.reduce((n, v) => n + (v.shape.at(-2) as number), 0);
      expect(keys === scores.shape.at(-1), `${scores.shape.at(-1)} scores for ${keys} values`);
      const lead = scores.shape.slice(0, -2);
      const fits = ({ shape }: Type) =>
        [String(lead), String([...lead.slice(0, -1), 1])].includes(String(shape.slice(0, -2))) &&
        shape.at(-1) === values[0]?.shape.at(-1);
      expect(values.every(fits), "scores and values differ in shape");
      return [{ dtype: "f32", shape: [...scores.shape.slice(0, -1), values[0]?.shape.at(-1) as number] }];
    },
  },
};
