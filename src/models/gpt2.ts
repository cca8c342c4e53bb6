/**
 * GPT-2 (`model_type: "gpt2"`): a learned row for every position, LayerNorm, one fused map for queries, keys and
 * values, weights stored [in, out]. Stored keys and values serve only where their text stands.
 */
import type { Architecture } from "./architecture.ts";
import { type Projection, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readSizes } from "./sizes.ts";
import { Weights } from "./weights.ts";

/** Of GPT2Config. */
const defaults = {
  vocab_size: 50257,
  n_embd: 768,
  n_layer: 12,
  n_head: 12,
  n_positions: 1024,
  activation_function: "gelu_new",
  layer_norm_epsilon: 1e-5,
  scale_attn_weights: true,
  scale_attn_by_inverse_layer_idx: false,
  tie_word_embeddings: true,
};

const names = {
  hidden_size: "n_embd",
  num_hidden_layers: "n_layer",
  num_attention_heads: "n_head",
  max_position_embeddings: "n_positions",
  intermediate_size: "n_inner",
};

export function gpt2(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  config.require("add_cross_attention", false, "false: there is nothing to attend across to");
  const sizes = readSizes(config, { own: names, plainHeads: true });
  const { hidden, headDim, inner } = sizes;
  const w = new Weights();
  const epsilon = config.positive("layer_norm_epsilon");
  const activation = readActivation(config, "activation_function");
  const scaled = config.flag("scale_attn_weights") ? 1 / Math.sqrt(headDim) : 1;
  const byLayer = config.flag("scale_attn_by_inverse_layer_idx");
  const places = w.tensor("transformer.wpe.weight", [sizes.positions, hidden]);
  return decoder({
    modelType: "gpt2",
    sizes,
    weights: w,
    embedding: "transformer.wte.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    prefixes: ["transformer.", ""],
    placement: "fixed",
    prepare(g, embeddings, { positions }) {
      if (!positions) throw new Error("GPT-2 needs the positions of its tokens");
      const index = g.one("Reshape", [positions], { shape: [positions.shape[0] as number] });
      return g.one("Add", [embeddings, g.one("Gather", [places(g), index])]);
    },
    norm: w.layerNorm("transformer.ln_f", hidden, epsilon),
    layers: Array.from({ length: sizes.layers }, (_, l) => {
      const at = `transformer.h.${l}`;
      const fused = w.conv1d(`${at}.attn.c_attn`, hidden, 3 * hidden);
      const up = w.conv1d(`${at}.mlp.c_fc`, hidden, inner);
      const down = w.conv1d(`${at}.mlp.c_proj`, inner, hidden);
      const project: Projection = (g, x, { rows }) => {
        const sizesOfParts = { axis: -1, sizes: [hidden, hidden, hidden] };
        const [q, k, v] = g.apply("Split", [fused(g, x)], sizesOfParts) as [typeof x, typeof x, typeof x];
        return { q: rows(q), k, v };
      };
      return {
        rope: null,
        scale: byLayer ? scaled / (l + 1) : scaled,
        run: sequential({
          project,
          out: w.conv1d(`${at}.attn.c_proj`, hidden, hidden),
          mlp: (g, x) => down(g, activation(g, up(g, x))),
          norms: {
            beforeAttention: w.layerNorm(`${at}.ln_1`, hidden, epsilon),
            beforeMlp: w.layerNorm(`${at}.ln_2`, hidden, epsilon),
          },
        }),
      };
    }),
  });
}
