/** Qwen 3 (`model_type: "qwen3"`): Llama with an RMSNorm on every head's queries and keys, and windows if asked for. */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { qwenWindows } from "./qwen2.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { perHead, Weights } from "./weights.ts";

/** Of Qwen3Config. */
const defaults = {
  vocab_size: 151936,
  hidden_size: 4096,
  intermediate_size: 22016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  head_dim: 128,
  hidden_act: "silu",
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: false,
  attention_bias: false,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
};

export function qwen3(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, headDim } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim });
  const epsilon = config.positive("rms_norm_eps");
  const bias = config.flag("attention_bias");
  const activation = readActivation(config, "hidden_act");
  const norm = (name: string) => perHead(headDim, w.rmsNorm(name, headDim, epsilon));
  return decoder({
    modelType: "qwen3",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    norm: w.rmsNorm("model.norm", hidden, epsilon),
    layers: qwenWindows(config, sizes).map((window, l) => {
      const at = `model.layers.${l}`;
      return {
        rope,
        window,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes, { bias, norm }),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden, bias),
          mlp: gatedMlp(w, `${at}.mlp`, sizes, activation),
          norms: {
            beforeAttention: w.rmsNorm(`${at}.input_layernorm`, hidden, epsilon),
            beforeMlp: w.rmsNorm(`${at}.post_attention_layernorm`, hidden, epsilon),
          },
        }),
      };
    }),
  });
}
