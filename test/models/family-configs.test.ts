/**
 * Configs of every family as the Hugging Face library reads them (release 4.57): what an absent key and a null
 * stand for, older and newer spellings, and what is refused. Models are compared by all that a config decides.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import { readArchitecture } from "../../src/models/families.ts";
import { modelTensors } from "../../src/models/tensors.ts";
import type { TensorInfo } from "../../src/weights/safetensors.ts";
import { configMeaning } from "../support/config-meaning.ts";
import { tinyFamilies } from "../support/tiny-families.ts";

type Config = Record<string, unknown>;

const sizes = tinyFamilies.llama as Config;
const slide = "sliding_attention";
const full = "full_attention";
const longrope = (type: string, rest: Config = {}): Config => ({
  type,
  short_factor: [1, 1.5],
  long_factor: [1, 4],
  ...rest,
});

interface Family {
  /** Value that the key has when it is absent. */
  readonly defaults: Config;
  /** Among them, those for which null is the same as absent. */
  readonly nulls: readonly string[];
  /** Pairs of changes that make the same model. */
  readonly same?: readonly (readonly [string, Config, Config])[];
  /** Pairs that make different ones. */
  readonly different?: readonly (readonly [string, Config, Config])[];
  readonly refused?: readonly (readonly [Config, RegExp])[];
}

const newer = (theta: number, rest: Config = {}): Config => ({
  rope_theta: undefined,
  rope_parameters: { rope_theta: theta, rope_type: "default", ...rest },
});

