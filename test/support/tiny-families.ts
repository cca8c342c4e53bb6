/** A config of each family, small enough for its graphs to be read, with the family's oddities in use. */
type Config = Readonly<Record<string, unknown>>;

const sizes = {
  hidden_size: 16,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 12,
  vocab_size: 16,
};

export const tinyFamilies: Readonly<Record<string, Config>> = {
  llama: sizes,
  qwen2: sizes,
  qwen3: { ...sizes, head_dim: 8 },
  mistral: { ...sizes, sliding_window: 3 },
  gemma2: { ...sizes, head_dim: 4, sliding_window: 3 },
  gemma3_text: { ...sizes, num_hidden_layers: 7, head_dim: 4, sliding_window: 3 },
  phi3: { ...sizes, original_max_position_embeddings: 8, max_position_embeddings: 32 },
  gpt_neox: { ...sizes, hidden_size: 32, num_key_value_heads: 2 },
  gpt2: { n_embd: 16, n_layer: 4, n_head: 4, vocab_size: 16, n_positions: 32 },
  olmo2: sizes,
  granite: {
    ...sizes,
    embedding_multiplier: 3,
    attention_multiplier: 0.25,
    residual_multiplier: 0.5,
    logits_scaling: 8,
  },
  smollm3: sizes,
  cohere: { ...sizes, use_qk_norm: true },
};
