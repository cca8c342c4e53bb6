/**
 * The Llama family (`model_type: "llama"`): Llama 1 to 3, TinyLlama, SmolLM2 and their kin. Grouped-query
 * attention, RMSNorm before each block, SwiGLU, rotary positions.
 */
import type { Graph, Value } from "../graph/graph.ts";
import type { Architecture } from "./architecture.ts";
import { attend, queriesOf } from "./attention.ts";
import type { ConfigReader } from "./config.ts";
import { readRope } from "./rope.ts";

/** Far above any published model; a damaged config would have us build graphs for ever. */
const MOST_LAYERS = 1000;

export function llama(config: ConfigReader): Architecture {
  const hidden = config.size("hidden_size");
  const layers = config.size("num_hidden_layers");
  const heads = config.size("num_attention_heads");
  const kvHeads = config.size("num_key_value_heads", heads);
  const headDim = config.size("head_dim", Math.floor(hidden / heads));
  const inner = config.size("intermediate_size");
  const vocabSize = config.size("vocab_size");
  const epsilon = config.positive("rms_norm_eps", 1e-6);
  const tied = config.flag("tie_word_embeddings", false);
  const attentionBias = config.flag("attention_bias", false);
  const mlpBias = config.flag("mlp_bias", false);
  if (layers > MOST_LAYERS) throw config.wrong("num_hidden_layers", layers, `at most ${MOST_LAYERS}`);
  config.choice("hidden_act", ["silu", "swish"], "silu");
  if (heads % kvHeads)
    throw config.wrong("num_key_value_heads", kvHeads, `a divisor of num_attention_heads ${heads}`);
  if (headDim % 2) throw config.wrong("head_dim", headDim, "even, as rotary positions need");
  const rope = readRope(config, headDim);

  const embedding = "model.embed_tokens.weight";
  const vocabularyHead = tied ? embedding : "lm_head.weight";
  const tensors = new Map<string, readonly number[]>([[embedding, [vocabSize, hidden]]]);
  tensors.set(vocabularyHead, [vocabSize, hidden]);
  tensors.set("model.norm.weight", [hidden]);
  const linears = {
    "self_attn.q_proj": [heads * headDim, hidden, attentionBias],
    "self_attn.k_proj": [kvHeads * headDim, hidden, attentionBias],
    "self_attn.v_proj": [kvHeads * headDim, hidden, attentionBias],
    "self_attn.o_proj": [hidden, heads * headDim, attentionBias],
    "mlp.gate_proj": [inner, hidden, mlpBias],
    "mlp.up_proj": [inner, hidden, mlpBias],
    "mlp.down_proj": [hidden, inner, mlpBias],
  } as const;
  for (let l = 0; l < layers; l++) {
    tensors.set(`model.layers.${l}.input_layernorm.weight`, [hidden]);
    tensors.set(`model.layers.${l}.post_attention_layernorm.weight`, [hidden]);
    for (const [name, [rows, columns, bias]] of Object.entries(linears)) {
      tensors.set(`model.layers.${l}.${name}.weight`, [rows, columns]);
      if (bias) tensors.set(`model.layers.${l}.${name}.bias`, [rows]);
    }
  }
  const weight = (g: Graph, name: string): Value => g.weight(name, tensors.get(name) as readonly number[]);
  const norm = (g: Graph, x: Value, name: string): Value =>
    g.one("SimplifiedLayerNormalization", [x, weight(g, `${name}.weight`)], {
      axis: -1,
      epsilon: { float: epsilon },
    });
  const linear = (g: Graph, x: Value, name: string): Value => {
    const bias = tensors.has(`${name}.bias`) ? [weight(g, `${name}.bias`)] : [];
    return g.one("Gemm", [x, weight(g, `${name}.weight`), ...bias], { transB: 1 });
  };

  return {
    modelType: "llama",
    layers,
    hiddenSize: hidden,
    heads,
    kvHeads,
    headDim,
    vocabSize,
    maxPositions: config.size("max_position_embeddings", 2048),
    rope,
    embedding,
    vocabularyHead,
    tensors,
    logits: (g, rows) => g.one("Gemm", [rows, weight(g, vocabularyHead)], { transB: 1 }),
    forward(g, embeddings, inputs) {
      const residuals: Value[] = [];
      const keys: Value[] = [];
      const values: Value[] = [];
      let x = embeddings;
      for (let l = 0; l < layers; l++) {
        const at = (name: string) => `model.layers.${l}.${name}`;
        const queries = queriesOf(g, inputs, l === layers - 1);
        const normed = norm(g, x, at("input_layernorm"));
        const q = linear(g, queries.rows(normed), at("self_attn.q_proj"));
        const k = linear(g, normed, at("self_attn.k_proj"));
        const v = linear(g, normed, at("self_attn.v_proj"));
        const { context, key, value } = attend(
          g,
          { q, k, v },
          inputs,
          queries,
          { heads, kvHeads, headDim },
          l,
        );
        keys.push(key);
        values.push(value);
        x = g.one("Add", [queries.rows(x), linear(g, context, at("self_attn.o_proj"))]);
        const inside = norm(g, x, at("post_attention_layernorm"));
        const gate = linear(g, inside, at("mlp.gate_proj"));
        const product = g.one("SwiGLU", [gate, linear(g, inside, at("mlp.up_proj"))]);
        x = g.one("Add", [x, linear(g, product, at("mlp.down_proj"))]);
        residuals.push(x);
      }
      return { layers: residuals, hidden: norm(g, x, "model.norm"), keys, values };
    },
  };
}
