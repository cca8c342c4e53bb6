/** The bases whose sizes benchmarks run at, with random weights: as in their checkpoints' config.json. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export type BaseConfig = Readonly<Record<string, unknown>>;

export const smollm: BaseConfig = {
  model_type: "llama",
  hidden_size: 576,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  head_dim: 64,
  intermediate_size: 1536,
  vocab_size: 49152,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  tie_word_embeddings: true,
};

const qwen: BaseConfig = {
  model_type: "qwen2",
  hidden_size: 896,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  head_dim: 64,
  intermediate_size: 4864,
  vocab_size: 151936,
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000,
  tie_word_embeddings: true,
};

const polyglot = JSON.parse(
  readFileSync(fileURLToPath(new URL("../models/polyglot-5m/config.json", import.meta.url)), "utf8"),
) as BaseConfig;

export const bases: Readonly<Record<string, BaseConfig>> = {
  "smollm2-135m": smollm,
  "qwen2.5-0.5b": qwen,
  "polyglot-5m": polyglot,
};

export const defaultBaseName = "smollm2-135m";
