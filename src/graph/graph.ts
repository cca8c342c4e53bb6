/**
 * A graph is a list of nodes over typed values with static shapes: what the models build, what
 * `differentiate` extends and what `encodeOnnx` writes. It knows nothing of files or of the runtime.
 *
 * The same operator applied to the same inputs with the same attributes is one node (value numbering), so
 * forward and backward rules may ask for an intermediate result without arranging to share it.
 */
import { TagllmError } from "../errors.ts";
import { operators } from "./operators.ts";

export type DType = "f32" | "i32" | "i64" | "i8" | "u8";
export type TypedArray = Float32Array | Int32Array | BigInt64Array | Int8Array | Uint8Array;
export type Attribute = number | string | readonly number[] | { readonly float: number };
export type Attributes = Readonly<Record<string, Attribute>>;

/** Size of an axis that each run says anew. */
export const FREE = -1;

export interface Type {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface Value extends Type {
  /** Unique in its graph; the name of an input, weight or constant is what a run refers to. */
  readonly name: string;
  /**
   * `input`: fed at every run. `weight`: fed from what the engine holds. `packed`: a weight that becomes a constant of
   * the program, so that the runtime may lay it out. `constant`: in the graph.
   */
  readonly kind: "input" | "weight" | "packed" | "constant" | "computed";
  readonly data?: TypedArray;
}

export interface Node {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

const arrays = { f32: Float32Array, i32: Int32Array, i64: BigInt64Array, i8: Int8Array, u8: Uint8Array };

const dtypeOf = (data: TypedArray): DType =>
  (Object.keys(arrays) as DType[]).find((dtype) => data instanceof arrays[dtype]) as DType;

export const elementCount = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

export const formatType = (t: Type): string => `${t.dtype}[${t.shape.join(",")}]`;

export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs = new Map<string, Value>();
  readonly outputs = new Map<string, Value>();
  private readonly known = new Map<string, readonly Value[]>();
  private counter = 0;

  input(name: string, dtype: DType, shape: readonly number[]): Value {
    return this.declare({ name, kind: "input", dtype, shape });
  }

  weight(name: string, shape: readonly number[], dtype: DType = "f32"): Value {
    const existing = this.inputs.get(name);
    return existing ?? this.declare({ name, kind: "weight", dtype, shape });
  }

  packedWeight(name: string, shape: readonly number[], dtype: DType): Value {
    return this.inputs.get(name) ?? this.declare({ name, kind: "packed", dtype, shape });
  }

  constant(data: TypedArray, shape: readonly number[]): Value {
    const dtype = dtypeOf(data);
    const key = `constant ${dtype}[${shape.join(",")}] ${data.join(",")}`;
    const existing = this.known.get(key)?.[0];
    if (existing) return existing;
    const value: Value = { name: this.fresh("c"), kind: "constant", dtype, shape, data };
    this.known.set(key, [value]);
    return value;
  }

  scalar(value: number): Value {
    return this.constant(Float32Array.of(value), []);
  }

  /** Applies an operator; its row in `operators` checks the inputs and infers the outputs' types. */
  apply(op: string, inputs: readonly Value[], attributes: Attributes = {}): readonly Value[] {
    const key = `${op}(${inputs.map((v) => v.name).join(",")})${JSON.stringify(attributes)}`;
    const existing = this.known.get(key);
    if (existing) return existing;
    const row = operators[op];
    if (!row) {
      throw new TagllmError(
        "graph/operator",
        `The operator ${op} is unknown to the graph builder.`,
        `Add a row for it to src/graph/operators.ts; known are ${Object.keys(operators).join(", ")}.`,
      );
    }
    let types: readonly Type[];
    try {
      types = row.infer(inputs, attributes);
    } catch (cause) {
      throw new TagllmError(
        "graph/shape",
        `${op}(${inputs.map(formatType).join(", ")}) ${JSON.stringify(attributes)}: ${(cause as Error).message}`,
        "This is a fault of the model's forward function, not of your data: please report it.",
        { cause },
      );
    }
    const outputs = types.map((t): Value => ({ ...t, name: this.fresh("v"), kind: "computed" }));
    this.nodes.push({ op, inputs, outputs, attributes });
    this.known.set(key, outputs);
    return outputs;
  }

  /** Applies an operator with one output. */
  one(op: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.apply(op, inputs, attributes)[0] as Value;
  }

  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new Error(`output ${name} is declared twice`);
    this.outputs.set(name, value);
  }

  /** The nodes that the outputs need, in order of execution. */
  live(): Node[] {
    const needed = new Set(this.outputs.values());
    const kept: Node[] = [];
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i] as Node;
      if (!node.outputs.some((o) => needed.has(o))) continue;
      for (const input of node.inputs) needed.add(input);
      kept.push(node);
    }
    return kept.reverse();
  }

  private declare(value: Value): Value {
    if (this.inputs.has(value.name)) throw new Error(`input ${value.name} is declared twice`);
    this.inputs.set(value.name, value);
    return value;
  }

  private fresh(prefix: string): string {
    return `${prefix}${this.counter++}`;
  }
}
