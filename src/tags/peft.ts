/**
 * Prompt-tuning adapters of Hugging Face's PEFT: a folder with adapter_config.json and adapter_model.safetensors.
 * Only those whose vectors stand where embeddings of tokens stand can be tags; what other methods change is said.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TagllmError } from "../errors.ts";
import { type JsonObject, readJsonObject } from "../json-file.ts";
import { makeFolder, replaceFile } from "../replace-file.ts";
import { quote } from "../suggest.ts";
import { encodeSafetensors, readHeader, readTensor, toFloat32 } from "../weights/safetensors.ts";
import { type Matrix, pickled } from "./npy.ts";
import type { Tag } from "./tag.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const TENSOR = "prompt_embeddings";

export interface PeftPrompt extends Matrix {
  /** PROMPT_TUNING, or P_TUNING, whose encoder is already applied when PEFT saves. */
  readonly method: string;
  /** What the adapter says it was trained on, for people. */
  readonly baseName: string | null;
}

const elsewhere: Readonly<Record<string, string>> = {
  PREFIX_TUNING: "holds keys and values for every layer, not embeddings of the input",
  MULTITASK_PROMPT_TUNING: "holds a prompt that is multiplied with factors of a task",
  CPT: "holds changes to the embeddings of a text, which are scaled when they are used",
  LORA: "changes the base's weights and holds no vectors of the input",
  ADALORA: "changes the base's weights and holds no vectors of the input",
  IA3: "changes activations inside the base and holds no vectors of the input",
};
const cure =
  "Give an adapter of PEFT's prompt tuning (PROMPT_TUNING or P_TUNING), as save_pretrained wrote it.";

/** @param path the adapter's folder, or one of its two files. @throws import/peft, import/pickle, import/dtype, import/shape */
export async function readPeft(path: string): Promise<PeftPrompt> {
  const found = await stat(path).catch(() => null);
  const folder = found?.isDirectory() ? path : dirname(path);
  const fail = (problem: string) => new TagllmError("import/peft", `${problem}.`, cure);
  const config = await readJsonObject(join(folder, CONFIG), "import/peft", cure);
  if (config === null) throw fail(`${folder} has no ${CONFIG}, which says what an adapter is`);
  const method = checkConfig(config, join(folder, CONFIG), fail);
  const file = join(folder, WEIGHTS);
  const there = await Promise.all(
    [file, join(folder, "adapter_model.bin")].map((each) => stat(each).catch(() => null)),
  );
  if (!there[0] && there[1]) throw pickled(join(folder, "adapter_model.bin"), "an adapter");
  const matrix = await readPrompt(file, fail);
  for (const [key, size] of [
    ["num_virtual_tokens", matrix.rows],
    ["token_dim", matrix.width],
  ] as const) {
    if ((config[key] ?? size) === size) continue;
    throw fail(
      `${join(folder, CONFIG)} says ${key} ${JSON.stringify(config[key])}, and ${WEIGHTS} has ${size}`,
    );
  }
  const name = config.base_model_name_or_path;
  return { ...matrix, method, baseName: typeof name === "string" ? name : null };
}

function checkConfig(config: JsonObject, file: string, fail: (problem: string) => TagllmError): string {
  const method = config.peft_type;
  if (method !== "PROMPT_TUNING" && method !== "P_TUNING") {
    if (typeof method !== "string") throw fail(`${file} has no peft_type`);
    const why = Object.hasOwn(elsewhere, method)
      ? elsewhere[method]
      : "is not known to live in the input embeddings";
    throw fail(`${file} says peft_type ${quote(method)}: such an adapter ${why}`);
  }
  const parts = config.num_transformer_submodules ?? 1;
  if (parts !== 1) {
    throw fail(
      `${file} says num_transformer_submodules ${JSON.stringify(parts)}: a prompt for each half of an encoder-decoder`,
    );
  }
  return method;
}

async function readPrompt(file: string, fail: (problem: string) => TagllmError): Promise<Matrix> {
  try {
    const { tensors } = await readHeader(file);
    const others = [...tensors.keys()].filter((name) => name !== TENSOR);
    if (others.length > 0) {
      throw fail(
        `${file} holds ${others.slice(0, 3).map(quote).join(", ")} beside or instead of ${quote(TENSOR)}`,
      );
    }
    const info = tensors.get(TENSOR);
    if (!info) throw fail(`${file} has no tensor ${quote(TENSOR)}`);
    const [rows, width] = info.shape;
    if (info.shape.length !== 2 || !rows || !width) {
      throw new TagllmError(
        "import/shape",
        `${file}: ${quote(TENSOR)} has the shape [${info.shape}], not [vectors, width].`,
        cure,
      );
    }
    return { rows, width, values: toFloat32(await readTensor(info), info.dtype) };
  } catch (error) {
    if (!(error instanceof TagllmError) || error.code.startsWith("import/")) throw error;
    if (error.code === "weights/dtype") {
      throw new TagllmError(
        "import/dtype",
        `${file}: ${error.problem}`,
        "Save the adapter in F32, F16 or BF16.",
        { cause: error },
      );
    }
    throw new TagllmError("import/peft", error.problem, cure, { cause: error });
  }
}

/** Writes a tag's vectors as an adapter that PeftModel.from_pretrained loads. `folder` is made. */
export async function writePeft(folder: string, { vectors, length, width, base }: Tag): Promise<void> {
  const config = {
    peft_type: "PROMPT_TUNING",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base.name,
    inference_mode: true,
    num_virtual_tokens: length,
    token_dim: width,
    num_layers: base.layers,
    num_attention_heads: null,
    num_transformer_submodules: 1,
    prompt_tuning_init: "RANDOM",
    prompt_tuning_init_text: null,
    tokenizer_name_or_path: null,
    revision: null,
  };
  const tensors = { [TENSOR]: { dtype: "F32" as const, shape: [length, width], data: vectors } };
  await makeFolder(folder);
  await replaceFile(join(folder, WEIGHTS), encodeSafetensors(tensors, { format: "pt" }));
  await replaceFile(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

/** Whether a path is that of an adapter, by name. */
export async function isPeft(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return (
    found?.isDirectory() === true ||
    [CONFIG, WEIGHTS, "adapter_model.bin"].includes(basename(path)) ||
    path.endsWith(".safetensors")
  );
}
