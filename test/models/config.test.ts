/** Reading config.json: Hugging Face's defaults, both forms of RoPE settings, and what is refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import { readArchitecture, supportedFamilies } from "../../src/models/families.ts";
import { buildProgram } from "../../src/models/program.ts";
import type { Rope } from "../../src/models/rope.ts";
import { configMeaning } from "../support/config-meaning.ts";
import fc from "../support/properties.ts";
import { relativeError } from "../support/tensors.ts";
import { tinyLlama } from "../support/tiny-llama.ts";

type Config = Record<string, unknown>;

const without = (config: Config, ...keys: string[]): Config =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !keys.includes(key)));

const refuses = (config: Config, code: string, ...words: RegExp[]) =>
  assert.throws(
    () => readArchitecture(config),
    (e) => {
      assert.ok(e instanceof TagllmError, String(e));
      assert.equal(e.code, code);
      for (const word of words) assert.match(e.message, word);
      return true;
    },
  );

describe("defaults", () => {
  /** Hugging Face's LlamaConfig: the value that an absent key and a null stand for, in this model. */
  const defaults: Config = {
    head_dim: 2,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    tie_word_embeddings: false,
    attention_bias: false,
    mlp_bias: false,
    hidden_act: "silu",
    max_position_embeddings: 2048,
    rope_scaling: { rope_type: "default" },
  };

  for (const [key, value] of Object.entries(defaults)) {
    test(`${key}: absent, null and ${JSON.stringify(value)} are the same model`, () => {
      const explicit = configMeaning({ ...tinyLlama, [key]: value });
      assert.deepEqual(configMeaning(without(tinyLlama, key)), explicit);
      assert.deepEqual(configMeaning({ ...tinyLlama, [key]: null }), explicit);
    });
  }

  test("other values of these keys are another model", () => {
    const others: Config = {
      head_dim: 6,
      num_key_value_heads: 1,
      rms_norm_eps: 1e-3,
      rope_theta: 500000,
      tie_word_embeddings: true,
      attention_bias: true,
      mlp_bias: true,
      rope_scaling: { type: "linear", factor: 2 },
    };
    const plain = configMeaning(tinyLlama);
    for (const [key, value] of Object.entries(others)) {
      assert.notDeepEqual(configMeaning({ ...tinyLlama, [key]: value }), plain, key);
    }
  });

  test("settings that do not change the numbers of a forward pass are let be", () => {
    const more = {
      bos_token_id: 1,
      torch_dtype: "bfloat16",
      use_cache: true,
      pretraining_tp: 1,
      attention_dropout: 0,
    };
    assert.deepEqual(configMeaning({ ...tinyLlama, ...more }), configMeaning(tinyLlama));
  });
});

