/**
 * Gemma 2 (`model_type: "gemma2"`): every other layer looks back no further than a window, soft-caps on scores and
 * logits, four norms a layer, two of them on the branches. Norm weights are stored less 1. The embeddings are
 * scaled after the point where tags stand.
 */
import type { Architecture } from "./architecture.ts";
import { gatedMlp, projections, readActivation, sequential } from "./blocks.ts";
import type { ConfigReader } from "./config.ts";
import { decoder } from "./decoder.ts";
import { readRope } from "./rope.ts";
import { readSizes, readWindows } from "./sizes.ts";
import { softcap, times, Weights } from "./weights.ts";

/** Of Gemma2Config. */
const defaults = {
  vocab_size: 256000,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: "gelu_pytorch_tanh",
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: true,
  attention_bias: false,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
  attn_logit_softcapping: 50,
  final_logit_softcapping: 30,
};

export function gemma2(given: ConfigReader): Architecture {
  const config = given.withDefaults(defaults);
  config.require(
    "use_bidirectional_attention",
    false,
    "false: attention to what comes later is not supported",
  );
  const sizes = readSizes(config);
  const { hidden, heads, headDim } = sizes;
  const w = new Weights();
  const rope = readRope(config, { headDim });
  const epsilon = config.positive("rms_norm_eps");
  const bias = config.flag("attention_bias");
  const activation = readActivation(config, "hidden_activation");
  const scale = config.positive("query_pre_attn_scalar") ** -0.5;
  const scoreCap = config.optionalPositive("attn_logit_softcapping");
  const logitCap = config.optionalPositive("final_logit_softcapping");
  const window = config.optionalSize("sliding_window");
  const norm = (name: string) => w.rmsNorm(name, hidden, epsilon, 1);
  return decoder({
    modelType: "gemma2",
    sizes,
    weights: w,
    embedding: "model.embed_tokens.weight",
    head: config.flag("tie_word_embeddings") ? null : "lm_head.weight",
    prepare: (g, embeddings) => times(g, embeddings, Math.sqrt(hidden)),
    norm: norm("model.norm"),
    ...(logitCap !== null && { finish: (g, logits) => softcap(g, logits, logitCap) }),
    layers: readWindows(config, sizes.layers, window, (l) => l % 2 === 0).map((own, l) => {
      const at = `model.layers.${l}`;
      return {
        rope,
        window: own,
        scale,
        softcap: scoreCap,
        run: sequential({
          project: projections(w, `${at}.self_attn`, sizes, { bias }),
          out: w.linear(`${at}.self_attn.o_proj`, heads * headDim, hidden, bias),
          mlp: gatedMlp(w, `${at}.mlp`, sizes, activation),
          norms: {
            beforeAttention: norm(`${at}.input_layernorm`),
            afterAttention: norm(`${at}.post_attention_layernorm`),
            beforeMlp: norm(`${at}.pre_feedforward_layernorm`),
            afterMlp: norm(`${at}.post_feedforward_layernorm`),
          },
        }),
      };
    }),
  });
}
