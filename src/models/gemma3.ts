/**
 * Gemma 3, text (`model_type: "gemma3_text"`, and the text part of `"gemma3"`): most layers look back no further
 * than a window and rotate by a RoPE of their own; RMSNorm on every head's queries and keys. Norm weights are
 * stored less 1. The scale of the embeddings belongs to the embedding, so tags stand among scaled rows.
 */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRopesByLayer } from "./rope.ts";
import { readSizes, readWindows } from "./sizes.ts";
import { perHead, softcap, Weights } from "./weights.ts";

/** Of Gemma3TextConfig. */
const defaults = {
  vocab_size: 262208,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: "gelu_pytorch_tanh",
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  rope_local_base_freq: 10000,
  tie_word_embeddings: true,
  attention_bias: false,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
};

export function gemma3(given: ConfigReader): Architecture {
  const config = (given.section("text_config") ?? given).withDefaults(defaults);
  config.require(
    "use_bidirectional_attention",
    false,
    "false: attention to what comes later is not supported",
  );
  const sizes = readSizes(config);
  const { hidden, heads, headDim, layers } = sizes;
  const w = new Weights();
  const ropes = readRopesByLayer(config, headDim);
  const epsilon = config.positive("rms_norm_eps");
  const bias = config.flag("attention_bias");
  const activation = readActivation(config, "hidden_activation");
  const scale = config.positive("query_pre_attn_scalar") ** -0.5;
  const logitCap = config.optionalPositive("final_logit_softcapping");
  const patternKey = config.has("sliding_window_pattern")
    ? "sliding_window_pattern"
    : "_sliding_window_pattern";
  const pattern = config.size(patternKey, 6);
  const windows = readWindows(
    config,
    layers,
    config.optionalSize("sliding_window"),
    (l) => (l + 1) % pattern !== 0,
  );
  const norm = (name: string, width = hidden) => w.rmsNorm(name, width, epsilon, 1);
  return decoder({
    modelType: "gemma3_text",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    prefixes: ["model.", "", "language_model.model.", "model.language_model."],
    embeddingScale: Math.fround(Math.sqrt(hidden)),
    norm: norm("model.norm"),
    ...(logitCap !== null && { finish: (g, logits) => softcap(g, logits, logitCap) }),
    layers: windows.map((window, l) => {
      const at = `model.layers.${l}`;
      return {
        rope: window === null ? ropes.full : ropes.sliding,
        window,
        scale,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes, {
            bias,
            norm: (name) => perHead(headDim, norm(name, headDim)),
          }),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden, bias),
          mlp: gatedMlp(w, `${at}.mlp`, sizes, activation),
          norms: {
            beforeAttention: norm(`${at}.input_layernorm`),
            afterAttention: norm(`${at}.post_attention_layernorm`),
            beforeMlp: norm(`${at}.pre_feedforward_layernorm`),
            afterMlp: norm(`${at}.post_feedforward_layernorm`),
          },
        }),
      };
    }),
  });
}
