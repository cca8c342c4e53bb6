/** SmolLM3 (`model_type: "smollm3"`): Llama in which some layers do not rotate, and may look back no further than a window. */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope } from "./rope.ts";
import { readSizes, readWindows } from "./sizes.ts";
import { Weights } from "./weights.ts";

/** Of SmolLM3Config. */
const defaults = {
  vocab_size: 128256,
  hidden_size: 2048,
  intermediate_size: 11008,
  num_hidden_layers: 36,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  hidden_act: "silu",
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 2e6,
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  use_sliding_window: false,
  no_rope_layer_interval: 4,
};

export function smollm3(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, headDim, layers } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim });
  const rotates = readRotating(config, layers);
  const window = config.flag("use_sliding_window") ? config.optionalSize("sliding_window") : null;
  const epsilon = config.positive("rms_norm_eps");
  const bias = config.flag("attention_bias");
  const mlpBias = config.flag("mlp_bias");
  const activation = readActivation(config, "hidden_act");
  return decoder({
    modelType: "smollm3",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    norm: w.rmsNorm("model.norm", hidden, epsilon),
    layers: readWindows(config, layers, window, (l) => window !== null && !rotates[l]).map((sees, l) => {
      const at = `model.layers.${l}`;
      return {
        rope: rotates[l] ? rope : null,
        window: sees,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes, { bias }),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden, bias),
          mlp: gatedMlp(w, `${at}.mlp`, sizes, activation, mlpBias),
          norms: {
            beforeAttention: w.rmsNorm(`${at}.input_layernorm`, hidden, epsilon),
            beforeMlp: w.rmsNorm(`${at}.post_attention_layernorm`, hidden, epsilon),
          },
        }),
      };
    }),
  });
}

/** `no_rope_layers` says 1 for a layer that has RoPE; without it every fourth has none. */
function readRotating(config: ConfigReader, layers: number): boolean[] {
  const interval = config.size("no_rope_layer_interval", 4);
  const isMark = (x: unknown): x is number => x === 0 || x === 1;
  const marks = config.list("no_rope_layers", layers, isMark, "of 0 (no RoPE) and 1");
  return Array.from({ length: layers }, (_, l) => (marks ? marks[l] === 1 : (l + 1) % interval !== 0));
}
