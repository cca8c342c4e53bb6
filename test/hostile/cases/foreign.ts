/** .npy files and PEFT adapters made to crash, fill memory, run code or pass as vectors. */
import { cp, mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readNpy } from "../../../src/tags/npy.ts";
import { readPeft } from "../../../src/tags/peft.ts";
import { encodeSafetensors } from "../../../src/weights/safetensors.ts";
import type { HostileCase } from "./case.ts";

type Attack = Omit<HostileCase, "category">;

const golden = fileURLToPath(new URL("../../golden/foreign/", import.meta.url));
const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";

interface Npy {
  dict?: string;
  data?: number;
  version?: [number, number];
  /** What the file says that its header has. */
  length?: number;
}

function bytesOf({ dict = good, data = 48, version = [1, 0], length }: Npy): Buffer {
  const header = Buffer.from(`${dict}\n`, version[0] === 3 ? "utf8" : "latin1");
  const size = Buffer.alloc(version[0] === 1 ? 2 : 4);
  size.writeUIntLE(length ?? header.length, 0, size.length);
  return Buffer.concat([
    Buffer.from("\x93NUMPY", "latin1"),
    Buffer.from(version),
    size,
    header,
    Buffer.alloc(data),
  ]);
}

const npy = (name: string, parts: Npy, code: Attack["code"], ...mentions: string[]): Attack =>
  raw(name, bytesOf(parts), code, ...mentions);

const raw = (name: string, bytes: Uint8Array, code: Attack["code"], ...mentions: string[]): Attack => ({
  name,
  code,
  mentions: ["tag.npy", ...mentions],
  run: async (dir) => {
    const file = join(dir, "tag.npy");
    await writeFile(file, bytes);
    return readNpy(file);
  },
});

const dict = (descr: string, order: string, shape: string): string =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
const shaped = (shape: string) => ({ dict: dict("'<f4'", "False", shape) });
const nested = "[".repeat(4000);

