/**
 * Graph -> ONNX ModelProto bytes (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3, IR version 10).
 * Weights are graph inputs, or constants whose numbers are given beside the bytes (external data: a place in a file, or
 * what is given under the constant's name), so the bytes hold the structure and small constants only.
 */
import {
  type Attribute,
  type DType,
  FREE,
  type Graph,
  type Node,
  type TypedArray,
  type Value,
} from "./graph.ts";
import { attributeList, operators } from "./operators.ts";
import { ProtoWriter } from "./protobuf.ts";

const IR_VERSION = 10;
const OPSET = 21;
const elementType: Record<DType, number> = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7 };
const attributeType = { float: 1, int: 2, string: 3, ints: 7 };

/** ONNX takes shapes and axes of these operators as an input tensor; here they are attributes. */
const attributeAsInput: Record<string, string> = {
  Reshape: "shape",
  Expand: "shape",
  ReduceSum: "axes",
  ReduceMean: "axes",
  ReduceMax: "axes",
  Split: "sizes",
};

/** Where the bytes of a constant lie in a file. */
export interface FilePlace {
  /** Relative to the folder that the runtime is told of. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export function encodeOnnx(graph: Graph, places: ReadonlyMap<string, FilePlace> = new Map()): Uint8Array {
  const nodes = graph.live();
  const used = new Set(nodes.flatMap((n) => [...n.inputs]));
  for (const v of graph.outputs.values()) used.add(v);
  const shapes = new Map<string, readonly number[]>();
  const names = outputNames(graph);

  return new ProtoWriter()
    .varint(1, IR_VERSION)
    .string(2, "tagllm")
    .message(7, (g) => {
      for (const node of nodes) g.message(1, (w) => writeNode(w, node, names, shapes));
      for (const [name, value] of graph.outputs) {
        const own = names.get(value) ?? value.name;
        if (own !== name) g.message(1, (w) => w.string(1, own).string(2, name).string(4, "Identity"));
      }
      g.string(2, "tagllm");
      for (const v of used) if (v.kind === "constant") g.message(5, (w) => writeTensor(w, v));
      for (const [name, dims] of shapes) {
        g.message(5, (w) => writeRaw(w, name, "i64", [dims.length], BigInt64Array.from(dims, BigInt)));
      }
      for (const v of usedInputs(graph)) {
        const place = places.get(v.name);
        if (v.kind === "packed" || place) g.message(5, (w) => writeExternal(w, v, place));
        else g.message(11, (w) => writeValueInfo(w, v.name, v));
      }
      for (const [name, v] of graph.outputs) g.message(12, (w) => writeValueInfo(w, name, v));
    })
    .message(8, (w) => w.string(1, "").varint(2, OPSET))
    .message(8, (w) => w.string(1, "com.microsoft").varint(2, 1))
    .finish();
}

/** Declared inputs and weights that the outputs depend on: exactly what a run must be fed. */
export function usedInputs(graph: Graph): Value[] {
  const used = new Set(graph.live().flatMap((n) => [...n.inputs]));
  for (const v of graph.outputs.values()) used.add(v);
  return [...graph.inputs.values()].filter((v) => used.has(v));
}

/** A computed value goes by the name of the output that it is, so that it is written where the output is wanted. */
function outputNames(graph: Graph): ReadonlyMap<Value, string> {
  const names = new Map<Value, string>();
  for (const [name, v] of graph.outputs) if (v.kind === "computed" && !names.has(v)) names.set(v, name);
  return names;
}

function writeNode(
  w: ProtoWriter,
  node: Node,
  names: ReadonlyMap<Value, string>,
  shapes: Map<string, readonly number[]>,
): void {
  const nameOf = (v: Value): string => names.get(v) ?? v.name;
  for (const v of node.inputs) w.string(1, nameOf(v));
  const asInput = attributeAsInput[node.op];
  if (asInput) {
    const dims = attributeList(node.attributes[asInput]);
    const name = `dims_${dims.join("_")}`.replaceAll("-", "m");
    shapes.set(name, dims);
    w.string(1, name);
  }
  for (const v of node.outputs) w.string(2, nameOf(v));
  w.string(3, node.outputs[0]?.name ?? "").string(4, node.op);
  for (const [key, value] of Object.entries(node.attributes)) {
    if (key !== asInput) w.message(5, (a) => writeAttribute(a, key, value));
  }
  const domain = operators[node.op]?.domain;
  if (domain) w.string(7, domain);
}

function writeAttribute(w: ProtoWriter, name: string, value: Attribute): void {
  w.string(1, name);
  if (typeof value === "number") w.varint(3, value).varint(20, attributeType.int);
  else if (typeof value === "string") w.string(4, value).varint(20, attributeType.string);
  else if ("float" in value) w.float(2, value.float).varint(20, attributeType.float);
  else {
    for (const v of value) w.varint(8, v);
    w.varint(20, attributeType.ints);
  }
}

function writeTensor(w: ProtoWriter, v: Value): void {
  writeRaw(w, v.name, v.dtype, v.shape, v.data as TypedArray);
}

function writeExternal(w: ProtoWriter, { name, dtype, shape }: Value, place?: FilePlace): void {
  const EXTERNAL = 1;
  w.packed(1, shape).varint(2, elementType[dtype]).string(8, name);
  const said = place
    ? { location: place.location, offset: String(place.offset), length: String(place.length) }
    : { location: name };
  for (const [key, value] of Object.entries(said))
    w.message(13, (entry) => entry.string(1, key).string(2, value));
  w.varint(14, EXTERNAL);
}

function writeRaw(
  w: ProtoWriter,
  name: string,
  dtype: DType,
  shape: readonly number[],
  data: TypedArray,
): void {
  w.packed(1, shape).varint(2, elementType[dtype]).string(8, name);
  w.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValueInfo(
  w: ProtoWriter,
  name: string,
  type: { dtype: DType; shape: readonly number[] },
): void {
  w.string(1, name).message(2, (t) =>
    t.message(1, (tensor) =>
      tensor.varint(1, elementType[type.dtype]).message(2, (s) => {
        for (const d of type.shape) s.message(1, (dim) => (d === FREE ? dim : dim.varint(1, d)));
      }),
    ),
  );
}
