/**
 * The model that transformers.js is given: a llama of random weights as an expert would export it for onnxruntime on a
 * CPU, with its fused operators (joined projections, GroupQueryAttention with rotation, norms with their sums), any
 * batch and length, logits of the last position only. In f32, or with 4-bit weights (MatMulNBits, blocks of 32).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ProtoWriter } from "../src/graph/protobuf.ts";
import { random, randomFloats } from "./random-base.ts";

type Config = Readonly<Record<string, unknown>>;
type Attributes = Readonly<Record<string, number | { readonly float: number }>>;
type Data = Float32Array | Uint8Array | BigInt64Array;
export type PeerFormat = "f32" | "4bit";

const BLOCK = 32;
const elementType = { f32: 1, u8: 2, i32: 6, i64: 7 } as const;
const typeOf = (data: Data) =>
  data instanceof Float32Array ? "f32" : data instanceof Uint8Array ? "u8" : "i64";

class Model {
  private readonly nodes: ((w: ProtoWriter) => void)[] = [];
  private readonly tensors: ((w: ProtoWriter) => void)[] = [];
  private readonly ports: {
    field: number;
    name: string;
    type: keyof typeof elementType;
    dims: readonly (number | string)[];
  }[] = [];
  private count = 0;

  /** @returns the names of `outputs` results */
  apply(
    op: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    outputs: number | readonly string[] = 1,
    domain = "",
  ): string[] {
    const names =
      typeof outputs === "number" ? Array.from({ length: outputs }, () => `v${this.count++}`) : [...outputs];
    this.nodes.push((w) => {
      for (const name of inputs) w.string(1, name);
      for (const name of names) w.string(2, name);
      w.string(4, op);
      for (const [key, value] of Object.entries(attributes)) {
        w.message(5, (a) => {
          a.string(1, key);
          if (typeof value === "number") a.varint(3, value).varint(20, 2);
          else a.float(2, value.float).varint(20, 1);
        });
      }
      if (domain) w.string(7, domain);
    });
    return names;
  }

  one(op: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    return this.apply(op, inputs, attributes, 1, domain)[0] as string;
  }

  tensor(dims: readonly number[], data: Data): string {
    const name = `t${this.count++}`;
    this.tensors.push((w) => {
      w.packed(1, dims).varint(2, elementType[typeOf(data)]).string(8, name);
      w.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    });
    return name;
  }

  input(name: string, type: keyof typeof elementType, dims: readonly (number | string)[]): string {
    this.ports.push({ field: 11, name, type, dims });
    return name;
  }

  output(name: string, dims: readonly (number | string)[]): string {
    this.ports.push({ field: 12, name, type: "f32", dims });
    return name;
  }

  encode(): Uint8Array {
    return new ProtoWriter()
      .varint(1, 10)
      .message(7, (g) => {
        for (const node of this.nodes) g.message(1, node);
        g.string(2, "llama");
        for (const tensor of this.tensors) g.message(5, tensor);
        for (const { field, name, type, dims } of this.ports) {
          g.message(field, (w) =>
            w.string(1, name).message(2, (t) =>
              t.message(1, (x) =>
                x.varint(1, elementType[type]).message(2, (s) => {
                  for (const d of dims)
                    s.message(1, (dim) => (typeof d === "number" ? dim.varint(1, d) : dim.string(2, d)));
                }),
              ),
            ),
          );
        }
      })
      .message(8, (w) => w.string(1, "").varint(2, 21))
      .message(8, (w) => w.string(1, "com.microsoft").varint(2, 1))
      .finish();
  }
}

const MS = "com.microsoft";