describe("tensors", () => {
  const names = (config: Config): string[] => [...readArchitecture(config).tensors.keys()];

  test("a tied head needs no lm_head, an own head does", () => {
    assert.ok(names(tinyLlama).includes("lm_head.weight"));
    assert.ok(!names({ ...tinyLlama, tie_word_embeddings: true }).includes("lm_head.weight"));
  });

  test("biases are those that the config asks for, of the right sizes", () => {
    const biases = (config: Config) =>
      [...readArchitecture(config).tensors].filter(
        ([n]) => n.startsWith("model.layers.0.") && n.endsWith(".bias"),
      );
    assert.deepEqual(biases(tinyLlama), []);
    assert.deepEqual(biases({ ...tinyLlama, attention_bias: true }), [
      ["model.layers.0.self_attn.q_proj.bias", [16]],
      ["model.layers.0.self_attn.k_proj.bias", [8]],
      ["model.layers.0.self_attn.v_proj.bias", [8]],
      ["model.layers.0.self_attn.o_proj.bias", [8]],
    ]);
    assert.deepEqual(biases({ ...tinyLlama, mlp_bias: true }), [
      ["model.layers.0.mlp.gate_proj.bias", [12]],
      ["model.layers.0.mlp.up_proj.bias", [12]],
      ["model.layers.0.mlp.down_proj.bias", [8]],
    ]);
  });

  test("the graph reads exactly the tensors that are declared", () => {
    const flag = fc.boolean();
    fc.assert(
      fc.property(flag, flag, flag, fc.constantFrom(1, 2, 4), (tied, attention, mlp, kvHeads) => {
        const architecture = readArchitecture({
          ...tinyLlama,
          tie_word_embeddings: tied,
          attention_bias: attention,
          mlp_bias: mlp,
          num_key_value_heads: kvHeads,
        });
        const result = { kind: "logits" } as const;
        const g = buildProgram(architecture, { batch: 1, length: 2, past: [], slots: 0, reads: 1, result });
        const weights = [...g.inputs.values()]
          .filter((v) => v.kind === "weight")
          .map((v) => [v.name, [...v.shape]]);
        const byName = (a: unknown[], b: unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
        assert.deepEqual(
          weights.sort(byName),
          [...architecture.tensors].map(([n, s]) => [n, [...s]]).sort(byName),
        );
      }),
    );
  });
});

describe("rotations", () => {
  /** modeling_rope_utils.py of Hugging Face, in f64. */
  function frequencies(
    headDim: number,
    theta: number,
    scaling: Record<string, number | string> = {},
  ): number[] {
    return Array.from({ length: headDim / 2 }, (_, i) => {
      const plain = theta ** ((-2 * i) / headDim);
      const factor = Number(scaling.factor);
      if (scaling.rope_type === "linear") return plain / factor;
      if (scaling.rope_type !== "llama3") return plain;
      const original = Number(scaling.original_max_position_embeddings);
      const turns = (original * plain) / (2 * Math.PI);
      const [low, high] = [Number(scaling.low_freq_factor), Number(scaling.high_freq_factor)];
      const keep = Math.min(1, Math.max(0, (turns - low) / (high - low)));
      return keep * plain + ((1 - keep) * plain) / factor;
    });
  }

  const headDim = 32;
  const wide = { ...tinyLlama, hidden_size: 128, head_dim: headDim };
  const llama3 = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 128,
  };
  const positions = [0, 1, 2, 17, 128, 1000, -5];

  function check({ ropes: [rope] }: Architecture, expected: readonly number[]): void {
    const { cos, sin } = (rope as Rope).tables(positions);
    const phases = positions.flatMap((p) => expected.map((f) => p * f));
    // f32 phases of up to 1000 radians are off by 6e-5.
    assert.ok(relativeError(cos, phases.map(Math.cos)) < 1e-4);
    assert.ok(relativeError(sin, phases.map(Math.sin)) < 1e-4);
  }

  for (const scaling of [{ rope_type: "default" }, { rope_type: "linear", factor: 4 }, llama3]) {
    test(`${scaling.rope_type}, in the older and the newer form`, () => {
      const expected = frequencies(headDim, 500, scaling);
      const older = { ...wide, rope_theta: 500, rope_scaling: scaling };
      const { rope_type: type, ...rest } = scaling;
      const newer = { ...without(wide, "rope_theta"), rope_parameters: { rope_theta: 500, ...scaling } };
      check(readArchitecture(older), expected);
      assert.deepEqual(configMeaning(newer), configMeaning(older));
      assert.deepEqual(configMeaning({ ...older, rope_scaling: { type, ...rest } }), configMeaning(older));
    });
  }

  test("llama3 changes long wavelengths, keeps short ones and blends between", () => {
    const [plain, scaled] = [frequencies(headDim, 500), frequencies(headDim, 500, llama3)];
    const ratios = scaled.map((f, i) => f / (plain[i] as number));
    assert.ok(
      ratios.some((r) => r === 1) &&
        ratios.some((r) => r === 1 / 8) &&
        ratios.some((r) => r > 0.126 && r < 0.99),
    );
  });

  test("llama3 without an original length takes max_position_embeddings", () => {
    const { original_max_position_embeddings: original, ...rest } = llama3;
    const named = { ...wide, rope_scaling: llama3, max_position_embeddings: original };
    assert.deepEqual(configMeaning({ ...named, rope_scaling: rest }), configMeaning(named));
  });
});

