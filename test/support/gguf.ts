/**
 * GGUF files, as llama.cpp reads them, of llama and qwen3 with any weights and a vocabulary without meaning: in f32, or
 * with matrices in 4 bits (Q4_0).
 */

type Config = Readonly<Record<string, unknown>>;

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** By its Hugging Face name, what llama.cpp calls it. `{}` is the layer. */
const names: Readonly<Record<string, string>> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
  "model.layers.{}.input_layernorm.weight": "blk.{}.attn_norm.weight",
  "model.layers.{}.self_attn.q_proj.weight": "blk.{}.attn_q.weight",
  "model.layers.{}.self_attn.k_proj.weight": "blk.{}.attn_k.weight",
  "model.layers.{}.self_attn.v_proj.weight": "blk.{}.attn_v.weight",
  "model.layers.{}.self_attn.o_proj.weight": "blk.{}.attn_output.weight",
  "model.layers.{}.self_attn.q_norm.weight": "blk.{}.attn_q_norm.weight",
  "model.layers.{}.self_attn.k_norm.weight": "blk.{}.attn_k_norm.weight",
  "model.layers.{}.post_attention_layernorm.weight": "blk.{}.ffn_norm.weight",
  "model.layers.{}.mlp.gate_proj.weight": "blk.{}.ffn_gate.weight",
  "model.layers.{}.mlp.up_proj.weight": "blk.{}.ffn_up.weight",
  "model.layers.{}.mlp.down_proj.weight": "blk.{}.ffn_down.weight",
};

const alignment = 32;
const types = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;

type MatrixFormat = "f32" | "q4_0";

/** As llama.cpp numbers them. */
const ggmlTypes = { f32: 0, q4_0: 2 } as const;

/** @param config of Hugging Face, with every size given; the vocabulary has at least 259 tokens */
export function encodeGguf(
  config: Config,
  tensors: ReadonlyMap<string, NamedTensor>,
  matrices: MatrixFormat = "f32",
): Uint8Array {
  const head = new Writer();
  const entries = metadata(config);
  const own = [...tensors].map(([name, tensor]) => {
    const { values, ...rest } = renamed(name, tensor, config);
    const type = rest.shape.length === 1 ? "f32" : matrices;
    const f32 = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return { ...rest, type, data: type === "f32" ? f32 : q4(values) } as const;
  });
  head.bytes(Buffer.from("GGUF"));
  head.u32(3);
  head.u64(own.length);
  head.u64(entries.length);
  for (const [key, type, value] of entries) {
    head.string(key);
    head.u32(types[type]);
    head.value(type, value);
  }
  let offset = 0;
  for (const { name, shape, type, data } of own) {
    head.string(name);
    head.u32(shape.length);
    for (const size of shape.toReversed()) head.u64(size);
    head.u32(ggmlTypes[type]);
    head.u64(offset);
    offset += Math.ceil(data.byteLength / alignment) * alignment;
  }
  head.pad();
  for (const { data } of own) {
    head.bytes(data);
    head.pad();
  }
  return head.all();
}

/**
 * Blocks of 32 numbers: a scale in f16, then 16 bytes whose low halves are the first 16 numbers and whose high halves
 * are the others, each 8 more than what the scale is multiplied by. The largest number is -8 scales.
 */
function q4(values: Float32Array): Uint8Array {
  const out = Buffer.alloc((values.length / 32) * 18);
  for (let block = 0; block < values.length / 32; block++) {
    const own = values.subarray(block * 32, block * 32 + 32);
    const largest = own.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
    const scale = largest / -8;
    const half = (x: number) => (scale === 0 ? 8 : Math.min(15, Math.floor(x / scale + 8.5)));
    out.writeUInt16LE(f16(scale), block * 18);
    for (let i = 0; i < 16; i++)
      out[block * 18 + 2 + i] = half(own[i] as number) | (half(own[i + 16] as number) << 4);
  }
  return out;
}

const bits = new DataView(new ArrayBuffer(4));

/** The nearest f16 of a number that is neither huge nor tiny: 5 bits of exponent, 10 of fraction; else 0. */
function f16(x: number): number {
  bits.setFloat32(0, x);
  const rounded = bits.getUint32(0) + 0x1000;
  const sign = (rounded >>> 16) & 0x8000;
  const exponent = ((rounded >>> 23) & 0xff) - 127 + 15;
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((rounded >>> 13) & 0x3ff);
}

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, "0");

