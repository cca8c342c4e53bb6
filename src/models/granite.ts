/** Granite (`model_type: "granite"`): Llama with multipliers on embeddings, scores, branches and logits. */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { times, Weights } from "./weights.ts";

/** Of GraniteConfig. */
const defaults = {
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: false,
  attention_bias: false,
  mlp_bias: false,
  embedding_multiplier: 1,
  attention_multiplier: 1,
  residual_multiplier: 1,
  logits_scaling: 1,
};

export function granite(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, headDim } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim });
  const epsilon = config.positive("rms_norm_eps");
  const bias = config.flag("attention_bias");
  const mlpBias = config.flag("mlp_bias");
  const activation = readActivation(config, "hidden_act");
  const embedded = config.number("embedding_multiplier");
  const scale = config.number("attention_multiplier");
  const multiplier = config.number("residual_multiplier");
  const divisor = config.positive("logits_scaling");
  return decoder({
    modelType: "granite",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    prepare: (g, embeddings) => times(g, embeddings, embedded),
    norm: w.rmsNorm("model.norm", hidden, epsilon),
    finish: (g, logits) => times(g, logits, 1 / divisor),
    layers: Array.from({ length: sizes.layers }, (_, l) => {
      const at = `model.layers.${l}`;
      return {
        rope,
        scale,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes, { bias }),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden, bias),
          mlp: gatedMlp(w, `${at}.mlp`, sizes, activation, mlpBias),
          norms: {
            beforeAttention: w.rmsNorm(`${at}.input_layernorm`, hidden, epsilon),
            beforeMlp: w.rmsNorm(`${at}.post_attention_layernorm`, hidden, epsilon),
          },
          multiplier,
        }),
      };
    }),
  });
}
