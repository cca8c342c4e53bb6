"""A plain PyTorch Llama, written from the architecture, that loads a Hugging Face folder.

    /usr/bin/python3 test/golden/make/llama.py     # checks it against Hugging Face's own numbers in ../shared/golden

Why: the golden numbers of tags need a model whose inputs are embeddings, a mask and positions.
Not fast, no cache, no sampling; PyTorch only.
"""
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from tensors import read_tensors, relative_error

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
# qwen2-nowindow is a Llama with q, k, v biases and a tied head.
CHECKED = ("llama", "llama-linear", "llama-llama3", "qwen2-nowindow")
TOLERANCES = {"grad_ce": 5e-5, "grad_reg": 5e-5}
DEFAULT_TOLERANCE = 2e-5


class Llama:
    """Frozen weights; `forward` is differentiable with respect to the input embeddings."""

    def __init__(self, folder, dtype=torch.float32):
        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text())
        weights = {k: v.to(dtype) for k, v in read_tensors(folder / "model.safetensors").items()}
        self.config, self.weights, self.dtype = config, weights, dtype
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads") or self.heads
        self.head_dim = config.get("head_dim") or config["hidden_size"] // self.heads
        self.frequencies = rope_frequencies(config, self.head_dim, dtype)
        either = weights.get("lm_head.weight", weights.get("model.embed_tokens.weight"))
        self.embedding = weights.get("model.embed_tokens.weight", either)
        self.head = self.embedding if config.get("tie_word_embeddings") else either

    def embed(self, ids):
        return self.embedding[ids.long()]

    def forward(self, inputs_embeds, positions, bias):
        """inputs_embeds [B,S,d], positions [B,S] or [S], bias [B or 1,1,S,S] (0 allowed, -inf blocked)
        -> (outputs of each layer, last hidden state after the norm, logits)."""
        angles = positions.to(self.dtype)[..., None] * self.frequencies
        angles = torch.cat([angles, angles], -1)
        if angles.dim() == 2:
            angles = angles[None]
        cos, sin = angles.cos()[:, None], angles.sin()[:, None]
        x, outputs = inputs_embeds, []
        for i in range(self.layers):
            name = f"model.layers.{i}."
            x = x + self._attention(name + "self_attn.", self._norm(name + "input_layernorm", x), cos, sin, bias)
            x = x + self._mlp(name + "mlp.", self._norm(name + "post_attention_layernorm", x))
            outputs.append(x)
        last = self._norm("model.norm", x)
        return outputs, last, F.linear(last, self.head)

    def _linear(self, name, x):
        return F.linear(x, self.weights[name + ".weight"], self.weights.get(name + ".bias"))

    def _norm(self, name, x):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        return self.weights[name + ".weight"] * (x * scale)

    def _attention(self, name, x, cos, sin, bias):
        batch, length, _ = x.shape
        split = lambda t, heads: t.view(batch, length, heads, self.head_dim).transpose(1, 2)
        q = rotate(split(self._linear(name + "q_proj", x), self.heads), cos, sin)
        k = rotate(split(self._linear(name + "k_proj", x), self.kv_heads), cos, sin)
        v = split(self._linear(name + "v_proj", x), self.kv_heads)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = q @ k.transpose(-1, -2) / math.sqrt(self.head_dim) + bias
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, -1)
        return self._linear(name + "o_proj", mixed)

    def _mlp(self, name, x):
        gate = F.silu(self._linear(name + "gate_proj", x))
        return self._linear(name + "down_proj", gate * self._linear(name + "up_proj", x))


def rotate(x, cos, sin):
    """Rotary embedding in the Hugging Face layout: pairs are (i, i + head_dim / 2)."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def rope_frequencies(config, head_dim, dtype):
    """[head_dim / 2]; both config forms: rope_parameters (release 5) or rope_theta + rope_scaling."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = rope.get("rope_theta", config.get("rope_theta", 10000.0))
    kind = rope.get("rope_type", rope.get("type", "default"))
    frequencies = 1.0 / theta ** (torch.arange(0, head_dim, 2).to(dtype) / head_dim)
    if kind == "default":
        return frequencies
    if kind == "linear":
        return frequencies / rope["factor"]
    if kind == "llama3":
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        turns = rope["original_max_position_embeddings"] * frequencies / (2 * math.pi)
        keep = ((turns - low) / (high - low)).clamp(0, 1)
        return keep * frequencies + (1 - keep) * frequencies / rope["factor"]
    raise ValueError(f"rope type {kind!r} is not supported")


def causal_bias(length, dtype):
    """[1,1,S,S]"""
    return torch.full((length, length), -math.inf, dtype=dtype).triu(1)[None, None]


def golden_numbers(model, input_ids, w, y):
    """The tensors of ../shared/golden/README.md for plain prompts without padding."""
    length = input_ids.shape[1]
    w, y = w.to(model.dtype), y.to(model.dtype)
    embeds = model.embed(input_ids).clone().requires_grad_()
    outputs, last, logits = model.forward(embeds, torch.arange(length), causal_bias(length, model.dtype))
    loss_ce = F.cross_entropy(logits[:, :-1].flatten(0, 1), input_ids[:, 1:].flatten().long())
    pred = last[:, -1] @ w
    loss_reg = (pred - y).pow(2).mean()
    return {
        "input_ids": input_ids,
        **{f"layer_out.{i}": output for i, output in enumerate(outputs)},
        "last_hidden_state": last,
        "logits": logits,
        "loss_ce": loss_ce,
        "grad_ce": torch.autograd.grad(loss_ce, embeds, retain_graph=True)[0],
        "w": w,
        "y": y,
        "pred_reg": pred,
        "loss_reg": loss_reg,
        "grad_reg": torch.autograd.grad(loss_reg, embeds)[0],
    }


def print_rounding(model64, numbers):
    """How far the float32 numbers are from the same code in float64."""
    exact = golden_numbers(model64, numbers["input_ids"], numbers["w"], numbers["y"])
    names = ["last_hidden_state", "logits", "loss_ce", "grad_ce", "loss_reg", "grad_reg"]
    print("  float32 against float64: " + ", ".join(f"{n} {relative_error(numbers[n], exact[n]):.1e}" for n in names))


def check(folder):
    """Prints the largest relative error per tensor; True when all are within tolerance."""
    golden = read_tensors(folder / "golden.safetensors")
    model = Llama(folder)
    ours = golden_numbers(model, golden["input_ids"], golden["w"], golden["y"])
    errors = {name: relative_error(value, golden[name]) for name, value in ours.items()}
    failed = [name for name, error in errors.items() if error > TOLERANCES.get(name, DEFAULT_TOLERANCE)]
    print(folder.name, "FAILED " + ", ".join(failed) if failed else "ok")
    print("  against golden: " + ", ".join(f"{n} {e:.1e}" for n, e in errors.items() if n not in ("input_ids", "w", "y")))
    print_rounding(Llama(folder, torch.float64), ours)
    newer = json.loads((folder / "config.v5.json").read_text())
    same_rope = torch.equal(rope_frequencies(newer, model.head_dim, model.dtype), model.frequencies)
    print("  rope from config.v5.json:", "equal" if same_rope else "FAILED")
    return same_rope and not failed


if __name__ == "__main__":
    results = [check(SHARED / "golden" / name) for name in CHECKED]
    sys.exit(0 if all(results) else 1)
