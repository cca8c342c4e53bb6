"""The PyTorch peer of the step benchmark: one tag-training step at the shape of SmolLM2-135M, eager.

    /usr/bin/python3 bench/peers/torch_step.py --steps 5 --warmup 2 --dtype f32     # on its own
    ... without --steps: prints "ready" after the warm-up, then answers lines on stdin:
        step -> {"seconds", "loss"}         end -> {"peakRssBytes", "torch", "threads", "blas", ...}

A step: forward, loss at the labelled positions (the last ones of each row), gradient of the ten tag
vectors at positions 10..19 of each row. All weights are frozen and random. Written to be as fast as
eager PyTorch 1.13 goes on a CPU: joined projections, no expanded keys and values, the norm scales folded
into the frozen weights, head only where there is a loss. Not a training: nothing is updated.
"""
import argparse
import json
import math
import os
import resource
import sys
import time

from fast_torch import configure, require_fast_blas

LAYERS, WIDTH, HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD, VOCABULARY = 30, 576, 9, 3, 64, 1536, 49152
TAG_START, TAG_VECTORS, EPSILON, ROPE_THETA = 10, 10, 1e-5, 100000.0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=0, help="time this many steps and stop (0: speak the line protocol)")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--labelled", type=int, default=64, help="labelled positions in the whole batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    options = parser.parse_args()
    if options.labelled % options.batch or options.labelled // options.batch >= options.seq:
        parser.error("--labelled must be a multiple of --batch and less than --batch times --seq")
    if options.seq < TAG_START + TAG_VECTORS:
        parser.error(f"--seq must be at least {TAG_START + TAG_VECTORS}")
    return options


options = parse()
configure(options.threads)
import torch  # noqa: E402  (the environment must be set before)
import torch.nn.functional as F  # noqa: E402


class Step:
    def __init__(self, batch, seq, labelled, dtype):
        torch.manual_seed(0)
        self.batch, self.seq, self.labels = batch, seq, labelled // batch
        weight = lambda rows, columns: (torch.randn(rows, columns) * 0.02).to(dtype)
        self.embedding = weight(VOCABULARY, WIDTH)
        self.layers = [
            (
                weight((HEADS + 2 * KV_HEADS) * HEAD_DIM, WIDTH),
                weight(WIDTH, HEADS * HEAD_DIM),
                weight(2 * FEED_FORWARD, WIDTH),
                weight(WIDTH, FEED_FORWARD),
            )
            for _ in range(LAYERS)
        ]
        self.ids = torch.randint(VOCABULARY, (batch, seq))
        self.tag = self.embedding.mean(0).repeat(TAG_VECTORS, 1).requires_grad_()
        self.targets = self.ids[:, -self.labels :].reshape(-1)
        self.embeds = F.embedding(self.ids, self.embedding)
        angles = torch.arange(seq)[:, None] * ROPE_THETA ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
        self.cos = torch.cat([angles.cos(), angles.cos()], -1).to(dtype)[:, None]
        self.sin = torch.cat([-angles.sin(), angles.sin()], -1).to(dtype)[:, None]
        causal = torch.full((seq, seq), -math.inf).triu(1).to(dtype)
        self.mask = causal.repeat(HEADS // KV_HEADS, 1)

    def run(self):
        """Loss of one step; the gradient is in self.tag.grad."""
        self.tag.grad = None
        before, after = self.embeds[:, :TAG_START], self.embeds[:, TAG_START + TAG_VECTORS :]
        x = torch.cat([before, self.tag.expand(self.batch, -1, -1), after], 1)
        for qkv, out, gate_up, down in self.layers:
            x = x + F.linear(self.attention(F.linear(normalise(x), qkv)), out)
            gate, up = F.linear(normalise(x), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        last = normalise(x[:, -self.labels - 1 : -1].reshape(-1, WIDTH))
        loss = F.cross_entropy(F.linear(last, self.embedding).float(), self.targets)
        loss.backward()
        return loss.item()

    def attention(self, qkv):
        """Heads of a group share keys and values: their queries stand below one another, [B*kv, group*S, dim]."""
        group = HEADS // KV_HEADS
        qkv = qkv.view(self.batch, self.seq, HEADS + 2 * KV_HEADS, HEAD_DIM)
        qk, v = qkv.split([HEADS + KV_HEADS, KV_HEADS], 2)
        qk = qk * self.cos + qk.roll(HEAD_DIM // 2, -1) * self.sin
        q, k = qk.split([HEADS, KV_HEADS], 2)
        q = q.transpose(1, 2).reshape(self.batch * KV_HEADS, group * self.seq, HEAD_DIM)
        k = k.transpose(1, 2).reshape(self.batch * KV_HEADS, self.seq, HEAD_DIM)
        v = v.transpose(1, 2).reshape(self.batch * KV_HEADS, self.seq, HEAD_DIM)
        scores = torch.baddbmm(self.mask, q, k.transpose(1, 2), alpha=HEAD_DIM**-0.5)
        mixed = torch.bmm(scores.softmax(-1), v).view(self.batch, HEADS, self.seq, HEAD_DIM)
        return mixed.transpose(1, 2).reshape(self.batch, self.seq, HEADS * HEAD_DIM)


def normalise(x):
    """RMSNorm in float32; its scale is folded into the frozen weights that follow."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON)).to(x.dtype)


def timed(step):
    start = time.perf_counter()
    loss = step.run()
    return {"seconds": time.perf_counter() - start, "loss": loss}


def say(value):
    print(value if isinstance(value, str) else json.dumps(value), flush=True)


def main():
    torch.set_num_threads(options.threads)
    blas = require_fast_blas()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    step = Step(options.batch, options.seq, options.labelled, dtype)
    for _ in range(options.warmup):
        step.run()
    if options.steps:
        for _ in range(options.steps):
            say(timed(step))
    else:
        say("ready")
        for line in sys.stdin:
            if line.strip() == "step":
                say(timed(step))
            elif line.strip() == "end":
                break
            else:
                sys.exit(f"unknown request {line.strip()!r}: expected step or end")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say({"peakRssBytes": peak, "torch": torch.__version__, "threads": torch.get_num_threads(), "dtype": options.dtype, **blas})


if __name__ == "__main__":
    main()