const families: Record<string, Family> = {
  qwen2: {
    defaults: {
      hidden_act: "silu",
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      tie_word_embeddings: false,
      use_sliding_window: false,
      max_position_embeddings: 32768,
      max_window_layers: 28,
    },
    nulls: ["rms_norm_eps", "rope_theta", "use_sliding_window", "tie_word_embeddings"],
    same: [
      ["a window that is switched off is none", { sliding_window: 3 }, {}],
      ["and so is one from a layer there is not", { use_sliding_window: true, sliding_window: 3 }, {}],
      [
        "the layers from max_window_layers up slide",
        { use_sliding_window: true, sliding_window: 3, max_window_layers: 2 },
        { use_sliding_window: true, sliding_window: 3, layer_types: [full, full, slide, slide] },
      ],
      [
        "a window without a number is 4096",
        { use_sliding_window: true, max_window_layers: 0 },
        {
          use_sliding_window: true,
          max_window_layers: 0,
          sliding_window: 4096,
        },
      ],
      ["null heads of keys are all heads", { num_key_value_heads: null }, { num_key_value_heads: 4 }],
      ["a null head_dim is a share of the width", { head_dim: null }, { head_dim: 4 }],
      ["rope_parameters", newer(500), { rope_theta: 500 }],
      [
        "rope_scaling before rope_parameters",
        {
          rope_scaling: { type: "linear", factor: 2 },
          rope_parameters: { rope_theta: 7, rope_type: "default" },
        },
        { rope_scaling: { rope_type: "linear", factor: 2 } },
      ],
      ["an empty rope_scaling is none", { rope_scaling: {} }, {}],
      ["a config has no flag for biases", { attention_bias: false }, {}],
    ],
    different: [
      ["head_dim", { head_dim: 8 }, {}],
      ["windows", { use_sliding_window: true, sliding_window: 3, max_window_layers: 0 }, {}],
    ],
    refused: [
      [{ layer_types: [slide, full, full, full] }, /layer_types .*without a sliding_window in use/],
      [{ layer_types: [full] }, /layer_types .*list of 4/],
      [{ layer_types: [full, full, full, "chunked_attention"] }, /layer_types .*chunked_attention/],
      [{ rope_scaling: { type: "yarn", factor: 4 } }, /"yarn"/],
      [{ quantization_config: { bits: 4 } }, /quantization_config/],
      [{ rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } }, /partial_rotary_factor is 0.5/],
    ],
  },
  qwen3: {
    defaults: {
      hidden_act: "silu",
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      tie_word_embeddings: false,
      attention_bias: false,
    },
    nulls: ["rms_norm_eps", "rope_theta", "attention_bias"],
    same: [
      ["head_dim absent is 128", { head_dim: undefined }, { head_dim: 128 }],
      ["rope_parameters", newer(1e6), { rope_theta: 1e6 }],
    ],
    different: [["biases", { attention_bias: true }, {}]],
  },
  mistral: {
    defaults: {
      hidden_act: "silu",
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      tie_word_embeddings: false,
      max_position_embeddings: 131072,
    },
    nulls: ["rms_norm_eps", "rope_theta"],
    same: [
      ["a window absent is 4096", { sliding_window: undefined }, { sliding_window: 4096 }],
      ["head_dim null", { head_dim: null }, { head_dim: 4 }],
      [
        "heads of keys absent are 8",
        { num_attention_heads: 8, num_key_value_heads: undefined },
        {
          num_attention_heads: 8,
          num_key_value_heads: 8,
        },
      ],
      ["all layers slide", { layer_types: [slide, slide, slide, slide] }, {}],
      [
        "no window, in full",
        { sliding_window: null, layer_types: [full, full, full, full] },
        {
          sliding_window: null,
        },
      ],
    ],
    different: [
      ["null is no window", { sliding_window: null }, { sliding_window: undefined }],
      ["head_dim", { head_dim: 8 }, {}],
    ],
    refused: [
      [{ sliding_window: 0 }, /sliding_window is 0/],
      [{ sliding_window: "8" }, /sliding_window/],
    ],
  },
  gemma2: {
    defaults: {
      hidden_activation: "gelu_pytorch_tanh",
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      tie_word_embeddings: true,
      attention_bias: false,
      query_pre_attn_scalar: 256,
      attn_logit_softcapping: 50,
      final_logit_softcapping: 30,
      layer_types: [slide, full, slide, full],
    },
    nulls: ["layer_types", "tie_word_embeddings", "query_pre_attn_scalar"],
    same: [
      ["head_dim absent is 256", { head_dim: undefined }, { head_dim: 256 }],
      ["hidden_act is not the key", { hidden_act: "silu" }, {}],
      ["heads of keys absent are 4", { num_key_value_heads: undefined }, { num_key_value_heads: 4 }],
      ["rope_parameters", newer(77), { rope_theta: 77 }],
    ],
    different: [
      ["null switches the scores' soft-cap off", { attn_logit_softcapping: null }, {}],
      ["null switches the logits' soft-cap off", { final_logit_softcapping: null }, {}],
      ["the exact GELU", { hidden_activation: "gelu" }, {}],
      ["the other layers", { layer_types: [full, slide, full, slide] }, {}],
    ],
    refused: [
      [{ sliding_window: null }, /layer_types|sliding_window/],
      [{ use_bidirectional_attention: true }, /use_bidirectional_attention/],
      [{ hidden_activation: "relu6" }, /hidden_activation is "relu6"/],
    ],
  },
  gemma3_text: {
    defaults: {
      hidden_activation: "gelu_pytorch_tanh",
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      rope_local_base_freq: 10000,
      tie_word_embeddings: true,
      attention_bias: false,
      query_pre_attn_scalar: 256,
      final_logit_softcapping: null,
      sliding_window_pattern: 6,
      layer_types: [slide, slide, slide, slide, slide, full, slide],
    },
    nulls: ["layer_types", "sliding_window_pattern", "rope_scaling", "tie_word_embeddings"],
    same: [
      ["the pattern's other name", { _sliding_window_pattern: 2 }, { sliding_window_pattern: 2 }],
      [
        "layer_types before a pattern",
        { sliding_window_pattern: 2, layer_types: Array(7).fill(slide) },
        {
          layer_types: Array(7).fill(slide),
        },
      ],
      ["scores have no soft-cap", { attn_logit_softcapping: 50 }, {}],
      ["a window absent is 4096", { sliding_window: undefined }, { sliding_window: 4096 }],
      [
        "settings by kind of layer",
        {
          rope_parameters: {
            full_attention: { rope_type: "linear", factor: 8, rope_theta: 5e5 },
            sliding_attention: { rope_type: "default", rope_theta: 500 },
          },
        },
        {
          rope_theta: 5e5,
          rope_local_base_freq: 500,
          rope_scaling: { rope_type: "linear", factor: 8 },
        },
      ],
      [
        "what a kind of layer does not say is the default",
        { rope_parameters: { full_attention: { rope_type: "default" } } },
        {},
      ],
    ],
    different: [
      ["the local base", { rope_local_base_freq: 99 }, {}],
      ["the global base", { rope_theta: 99 }, {}],
      ["scaling", { rope_scaling: { rope_type: "linear", factor: 8 } }, {}],
      ["a soft-cap on logits", { final_logit_softcapping: 30 }, {}],
    ],
    refused: [
      [{ use_bidirectional_attention: true }, /use_bidirectional_attention/],
      [{ rope_parameters: { rope_theta: 1e4 } }, /rope_theta .*apart/],
    ],
  },
  phi3: {
    defaults: {
      hidden_act: "silu",
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      tie_word_embeddings: false,
      partial_rotary_factor: 1,
      sliding_window: null,
      rope_scaling: null,
    },
    nulls: ["sliding_window", "rope_scaling", "rms_norm_eps"],
    same: [
      ["su", { rope_scaling: longrope("su") }, { rope_scaling: longrope("longrope") }],
      ["yarn", { rope_scaling: longrope("yarn") }, { rope_scaling: longrope("longrope") }],
      ["heads of keys absent are all", { num_key_value_heads: undefined }, { num_key_value_heads: 4 }],
      [
        "an original length absent is 4096",
        {
          original_max_position_embeddings: undefined,
          max_position_embeddings: 8192,
          rope_scaling: longrope("longrope"),
        },
        {
          original_max_position_embeddings: 4096,
          max_position_embeddings: 8192,
          rope_scaling: longrope("longrope"),
        },
      ],
      [
        "rope_parameters hold everything",
        newer(99, {
          ...longrope("longrope"),
          rope_type: "longrope",
          partial_rotary_factor: 1,
          original_max_position_embeddings: 8,
        }),
        { rope_theta: 99, rope_scaling: longrope("longrope") },
      ],
      [
        "sqrt(1 + ln(max/original) / ln(original)) is the factor of cos and sin",
        { rope_scaling: longrope("longrope") },
        {
          rope_scaling: longrope("longrope", { attention_factor: Math.sqrt(1 + Math.log(4) / Math.log(8)) }),
        },
      ],
      [
        "a part of the head, in the newer form",
        newer(10000, { partial_rotary_factor: 0.5 }),
        { partial_rotary_factor: 0.5 },
      ],
    ],
    different: [
      ["longrope", { rope_scaling: longrope("longrope") }, {}],
      ["a window", { sliding_window: 3 }, {}],
      ["a part of the head", { partial_rotary_factor: 0.5 }, {}],
    ],
    refused: [
      [{ rope_scaling: longrope("longrope", { short_factor: [1] }) }, /short_factor .*list of 2/],
      [{ rope_scaling: { type: "longrope", short_factor: [1, 1] } }, /long_factor/],
      [{ rope_scaling: longrope("longrope", { long_factor: [1, 0] }) }, /long_factor/],
      [{ rope_scaling: { type: "dynamic", factor: 2 } }, /"dynamic"/],
      [{ partial_rotary_factor: 0.75 }, /head_dim is 4, .*even where it rotates \(3\)/],
    ],
  },
  gpt_neox: {
    defaults: {
      hidden_act: "gelu",
      layer_norm_eps: 1e-5,
      rotary_pct: 0.25,
      rotary_emb_base: 10000,
      tie_word_embeddings: false,
      attention_bias: true,
      use_parallel_residual: true,
    },
    nulls: ["rotary_pct", "rotary_emb_base", "use_parallel_residual", "attention_bias"],
    same: [
      [
        "rope_theta beside rotary_emb_base is not looked at",
        { rotary_emb_base: 99, rope_theta: 7 },
        {
          rotary_emb_base: 99,
        },
      ],
      [
        "partial_rotary_factor beside rotary_pct is not looked at",
        { rotary_pct: 0.5, partial_rotary_factor: 1 },
        {
          rotary_pct: 0.5,
        },
      ],
      [
        "rope_parameters",
        newer(99, { partial_rotary_factor: 0.5 }),
        { rotary_pct: 0.5, rotary_emb_base: 99 },
      ],
    ],
    different: [
      ["one after the other", { use_parallel_residual: false }, {}],
      ["all of the head", { rotary_pct: 1 }, {}],
      ["no biases", { attention_bias: false }, {}],
    ],
    refused: [[{ num_attention_heads: 5 }, /num_attention_heads is 5, .*divisor/]],
  },
  gpt2: {
    defaults: {
      activation_function: "gelu_new",
      layer_norm_epsilon: 1e-5,
      n_inner: 64,
      scale_attn_weights: true,
      scale_attn_by_inverse_layer_idx: false,
      reorder_and_upcast_attn: false,
      tie_word_embeddings: true,
    },
    nulls: ["n_inner", "scale_attn_weights", "tie_word_embeddings"],
    same: [
      [
        "the common names",
        { hidden_size: 16, n_embd: undefined, num_hidden_layers: 4, n_layer: undefined },
        {},
      ],
      ["positions under the common name", { n_positions: undefined, max_position_embeddings: 32 }, {}],
      ["reordering does not change what is computed", { reorder_and_upcast_attn: true }, {}],
      ["n_ctx is not looked at", { n_ctx: 7 }, {}],
      ["the tanh GELU has three names", { activation_function: "gelu_pytorch_tanh" }, {}],
    ],
    different: [
      ["no scale", { scale_attn_weights: false }, {}],
      ["a scale by layer", { scale_attn_by_inverse_layer_idx: true }, {}],
      ["the exact GELU", { activation_function: "gelu" }, {}],
      ["an own head", { tie_word_embeddings: false }, {}],
    ],
    refused: [
      [{ add_cross_attention: true }, /add_cross_attention/],
      [{ activation_function: "relu" }, /activation_function is "relu"/],
      [{ n_head: 3 }, /n_head is 3/],
    ],
  },
  olmo2: {
    defaults: {
      hidden_act: "silu",
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      tie_word_embeddings: false,
      attention_bias: false,
    },
    nulls: ["rms_norm_eps", "rope_theta"],
    same: [["heads of keys absent are all", { num_key_value_heads: undefined }, { num_key_value_heads: 4 }]],
    different: [["biases", { attention_bias: true }, {}]],
  },
  granite: {
    defaults: {
      hidden_act: "silu",
      rms_norm_eps: 1e-6,
      rope_theta: 10000,
      tie_word_embeddings: false,
      attention_bias: false,
      mlp_bias: false,
      embedding_multiplier: 1,
      attention_multiplier: 1,
      residual_multiplier: 1,
      logits_scaling: 1,
    },
    nulls: ["embedding_multiplier", "logits_scaling"],
    different: (
      ["embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"] as const
    ).map((key) => [key, { [key]: 5 }, {}] as const),
    refused: [[{ logits_scaling: 0 }, /logits_scaling is 0/]],
  },
  smollm3: {
    defaults: {
      hidden_act: "silu",
      rms_norm_eps: 1e-6,
      rope_theta: 2e6,
      tie_word_embeddings: true,
      attention_bias: false,
      mlp_bias: false,
      no_rope_layers: [1, 1, 1, 0],
      no_rope_layer_interval: 4,
      use_sliding_window: false,
      sliding_window: null,
    },
    nulls: ["no_rope_layers", "no_rope_layer_interval", "tie_word_embeddings"],
    same: [
      ["every second layer", { no_rope_layer_interval: 2 }, { no_rope_layers: [1, 0, 1, 0] }],
      ["a window that is switched off", { sliding_window: 3 }, {}],
      [
        "the layers without RoPE slide",
        { use_sliding_window: true, sliding_window: 3, no_rope_layer_interval: 2 },
        {
          use_sliding_window: true,
          sliding_window: 3,
          no_rope_layer_interval: 2,
          layer_types: [full, slide, full, slide],
        },
      ],
    ],
    different: [["all layers rotate", { no_rope_layers: [1, 1, 1, 1] }, {}]],
    refused: [[{ no_rope_layers: [1, 0] }, /no_rope_layers .*list of 4/]],
  },
  cohere: {
    defaults: {
      hidden_act: "silu",
      layer_norm_eps: 1e-5,
      rope_theta: 10000,
      tie_word_embeddings: true,
      attention_bias: false,
      use_qk_norm: false,
      logit_scale: 0.0625,
    },
    nulls: ["logit_scale", "use_qk_norm", "tie_word_embeddings"],
    different: [
      ["norms of heads", { use_qk_norm: false }, {}],
      ["an own head", { tie_word_embeddings: false }, {}],
      ["logit_scale", { logit_scale: 1 }, {}],
    ],
  },
};