function encodeModel(config: Config, format: PeerFormat): Uint8Array {
  const number = (key: string) => config[key] as number;
  const [hidden, inner, vocab] = [number("hidden_size"), number("intermediate_size"), number("vocab_size")];
  const [heads, kvHeads, size] = [
    number("num_attention_heads"),
    number("num_key_value_heads"),
    number("head_dim"),
  ];
  const m = new Model();
  const linear = (x: string, from: number, to: number): string => {
    if (format === "f32") return m.one("MatMul", [x, m.tensor([from, to], randomFloats(from * to))]);
    const blocks = Math.ceil(from / BLOCK);
    const values = new Uint8Array(to * blocks * (BLOCK / 2)).map(() => Math.floor(random() * 256));
    const scale = new Float32Array(to * blocks).fill(0.004);
    const parts = [m.tensor([to, blocks, BLOCK / 2], values), m.tensor([to * blocks], scale)];
    return m.one(
      "MatMulNBits",
      [x, ...parts],
      { K: from, N: to, bits: 4, block_size: BLOCK, accuracy_level: 4 },
      MS,
    );
  };
  const norm = () => m.tensor([hidden], new Float32Array(hidden).fill(1));
  const epsilon = { epsilon: { float: number("rms_norm_eps") } };
  const index = (...values: number[]) => m.tensor([values.length], BigInt64Array.from(values, BigInt));

  const ids = m.input("input_ids", "i64", ["batch_size", "length"]);
  const mask = m.input("attention_mask", "i64", ["batch_size", "total"]);
  const toInt = (x: string) => m.one("Cast", [x], { to: elementType.i32 });
  const before = toInt(m.one("Sub", [m.one("ReduceSum", [mask, index(1)], { keepdims: 0 }), index(1)]));
  const total = toInt(m.one("Gather", [m.one("Shape", [mask]), m.tensor([], BigInt64Array.of(1n))]));
  const rows = number("max_position_embeddings");
  const angle = (i: number) =>
    Math.floor(i / (size / 2)) * number("rope_theta") ** (-(i % (size / 2)) / (size / 2));
  const table = (of: (x: number) => number) =>
    m.tensor(
      [rows, size / 2],
      Float32Array.from({ length: (rows * size) / 2 }, (_, i) => of(angle(i))),
    );
  const [cos, sin] = [table(Math.cos), table(Math.sin)];

  let x = m.one("Gather", [m.tensor([vocab, hidden], randomFloats(vocab * hidden)), ids]);
  let normed = m.one("SimplifiedLayerNormalization", [x, norm()], { axis: -1, ...epsilon });
  const addAndNorm = (y: string) => {
    [normed, , , x] = m.apply("SkipSimplifiedLayerNormalization", [x, y, norm()], epsilon, 4, MS) as [
      string,
      string,
      string,
      string,
    ];
  };
  for (let l = 0; l < number("num_hidden_layers"); l++) {
    const kept = (part: string) =>
      m.input(`past_key_values.${l}.${part}`, "f32", ["batch_size", kvHeads, "past", size]);
    const now = (part: string) => m.output(`present.${l}.${part}`, ["batch_size", kvHeads, "total", size]);
    const qkv = linear(normed, hidden, (heads + 2 * kvHeads) * size);
    const inputs = [qkv, "", "", kept("key"), kept("value"), before, total, cos, sin];
    const attributes = {
      num_heads: heads,
      kv_num_heads: kvHeads,
      do_rotary: 1,
      scale: { float: size ** -0.5 },
    };
    const [context] = m.apply(
      "GroupQueryAttention",
      inputs,
      attributes,
      [`context.${l}`, now("key"), now("value")],
      MS,
    );
    addAndNorm(linear(context as string, heads * size, hidden));
    const gate = linear(normed, hidden, inner);
    const silu = m.one("Mul", [gate, m.one("Sigmoid", [gate])]);
    addAndNorm(linear(m.one("Mul", [silu, linear(normed, hidden, inner)]), inner, hidden));
  }
  const last = m.one("Slice", [normed, index(-1), index(2 ** 31 - 1), index(1)]);
  m.apply("Identity", [linear(last, hidden, vocab)], {}, [m.output("logits", ["batch_size", 1, vocab])]);
  return m.encode();
}

/** Writes it as a folder that transformers.js loads. */
export async function writePeerModel(folder: string, config: Config, format: PeerFormat): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify({ architectures: ["LlamaForCausalLM"], ...config }),
  );
  await writeFile(join(folder, "generation_config.json"), "{}");
  await writeFile(
    join(folder, "onnx", format === "f32" ? "model.onnx" : "model_q4.onnx"),
    encodeModel(config, format),
  );
}
