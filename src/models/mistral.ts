/** Mistral (`model_type: "mistral"`): Llama whose layers all look back no further than a window. */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope } from "./rope.ts";
import { readSizes, readWindows } from "./sizes.ts";
import { Weights } from "./weights.ts";

/** Of MistralConfig. */
const defaults = {
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  hidden_act: "silu",
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: false,
  sliding_window: 4096,
};

export function mistral(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, headDim } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim });
  const epsilon = config.positive("rms_norm_eps");
  const window = config.optionalSize("sliding_window");
  const activation = readActivation(config, "hidden_act");
  return decoder({
    modelType: "mistral",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    norm: w.rmsNorm("model.norm", hidden, epsilon),
    layers: readWindows(config, sizes.layers, window, () => window !== null).map((sees, l) => {
      const at = `model.layers.${l}`;
      return {
        rope,
        window: sees,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden),
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