const clean = (config: Config): Config =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));

for (const [type, { defaults, nulls, same = [], different = [], refused = [] }] of Object.entries(families)) {
  describe(type, () => {
    const meaning = (changes: Config) =>
      configMeaning(clean({ model_type: type, ...tinyFamilies[type], ...changes }));

    test("keys that are absent, and nulls, are the library's defaults", () => {
      for (const [key, value] of Object.entries(defaults))
        assert.deepEqual(meaning({ [key]: value }), meaning({ [key]: undefined }), key);
      for (const key of nulls)
        assert.deepEqual(meaning({ [key]: null }), meaning({ [key]: undefined }), `${key} null`);
    });

    for (const [name, a, b] of same)
      test(`${name}: the same`, () => assert.deepEqual(meaning(a), meaning(b)));
    for (const [name, a, b] of different)
      test(`${name}: another model`, () => assert.notDeepEqual(meaning(a), meaning(b)));
    for (const [changes, message] of refused) {
      test(`refused: ${JSON.stringify(changes)}`, () =>
        assert.throws(
          () => meaning(changes),
          (e) => e instanceof TagllmError && e.code === "model/config" && message.test(e.message),
        ));
    }
  });
}

test("sizes that are absent are the library's defaults too", () => {
  const { layers, hiddenSize, heads, kvHeads, headDim, vocabSize } = readArchitecture({
    model_type: "gemma3",
    text_config: { model_type: "gemma3_text", hidden_size: 2560, num_hidden_layers: 2, sliding_window: 1024 },
    vision_config: { hidden_size: 1152 },
  });
  assert.deepEqual(
    { layers, hiddenSize, heads, kvHeads, headDim, vocabSize },
    { layers: 2, hiddenSize: 2560, heads: 8, kvHeads: 4, headDim: 256, vocabSize: 262208 },
  );
});

