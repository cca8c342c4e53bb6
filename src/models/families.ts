/** model_type -> family. A family is one file; what is not here is an error that lists what is. */
import { TagllmError } from "../errors.ts";
import type { Architecture } from "./architecture.ts";
import { cohere } from "./cohere.ts";
import { ConfigReader } from "./config.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { gpt_neox } from "./gpt_neox.ts";
import { gpt2 } from "./gpt2.ts";
import { granite } from "./granite.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { olmo2 } from "./olmo2.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { smollm3 } from "./smollm3.ts";

const families: Record<string, (config: ConfigReader) => Architecture> = {
  cohere,
  gemma2,
  gemma3_text: gemma3,
  gemma3,
  gpt2,
  gpt_neox,
  granite,
  llama,
  mistral,
  olmo2,
  phi3,
  qwen2,
  qwen3,
  smollm3,
};

export const supportedFamilies: readonly string[] = Object.keys(families);

/** @throws model/unsupported, model/config */
export function readArchitecture(config: Record<string, unknown>): Architecture {
  const type = String(config.model_type);
  const family = Object.hasOwn(families, type) && families[type];
  if (!family) {
    throw new TagllmError(
      "model/unsupported",
      `config.json says model_type ${JSON.stringify(config.model_type ?? null)}, which is not supported.`,
      `Supported: ${supportedFamilies.join(", ")}.`,
    );
  }
  const reader = new ConfigReader(config);
  reader.require("quantization_config", undefined, "supported: give the checkpoint that was not quantised");
  return family(reader);
}