const npyCases: Attack[] = [
  raw("nothing in it", new Uint8Array(), "import/npy", "0 bytes"),
  raw("another beginning", Buffer.alloc(200, "x"), "import/npy", "does not begin"),
  raw("cut in the header", bytesOf({}).subarray(0, 40), "import/npy", "60 bytes, and 30 follow"),
  raw("cut in the data", bytesOf({}).subarray(0, -1), "import/npy", "47 follow"),
  npy("data too long", { data: 52 }, "import/npy", "52 follow"),
  npy("a version of the future", { version: [4, 0] }, "import/npy", "4.0"),
  npy("a minor version", { version: [1, 7] }, "import/npy", "1.7"),
  npy("a header of 4 GB", { version: [2, 0], length: 0xffffffff }, "import/npy", "4294967295"),
  npy("a header just too long", { dict: good + " ".repeat(10_000) }, "import/npy", "10000"),
  raw("a header that is no UTF-8", bytesOf({ version: [3, 0] }).fill(0xff, 20, 21), "import/npy", "UTF-8"),
  npy("a shape of petabytes", shaped("(100000000, 100000000)"), "import/shape", "100000000"),
  npy("a shape beyond numbers", shaped(`(${"9".repeat(400)}, 4)`), "import/npy", "a whole number"),
  npy("a shape that is not in the file", shaped("(4000, 4000)"), "import/npy", "64000000 bytes"),
  npy("a negative size", shaped("(-3, 4)"), "import/npy", "-3"),
  npy("a fractional size", shaped("(3.0, 4)"), "import/npy", "3.0"),
  npy("a size in hexadecimal", shaped("(0x3, 4)"), "import/npy", "0x3"),
  npy("no vectors", { ...shaped("(0, 4)"), data: 0 }, "import/shape", "(0, 4)"),
  npy("one number", { ...shaped("()"), data: 4 }, "import/shape", "()"),
  npy("a list as shape", shaped("[3, 4]"), "import/npy", "[3, 4]"),
  npy("no tuple", shaped("(12)"), "import/npy"),
  npy("several tags", { ...shaped("(2, 3, 4)"), data: 96 }, "import/shape", "(2, 3, 4)"),
  npy(
    "a dtype that is a property of objects",
    { dict: dict("'constructor'", "False", "(3, 4)") },
    "import/dtype",
  ),
  npy("complex numbers", { dict: dict("'<c8'", "False", "(3, 4)"), data: 96 }, "import/dtype", "<c8"),
  npy("extended precision", { dict: dict("'<f16'", "False", "(3, 4)"), data: 192 }, "import/dtype", "<f16"),
  npy("objects in another spelling", { dict: dict("'O'", "False", "(3, 4)") }, "import/pickle", "pickle"),
  npy(
    "a call instead of a dtype",
    { dict: dict("__import__('os')", "False", "(3, 4)") },
    "import/npy",
    "__import__",
  ),
  npy("a call before the dict", { dict: `exit() or ${good}` }, "import/npy", "exit()"),
  npy("a call after the dict", { dict: `${good}.clear()` }, "import/npy", ".clear()"),
  npy("a sum as shape", shaped("(1+2, 4)"), "import/npy", "+2"),
  npy("joined strings", { dict: dict("'<' 'f4'", "False", "(3, 4)") }, "import/npy"),
  npy("an escape in a string", { dict: dict("'\\x3cf4'", "False", "(3, 4)") }, "import/npy"),
  npy("brackets without end", { dict: dict("'<f4'", "False", `(${nested}`) }, "import/npy", "a whole number"),
  npy("brackets as a record", { dict: dict(nested, "False", "(3, 4)") }, "import/dtype", "record"),
  npy("a key twice", { dict: `{'descr': '<f4', ${good.slice(1)}` }, "import/npy", '"descr" twice'),
  npy("a key too many", { dict: good.replace("}", "'x': 'y'}") }, "import/npy", '"x"'),
  npy("a key that is a number", { dict: `{1: 'y', ${good.slice(1)}` }, "import/npy", "a key"),
  npy("no dtype", { dict: "{'fortran_order': False, 'shape': (3, 4)}" }, "import/npy", "descr"),
  npy("no order", { dict: "{'descr': '<f4', 'shape': (3, 4)}" }, "import/npy", "fortran_order"),
  npy("no shape", { dict: "{'descr': '<f4', 'fortran_order': False}" }, "import/npy", "shape"),
  npy("an order that is a text", { dict: dict("'<f4'", "'False'", "(3, 4)") }, "import/npy", "fortran_order"),
  npy("an open dict", { dict: good.slice(0, -1) }, "import/npy"),
  npy("an open string", { dict: "{'descr" }, "import/npy", "a key"),
  ...(
    [
      ["objects", "import/pickle", "pickle"],
      ["integers", "import/dtype", "<i4"],
      ["big-endian", "import/dtype", ">f4"],
      ["records", "import/dtype", "record"],
      ["row", "import/shape", "(4)"],
    ] as const
  ).map(
    ([name, code, mention]): Attack => ({
      name: `${name}, by numpy`,
      code,
      mentions: [`${name}.npy`, mention],
      run: () => readNpy(join(golden, `${name}.npy`)),
    }),
  ),
  {
    name: "a folder",
    code: "import/format",
    mentions: ["tag.npy"],
    run: async (dir) => {
      await mkdir(join(dir, "tag.npy"));
      return readNpy(join(dir, "tag.npy"));
    },
  },
  { name: "not there", code: "import/missing", run: (dir) => readNpy(join(dir, "tag.npy")) },
];

const f32 = (...shape: number[]) => ({
  dtype: "F32" as const,
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
});

/** The good adapter, spoiled. */
const adapter =
  (config: object | string | null, tensors?: Parameters<typeof encodeSafetensors>[0]) =>
  async (dir: string) => {
    await cp(join(golden, "prompt-tuning"), join(dir, "adapter"), { recursive: true });
    const [configFile, weights] = ["adapter_config.json", "adapter_model.safetensors"].map((n) =>
      join(dir, "adapter", n),
    );
    const kept = { peft_type: "PROMPT_TUNING", num_virtual_tokens: 2, token_dim: 256 };
    if (config !== null) {
      const text = typeof config === "string" ? config : JSON.stringify({ ...kept, ...config });
      await writeFile(configFile!, text);
    }
    if (tensors) await writeFile(weights!, encodeSafetensors(tensors));
    return readPeft(join(dir, "adapter"));
  };

