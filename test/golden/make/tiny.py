"""Two tiny random Llamas with golden numbers, for what the real checkpoints here do not have.

    /usr/bin/python3 test/golden/make/tiny.py

llama-biased: attention and MLP biases, head_dim that is not hidden / heads, tied head, llama3 frequencies,
a large norm epsilon. llama-plain: own head, as many key-value heads as heads, and only the settings that have
no default. Writes test/golden/{name}/ with config.json, model.safetensors and golden.safetensors.
"""
import json
from pathlib import Path

import torch

from llama import Llama, golden_numbers, print_rounding
from tensors import write_tensors

GOLDEN = Path(__file__).resolve().parents[1]
LENGTH = 12
CONFIGS = {
    "llama-biased": {
        "model_type": "llama", "hidden_act": "silu", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "intermediate_size": 20,
        "rms_norm_eps": 1e-2, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True,
        "rope_theta": 50.0, "max_position_embeddings": 64,
        "rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 16},
    },
    "llama-plain": {
        "model_type": "llama", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 4, "head_dim": None, "intermediate_size": 20, "rms_norm_eps": 1e-6,
        "rope_scaling": None,
    },
}


def tensors(config, generator):
    """{name: random weight} under Hugging Face's names; norm weights around 1."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    size = config["head_dim"] or hidden // heads
    kv = config.get("num_key_value_heads", heads)
    inner, vocab = config["intermediate_size"], config["vocab_size"]
    linears = {
        "self_attn.q_proj": (heads * size, hidden), "self_attn.k_proj": (kv * size, hidden),
        "self_attn.v_proj": (kv * size, hidden), "self_attn.o_proj": (hidden, heads * size),
        "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner),
    }
    normal = lambda *shape: torch.randn(*shape, generator=generator)
    weights = {"model.embed_tokens.weight": normal(vocab, hidden)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{norm}.weight"] = 1 + 0.2 * normal(hidden)
        for name, (rows, columns) in linears.items():
            weights[f"{prefix}{name}.weight"] = normal(rows, columns) * (1.5 / columns**0.5)
            if config.get("attention_bias" if name.startswith("self_attn") else "mlp_bias"):
                weights[f"{prefix}{name}.bias"] = 0.5 * normal(rows)
    weights["model.norm.weight"] = 1 + 0.2 * normal(hidden)
    if not config.get("tie_word_embeddings"):
        weights["lm_head.weight"] = normal(vocab, hidden) / hidden**0.5
    return weights


def main():
    for seed, (name, config) in enumerate(CONFIGS.items()):
        print(name)
        folder, made_by = GOLDEN / name, "test/golden/make/tiny.py"
        generator = torch.Generator().manual_seed(40 + seed)
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        write_tensors(folder / "model.safetensors", tensors(config, generator), made_by)
        ids = torch.randint(0, config["vocab_size"], (2, LENGTH), generator=generator)
        w = torch.randn(config["hidden_size"], generator=generator)
        numbers = golden_numbers(Llama(folder), ids, w, torch.tensor([1.5, -0.5]))
        print_rounding(Llama(folder, torch.float64), numbers)
        write_tensors(folder / "golden.safetensors", numbers, made_by)


if __name__ == "__main__":
    main()