describe("what cannot be honoured is refused by name", () => {
  const wrong: [Config, RegExp][] = [
    [{ hidden_size: "8" }, /hidden_size is "8", which is not a number/],
    [{ hidden_size: 8.5 }, /hidden_size is 8.5, .*whole/],
    [{ num_hidden_layers: 0 }, /num_hidden_layers is 0/],
    [{ num_attention_heads: -4 }, /num_attention_heads is -4/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads is 3, .*divisor of num_attention_heads 4/],
    [{ head_dim: 3 }, /head_dim is 3, .*even/],
    [{ hidden_act: "mish" }, /hidden_act is "mish", .*silu/],
    [{ attention_bias: "yes" }, /attention_bias is "yes", .*true or false/],
    [{ mlp_bias: 1 }, /mlp_bias is 1/],
    [{ tie_word_embeddings: "false" }, /tie_word_embeddings is "false"/],
    [{ rms_norm_eps: "1e-5" }, /rms_norm_eps/],
    [{ rms_norm_eps: 0 }, /rms_norm_eps is 0, .*above 0/],
    [{ num_hidden_layers: 1e9 }, /num_hidden_layers is 1000000000, .*at most/],
    [{ rope_theta: -1 }, /rope_theta is -1, .*above 0/],
    [{ vocab_size: null }, /no vocab_size/],
    [{ intermediate_size: null }, /no intermediate_size/],
    [{ rope_theta: [10000] }, /rope_theta/],
    [{ rope_scaling: "linear" }, /rope_scaling is "linear", .*object/],
    [{ rope_scaling: { rope_type: "yarn", factor: 4 } }, /rope_type is "yarn", .*default, linear, llama3/],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, /rope_scaling: type is "dynamic"/],
    [{ rope_scaling: { type: "linear" } }, /rope_scaling has no factor/],
    [{ rope_scaling: { type: "linear", factor: 0 } }, /factor is 0, .*above 0/],
    [{ rope_parameters: { rope_type: "longrope", rope_theta: 1e4 } }, /longrope/],
    [
      {
        rope_scaling: {
          rope_type: "llama3",
          factor: 8,
          low_freq_factor: 4,
          high_freq_factor: 4,
          original_max_position_embeddings: 64,
        },
      },
      /high_freq_factor 4 is not above low_freq_factor 4/,
    ],
  ];
  for (const [change, message] of wrong) {
    test(JSON.stringify(change), () => refuses({ ...tinyLlama, ...change }, "model/config", message));
  }

  test("an unsupported family lists what is supported", () => {
    for (const type of ["bert", null, undefined, 7, "toString", "constructor", "__proto__"]) {
      const named = new RegExp(JSON.stringify(type ?? null));
      refuses(
        { ...tinyLlama, model_type: type },
        "model/unsupported",
        named,
        ...supportedFamilies.map((f) => new RegExp(f)),
      );
    }
  });

  test("any value of any key gives a model or an error with a code, never a crash", () => {
    const keys = [
      ...Object.keys(tinyLlama),
      "attention_bias",
      "mlp_bias",
      "rope_scaling",
      "rope_parameters",
      "hidden_act",
    ];
    const value = fc.oneof(
      fc.jsonValue(),
      fc.integer({ min: -3, max: 40 }),
      fc.constantFrom(1e300, -0, 0.5, "", "silu"),
    );
    fc.assert(
      fc.property(fc.constantFrom(...keys), value, (key, given) => {
        try {
          readArchitecture({ ...tinyLlama, [key]: given });
        } catch (e) {
          assert.ok(e instanceof TagllmError, `${key} = ${JSON.stringify(given)}: ${e}`);
          assert.match(e.code, /^model\//);
          if (e.code === "model/config")
            assert.ok(e.problem.includes(key) || given instanceof Object, e.problem);
        }
      }),
      { numRuns: 500 },
    );
  });
});