const peftCases: Attack[] = [
  {
    name: "prefix tuning",
    code: "import/peft",
    mentions: ["PREFIX_TUNING", "keys and values"],
    run: () => readPeft(join(golden, "prefix-tuning")),
  },
  {
    name: "low-rank changes of weights",
    code: "import/peft",
    mentions: ["LORA", "weights"],
    run: () => readPeft(join(golden, "lora")),
  },
  {
    name: "a method nobody knows",
    code: "import/peft",
    mentions: ["__proto__"],
    run: adapter({ peft_type: "__proto__" }),
  },
  { name: "no method", code: "import/peft", mentions: ["peft_type"], run: adapter({ peft_type: 3 }) },
  {
    name: "two halves of a model",
    code: "import/peft",
    mentions: ["2"],
    run: adapter({ num_transformer_submodules: 2 }),
  },
  {
    name: "another count than it has",
    code: "import/peft",
    mentions: ["num_virtual_tokens 20"],
    run: adapter({ num_virtual_tokens: 20 }),
  },
  {
    name: "another width than it has",
    code: "import/peft",
    mentions: ["token_dim"],
    run: adapter({ token_dim: "256" }),
  },
  {
    name: "a config that is no JSON",
    code: "import/peft",
    mentions: ["adapter_config.json"],
    run: adapter("{"),
  },
  {
    name: "an encoder beside the prompt",
    code: "import/peft",
    mentions: ["mlp_head.0.weight"],
    run: adapter(
      { peft_type: "P_TUNING" },
      { prompt_embeddings: f32(2, 256), "mlp_head.0.weight": f32(2, 2) },
    ),
  },
  {
    name: "a classifier beside the prompt",
    code: "import/peft",
    mentions: ["score"],
    run: adapter({}, { prompt_embeddings: f32(2, 256), "base_model.score.weight": f32(2, 256) }),
  },
  { name: "no tensors", code: "import/peft", mentions: ["prompt_embeddings"], run: adapter({}, {}) },
  {
    name: "a prompt of whole numbers",
    code: "import/dtype",
    mentions: ["I32"],
    run: adapter({}, { prompt_embeddings: { dtype: "I32", shape: [2, 256], data: new Int32Array(512) } }),
  },
  {
    name: "a prompt of three axes",
    code: "import/shape",
    mentions: ["1,2,256"],
    run: adapter({}, { prompt_embeddings: f32(1, 2, 256) }),
  },
  {
    name: "a prompt without vectors",
    code: "import/shape",
    mentions: ["0,256"],
    run: adapter({}, { prompt_embeddings: f32(0, 256) }),
  },
  {
    name: "half a file",
    code: "import/peft",
    mentions: ["adapter_model.safetensors"],
    run: async (dir) => {
      await adapter(null)(dir);
      await truncate(join(dir, "adapter", "adapter_model.safetensors"), 1000);
      return readPeft(join(dir, "adapter"));
    },
  },
  {
    name: "a pickle",
    code: "import/pickle",
    mentions: ["adapter_model.bin"],
    run: async (dir) => {
      await cp(join(golden, "prompt-tuning", "adapter_config.json"), join(dir, "adapter_config.json"));
      await writeFile(join(dir, "adapter_model.bin"), "PK");
      return readPeft(dir);
    },
  },
  {
    name: "an empty folder",
    code: "import/peft",
    mentions: ["adapter_config.json"],
    run: (dir) => readPeft(dir),
  },
];

export const foreignCases: HostileCase[] = [
  ...npyCases.map((attack) => ({ category: ".npy files", ...attack })),
  ...peftCases.map((attack) => ({ category: "PEFT adapters", ...attack })),
];
