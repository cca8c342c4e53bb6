"""The frozen Llama or Qwen 2 of both PyTorch peers, random weights, as fast as eager PyTorch 1.13 goes on a CPU.

Joined projections, the norm scales folded into the frozen weights, no expanded keys and values: the heads of a group
share theirs, so their queries stand below one another, and what all rows have in common (a kept prefix) meets the
queries of all rows as one product. Import after fast_torch.configure.
"""
import math

import torch
import torch.nn.functional as F

EPSILON = 1e-5
PADDING = -1e9


def normalise(x):
    """RMSNorm in float32; its scale is folded into the frozen weights that follow."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON)).to(x.dtype)


class Block:
    """Keys and values of n positions, [kv * rows, n, dim] or, the same for all rows, [kv, n, dim]; `bias` is added to
    the scores, broadcast to [kv * rows, group * queries, n]."""

    def __init__(self, key, value, bias=None):
        self.key, self.value, self.bias = key, value, bias


class Model:
    def __init__(self, config, dtype, longest):
        self.width, self.dtype = config["hidden_size"], dtype
        self.heads, self.kv_heads, self.dim = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
        self.group, feed_forward = self.heads // self.kv_heads, config["intermediate_size"]
        weight = lambda rows, columns: (torch.randn(rows, columns) * 0.02).to(dtype)
        self.embedding = weight(config["vocab_size"], self.width)
        joined = (self.heads + 2 * self.kv_heads) * self.dim
        self.layers = [
            (
                weight(joined, self.width),
                weight(1, joined)[0] if config.get("model_type") == "qwen2" else None,
                weight(self.width, self.heads * self.dim),
                weight(2 * feed_forward, self.width),
                weight(self.width, feed_forward),
            )
            for _ in range(config["num_hidden_layers"])
        ]
        angles = torch.arange(longest)[:, None] * config["rope_theta"] ** (-torch.arange(0, self.dim, 2) / self.dim)
        self.cos = torch.cat([angles.cos(), angles.cos()], -1).to(dtype)[:, None]
        self.sin = torch.cat([-angles.sin(), angles.sin()], -1).to(dtype)[:, None]

    def embed(self, ids):
        return F.embedding(ids, self.embedding)

    def run(self, x, start=0, past=(), padding=None, keep=None):
        """The last layer's x of new positions x [rows, S, width] from position `start` on, a number or one for each
        row. `past`: of each layer its blocks. `padding` [rows, S]: True where a row holds nothing. What `keep` is
        called with, layer by layer, is the new positions' block."""
        rows, seq = x.shape[:2]
        places = (start[:, None] if torch.is_tensor(start) else start) + torch.arange(seq)
        cos, sin = self.cos[places], self.sin[places]
        causal = torch.full((seq, seq), -math.inf).triu(1).to(self.dtype).repeat(self.group, 1)
        hidden = None if padding is None else self.padding_bias(padding)
        bias = causal if hidden is None else causal + hidden
        for layer, (w_qkv, b_qkv, w_out, w_gate_up, w_down) in enumerate(self.layers):
            query, own = self.heads_of(F.linear(normalise(x), w_qkv, b_qkv), cos, sin)
            own.bias = bias
            if keep:
                keep(Block(own.key, own.value, hidden))
            mixed = self.attend(query, [*(past[layer] if past else ()), own])
            mixed = mixed.view(self.kv_heads, rows, self.group, seq, self.dim).permute(1, 3, 0, 2, 4)
            x = x + F.linear(mixed.reshape(rows, seq, self.heads * self.dim), w_out)
            gate, up = F.linear(normalise(x), w_gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, w_down)
        return x

    def padding_bias(self, padding):
        return (padding * PADDING).to(self.dtype).repeat(self.kv_heads, 1)[:, None]

    def heads_of(self, qkv, cos, sin):
        """Scaled queries [kv, rows * group * S, dim] and the block of qkv [rows, S, (heads + 2 kv) * dim]."""
        rows, seq = qkv.shape[:2]
        qkv = qkv.view(rows, seq, self.heads + 2 * self.kv_heads, self.dim)
        qk, v = qkv.split([self.heads + self.kv_heads, self.kv_heads], 2)
        qk = qk * cos + qk.roll(self.dim // 2, -1) * sin
        q, k = qk.split([self.heads, self.kv_heads], 2)
        q = q.view(rows, seq, self.kv_heads, self.group, self.dim).permute(2, 0, 3, 1, 4)
        block = lambda t: t.permute(2, 0, 1, 3).reshape(self.kv_heads * rows, seq, self.dim)
        return q.reshape(self.kv_heads, -1, self.dim) * self.dim**-0.5, Block(block(k), block(v))

    def attend(self, query, blocks):
        scores = []
        for block in blocks:
            rows_of_block = query.view(block.key.shape[0], -1, self.dim)
            keys = block.key.transpose(1, 2)
            if block.bias is None:
                own = torch.bmm(rows_of_block, keys)
            else:
                own = torch.baddbmm(block.bias, rows_of_block, keys)
            scores.append(own.view(self.kv_heads, -1, own.shape[-1]))
        shares = (torch.cat(scores, -1) if len(scores) > 1 else scores[0]).softmax(-1)
        mixed = None
        for share, block in zip(shares.split([s.shape[-1] for s in scores], -1), blocks):
            share = share.view(block.value.shape[0], -1, share.shape[-1])
            if mixed is None:
                own = torch.bmm(share, block.value)
            else:
                own = torch.baddbmm(mixed.view(block.value.shape[0], -1, self.dim), share, block.value)
            mixed = own.view(self.kv_heads, -1, self.dim)
        return mixed