describe("names of tensors in checkpoints", () => {
  const spelt = (config: Config, rename: (name: string) => string) => {
    const architecture = readArchitecture(config);
    const tensors = new Map(
      [...architecture.tensors].map(([name, shape]) => [
        rename(name),
        { file: "x", shape } as unknown as TensorInfo,
      ]),
    );
    return { architecture, found: () => modelTensors({ folder: "f", config: {}, tensors }, architecture) };
  };
  const text = { ...tinyFamilies.gemma3_text, model_type: "gemma3_text" };
  const cases: [string, Config, (name: string) => string][] = [
    [
      "gpt2 without transformer.",
      { ...tinyFamilies.gpt2, model_type: "gpt2" },
      (n) => n.replace("transformer.", ""),
    ],
    ["llama without model.", { ...sizes, model_type: "llama" }, (n) => n.replace(/^model\./, "")],
    ["a text model within gemma3", { model_type: "gemma3", text_config: text }, (n) => `language_model.${n}`],
    [
      "the same as newer releases name it",
      { model_type: "gemma3", text_config: text },
      (n) => n.replace(/^model\./, "model.language_model."),
    ],
  ];
  for (const [name, config, rename] of cases) {
    test(name, () => {
      const { architecture, found } = spelt(config, rename);
      assert.deepEqual([...found().keys()], [...architecture.tensors.keys()]);
    });
  }

  test("a tensor that is nowhere is named", () => {
    const { found } = spelt({ ...sizes, model_type: "llama" }, (n) => n.replace("norm", "nrm"));
    assert.throws(found, { code: "weights/tensor-missing", message: /model\.norm\.weight/ });
  });
});
