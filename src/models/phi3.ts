/**
 * Phi 3 and 4 (`model_type: "phi3"`): fused maps for queries, keys and values and for the MLP's two halves, a
 * window if asked for, a part of the head that rotates, and long RoPE: beyond a length other frequencies hold, for
 * all positions.
 */
import type { Architecture } from "./architecture.ts";
import { gated, type Projection, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope, ropeSection } from "./rope.ts";
import { readSizes, readWindows } from "./sizes.ts";
import { type Block, Weights } from "./weights.ts";

/** Of Phi3Config. */
const defaults = {
  vocab_size: 32064,
  hidden_size: 3072,
  intermediate_size: 8192,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 4096,
  original_max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  partial_rotary_factor: 1,
  tie_word_embeddings: false,
};

export function phi3(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config);
  const { hidden, heads, kvHeads, headDim, inner } = sizes;
  const w = new Weights();
  const own = ropeSection(config);
  const partial = (own?.has("partial_rotary_factor") ? own : config).positive("partial_rotary_factor");
  const rope = readRope(config, { headDim, partial, long: true });
  const epsilon = config.positive("rms_norm_eps");
  const activation = readActivation(config, "hidden_act");
  const window = config.optionalSize("sliding_window");
  const [wide, narrow] = [heads * headDim, kvHeads * headDim];
  return decoder({
    modelType: "phi3",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    norm: w.rmsNorm("model.norm", hidden, epsilon),
    layers: readWindows(config, sizes.layers, window, () => window !== null).map((sees, l) => {
      const at = `model.layers.${l}`;
      const fused = w.linear(`${at}.self_attn.qkv_proj`, hidden, wide + 2 * narrow);
      const gateUp = w.linear(`${at}.mlp.gate_up_proj`, hidden, 2 * inner);
      const down = w.linear(`${at}.mlp.down_proj`, inner, hidden);
      const project: Projection = (g, x, { rows }) => {
        const parts = g.apply("Split", [fused(g, x)], { axis: -1, sizes: [wide, narrow, narrow] });
        const [q, k, v] = parts as [typeof x, typeof x, typeof x];
        return { q: rows(q), k, v };
      };
      const mlp: Block = (g, x) => {
        const parts = g.apply("Split", [gateUp(g, x)], { axis: -1, sizes: [inner, inner] });
        const [gate, up] = parts as [typeof x, typeof x];
        return down(g, gated(g, activation, gate, up));
      };
      return {
        rope,
        window: sees,
        run: sequential({
          project,
          out: w.linear(`${at}.self_attn.o_proj`, wide, hidden),
          mlp,
          norms: {
            beforeAttention: w.rmsNorm(`${at}.input_layernorm`, hidden, epsilon),
            beforeMlp: w.rmsNorm(`${at}.post_attention_layernorm`, hidden, epsilon),
          },
        }),
      };
    }),
  });
}
