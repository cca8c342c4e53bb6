/**
 * GPT-NeoX (`model_type: "gpt_neox"`): Pythia and its kin. LayerNorm, attention and MLP side by side, a part of
 * the head rotates, queries, keys and values of each head lie together in one fused map.
 */
import type { Architecture } from "./architecture.ts";
import { type Projection, parallel, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { makeRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { Weights } from "./weights.ts";

/** Of GPTNeoXConfig. */
const defaults = {
  vocab_size: 50432,
  hidden_size: 6144,
  intermediate_size: 24576,
  num_hidden_layers: 44,
  num_attention_heads: 64,
  hidden_act: "gelu",
  max_position_embeddings: 2048,
  layer_norm_eps: 1e-5,
  rotary_pct: 0.25,
  rotary_emb_base: 10000,
  tie_word_embeddings: false,
  attention_bias: true,
  use_parallel_residual: true,
};

export function gpt_neox(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  const sizes = readSizes(config, { plainHeads: true });
  const { hidden, heads, headDim, inner } = sizes;
  const w = new Weights();
  const rope = readNeoxRope(config, headDim);
  const epsilon = config.positive("layer_norm_eps");
  const bias = config.flag("attention_bias");
  const activation = readActivation(config, "hidden_act");
  const residual = config.flag("use_parallel_residual") ? parallel : sequential;
  return decoder({
    modelType: "gpt_neox",
    sizes,
    weights: w,
    embedding: "gpt_neox.embed_in.weight",
    head: config.flag("tie_word_embeddings") ? null : "embed_out.weight",
    prefixes: ["gpt_neox.", ""],
    norm: w.layerNorm("gpt_neox.final_layer_norm", hidden, epsilon),
    layers: Array.from({ length: sizes.layers }, (_, l) => {
      const at = `gpt_neox.layers.${l}`;
      const fused = w.linear(`${at}.attention.query_key_value`, hidden, 3 * hidden, bias);
      const up = w.linear(`${at}.mlp.dense_h_to_4h`, hidden, inner, true);
      const down = w.linear(`${at}.mlp.dense_4h_to_h`, inner, hidden, true);
      const project: Projection = (g, x, { rows }) => {
        const n = x.shape[0] as number;
        const byHead = g.one("Reshape", [fused(g, x)], { shape: [n * heads, 3 * headDim] });
        const [q, k, v] = g
          .apply("Split", [byHead], { axis: -1, sizes: [headDim, headDim, headDim] })
          .map((part) => g.one("Reshape", [part], { shape: [n, hidden] })) as [typeof x, typeof x, typeof x];
        return { q: rows(q), k, v };
      };
      return {
        rope,
        run: residual({
          project,
          out: w.linear(`${at}.attention.dense`, hidden, hidden, bias),
          mlp: (g, x) => down(g, activation(g, up(g, x))),
          norms: {
            beforeAttention: w.layerNorm(`${at}.input_layernorm`, hidden, epsilon),
            beforeMlp: w.layerNorm(`${at}.post_attention_layernorm`, hidden, epsilon),
          },
        }),
      };
    }),
  });
}

/** `rotary_pct` and `rotary_emb_base` count, whatever else stands beside them; from release 5 on `rope_parameters`. */
function readNeoxRope(config: ConfigReader, headDim: number) {
  const scaling = config.section("rope_scaling");
  const parameters = scaling ? null : config.section("rope_parameters");
  const read = (key: string, older: string): number =>
    parameters?.has(key) ? parameters.positive(key) : config.positive(older);
  return makeRope(config, scaling ?? parameters, read("rope_theta", "rotary_emb_base"), {
    headDim,
    partial: read("partial_rotary_factor", "rotary_pct"),
  });
}
