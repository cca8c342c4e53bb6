/**
 * Cohere's Command R (`model_type: "cohere"`): one LayerNorm without bias feeds attention and MLP side by side,
 * neighbouring channels rotate together, logits are scaled, and heads may have norms of their own.
 */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, parallel, projections, readActivation } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { times, Weights } from "./weights.ts";

/** Of CohereConfig. */
const defaults = {
  vocab_size: 256000,
  hidden_size: 8192,
  intermediate_size: 22528,
  num_hidden_layers: 40,
  num_attention_heads: 64,
  hidden_act: "silu",
  max_position_embeddings: 8192,
  layer_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  attention_bias: false,
  use_qk_norm: false,
  logit_scale: 0.0625,
};

export function cohere(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, headDim } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim, interleaved: true });
  const epsilon = config.positive("layer_norm_eps");
  const bias = config.flag("attention_bias");
  const activation = readActivation(config, "hidden_act");
  const logitScale = config.number("logit_scale");
  const norm = (name: string, count: number) => w.headLayerNorm(name, count, headDim, epsilon);
  const normed = config.flag("use_qk_norm") ? { norm } : {};
  return decoder({
    modelType: "cohere",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    norm: w.layerNorm("model.norm", hidden, epsilon, false),
    finish: (g, logits) => times(g, logits, logitScale),
    layers: Array.from({ length: sizes.layers }, (_, l) => {
      const at = `model.layers.${l}`;
      return {
        rope,
        run: parallel({
          project: projections(w, `${at}.self_attn`, sizes, { bias, ...normed }),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden, bias),
          mlp: gatedMlp(w, `${at}.mlp`, sizes, activation),
          norms: { beforeAttention: w.layerNorm(`${at}.input_layernorm`, hidden, epsilon, false) },
        }),
      };
    }),
  });
}