type Entry = readonly [key: string, type: "u32" | "f32" | "string" | "bool", value: unknown];
type ListEntry = readonly [key: string, type: "array", value: readonly [keyof typeof types, unknown[]]];

function metadata(config: Config): (Entry | ListEntry)[] {
  const family = config.model_type as string;
  const vocabulary = config.vocab_size as number;
  // llama.cpp ends the process where a vocabulary of this kind lacks a byte.
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${hex(byte)}>`);
  const first = ["<unk>", "<s>", "</s>", ...bytes];
  const tokens = Array.from({ length: vocabulary }, (_, id) => first[id] ?? `t${id}`);
  const kinds = tokens.map((_, id) => [2, 3, 3][id] ?? (id < first.length ? 6 : 1)); // unknown, control, byte, normal
  const number = (key: string, from: string): Entry => [`${family}.${key}`, "u32", config[from]];
  return [
    ["general.architecture", "string", family],
    ["general.name", "string", "random weights"],
    number("vocab_size", "vocab_size"),
    number("context_length", "max_position_embeddings"),
    number("embedding_length", "hidden_size"),
    number("block_count", "num_hidden_layers"),
    number("feed_forward_length", "intermediate_size"),
    number("attention.head_count", "num_attention_heads"),
    number("attention.head_count_kv", "num_key_value_heads"),
    number("attention.key_length", "head_dim"),
    number("attention.value_length", "head_dim"),
    number("rope.dimension_count", "head_dim"),
    [`${family}.attention.layer_norm_rms_epsilon`, "f32", config.rms_norm_eps],
    [`${family}.rope.freq_base`, "f32", config.rope_theta],
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "array", ["string", tokens]],
    ["tokenizer.ggml.scores", "array", ["f32", tokens.map((_, id) => -id)]],
    ["tokenizer.ggml.token_type", "array", ["i32", kinds]],
    ["tokenizer.ggml.bos_token_id", "u32", 1],
    ["tokenizer.ggml.eos_token_id", "u32", 2],
    ["tokenizer.ggml.unknown_token_id", "u32", 0],
  ];
}

function renamed(name: string, tensor: NamedTensor, config: Config): NamedTensor & { name: string } {
  const layer = /\.layers\.(\d+)\./.exec(name)?.[1] ?? "";
  const other = names[name.replace(/\.layers\.\d+\./, ".layers.{}.")];
  if (other === undefined) throw new Error(`llama.cpp has no name for ${name}`);
  const heads = /q_proj/.test(name) ? config.num_attention_heads : config.num_key_value_heads;
  const paired = config.model_type === "llama" && /[qk]_proj/.test(name);
  const values = paired ? inPairs(tensor, heads as number) : tensor.values;
  return { name: other.replace("{}", layer), shape: tensor.shape, values };
}

/** llama.cpp turns neighbours of a llama's head together, Hugging Face the halves. */
function inPairs({ shape, values }: NamedTensor, heads: number): Float32Array {
  const [rows, width] = shape as [number, number];
  const size = rows / heads;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const [head, at] = [Math.floor(row / size), row % size];
    const from = head * size + (at % 2) * (size / 2) + Math.floor(at / 2);
    out.set(values.subarray(from * width, (from + 1) * width), row * width);
  }
  return out;
}

class Writer {
  #parts: Uint8Array[] = [];
  #length = 0;

  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  u32(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.bytes(bytes);
  }

  u64(value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.bytes(bytes);
  }

  string(text: string): void {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  value(type: keyof typeof types, value: unknown): void {
    if (type === "string") this.string(value as string);
    else if (type === "f32") this.bytes(new Uint8Array(Float32Array.of(value as number).buffer));
    else if (type === "array") {
      const [of, list] = value as [keyof typeof types, unknown[]];
      this.u32(types[of]);
      this.u64(list.length);
      for (const entry of list) this.value(of, entry);
    } else this.u32(value as number);
  }

  pad(): void {
    this.bytes(new Uint8Array((alignment - (this.#length % alignment)) % alignment));
  }

  all(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
