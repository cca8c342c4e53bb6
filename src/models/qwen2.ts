/** Qwen 2 and 2.5 (`model_type: "qwen2"`): Llama with biases on queries, keys and values, and windows if asked for. */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope } from "./rope.ts";
import { readSizes, readWindows, type Sizes } from "./sizes.ts";
import { Weights } from "./weights.ts";

/** Of Qwen2Config. */
const defaults = {
  vocab_size: 151936,
  hidden_size: 4096,
  intermediate_size: 22016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: false,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
};

export function qwen2(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, headDim } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim });
  const windows = qwenWindows(config, sizes);
  const epsilon = config.positive("rms_norm_eps");
  const activation = readActivation(config, "hidden_act");
  return decoder({
    modelType: "qwen2",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    norm: w.rmsNorm("model.norm", hidden, epsilon),
    layers: windows.map((window, l) => {
      const at = `model.layers.${l}`;
      return {
        rope,
        window,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes, { bias: true }),
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

/** Only with `use_sliding_window`, and then from layer `max_window_layers` up. */
export function qwenWindows(config: ConfigReader, { layers }: Sizes): (number | null)[] {
  const window = config.flag("use_sliding_window") ? config.optionalSize("sliding_window") : null;
  const from = config.number("max_window_layers");
  return readWindows(config, layers, window, (l) => window !== null && l >= from);
}
