/**
 * OLMo 2 (`model_type: "olmo2"`): norms after attention and MLP instead of before them, and one over all heads'
 * queries and one over all their keys.
 */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { Weights } from "./weights.ts";

/** Of Olmo2Config. */
const defaults = {
  vocab_size: 50304,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  attention_bias: false,
};

export function olmo2(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, headDim } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim });
  const epsilon = config.positive("rms_norm_eps");
  const bias = config.flag("attention_bias");
  const activation = readActivation(config, "hidden_act");
  const norm = (name: string, count: number) => w.rmsNorm(name, count * headDim, epsilon);
  return decoder({
    modelType: "olmo2",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    norm: w.rmsNorm("model.norm", hidden, epsilon),
    layers: Array.from({ length: sizes.layers }, (_, l) => {
      const at = `model.layers.${l}`;
      return {
        rope,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes, { bias, norm }),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden, bias),
          mlp: gatedMlp(w, `${at}.mlp`, sizes, activation),
          norms: {
            afterAttention: w.rmsNorm(`${at}.post_attention_layernorm`, hidden, epsilon),
            afterMlp: w.rmsNorm(`${at}.post_feedforward_layernorm`, hidden, epsilon),
          },
        }),
      };
    }),
  });
}
