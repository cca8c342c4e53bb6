"""The PyTorch peer of the benchmarks of pairs: a protein, a molecule, a function tag at the end, eager.

    /usr/bin/python3 bench/peers/torch_pairs.py '{"config": ..., "proteins": [...], ...}' f32
    prints "ready", then answers lines on stdin with {"seconds": ...}:
        plain N         forward and backward of the first N pairs, whole prompts
        cached N        the same on a prefix without gradients: keys and values of each protein are kept between
                        pairs and epochs, the rest of the prefix runs under no_grad, all pairs of a protein at once
        screen N        read-outs of the first N pairs, whole prompts, under no_grad
        screen-cached N the same on the protein's keys and values
        clear           forgets all keys and values        end   {"peakRssBytes", "torch", ...}

Shapes as in bench/pairs.ts; weights as in torch_step.py, and as fast as eager PyTorch 1.13 goes on a CPU: joined
projections, heads of a group as rows of one product, a protein's keys shared by its pairs without a copy, only
the tag's ten positions in the graph of the cached side. The loss is on the last position.
"""
import json
import math
import resource
import sys
import time

from fast_torch import configure, require_fast_blas

SHAPE, DTYPE = json.loads(sys.argv[1]), sys.argv[2]
configure(SHAPE["threads"])
import torch  # noqa: E402  (the environment must be set before)
import torch.nn.functional as F  # noqa: E402

CONFIG, PROMPT = SHAPE["config"], SHAPE["prompt"]
WIDTH, LAYERS, VOCABULARY = CONFIG["hidden_size"], CONFIG["num_hidden_layers"], CONFIG["vocab_size"]
HEADS, KV_HEADS, HEAD_DIM = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"], CONFIG["head_dim"]
GROUP, FEED_FORWARD = HEADS // KV_HEADS, CONFIG["intermediate_size"]
VECTORS = PROMPT["vectors"]
TYPE = {"f32": torch.float32, "bf16": torch.bfloat16}[DTYPE]
ROWS_WHOLE, ROWS_CACHED = SHAPE["rowsWhole"], 32


def normalise(x):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype)


class Model:
    def __init__(self):
        torch.manual_seed(0)
        weight = lambda rows, columns: (torch.randn(rows, columns) * 0.02).to(TYPE)
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
        self.head = torch.randn(WIDTH) * 0.02
        longest = 4096
        angles = torch.arange(longest)[:, None] * CONFIG["rope_theta"] ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
        self.cos = torch.cat([angles.cos(), angles.cos()], -1).to(TYPE)[:, None]
        self.sin = torch.cat([-angles.sin(), angles.sin()], -1).to(TYPE)[:, None]

    def run(self, x, start, past=(), mask=None, keep=False):
        """x [B, S, width] at positions from `start`; past: lists by layer of (key, value) [B or 1, KV, P, D];
        mask [B, past + S] True where a row has padding. Returns the last layer's x and, kept, (key, value)."""
        batch, seq = x.shape[:2]
        sizes = [block[0][0].shape[2] for block in past]
        hidden = torch.zeros(1, 1, 1, seq, sum(sizes) + seq, dtype=TYPE)
        hidden[..., sum(sizes):] = torch.full((seq, seq), -math.inf).triu(1).to(TYPE)
        if mask is not None:
            hidden = hidden.masked_fill(mask[:, None, None, None, :], -1e9)
        cos, sin = self.cos[start : start + seq], self.sin[start : start + seq]
        kept = []
        for layer, (w_qkv, w_out, w_gate_up, w_down) in enumerate(self.layers):
            qkv = F.linear(normalise(x), w_qkv).view(batch, seq, HEADS + 2 * KV_HEADS, HEAD_DIM)
            qk, v = qkv.split([HEADS + KV_HEADS, KV_HEADS], 2)
            qk = qk * cos + qk.roll(HEAD_DIM // 2, -1) * sin
            q, k = qk.split([HEADS, KV_HEADS], 2)
            key, value = k.transpose(1, 2), v.transpose(1, 2)
            if keep:
                kept.append((key.contiguous(), value.contiguous()))
            blocks = [block[layer] for block in past] + [(key, value)]
            grouped = q.view(batch, seq, KV_HEADS, GROUP, HEAD_DIM).permute(2, 0, 3, 1, 4)
            scores = [self.products(grouped, block[0].transpose(2, 3)) for block in blocks]
            scores = torch.cat(scores, -1) if len(scores) > 1 else scores[0]
            probabilities = (scores * HEAD_DIM**-0.5 + hidden.transpose(0, 1)).softmax(-1)
            parts = probabilities.split(sizes + [seq], -1)
            mixed = sum(self.products(p, block[1]) for p, block in zip(parts, blocks))
            context = mixed.permute(1, 3, 0, 2, 4).reshape(batch, seq, HEADS * HEAD_DIM)
            x = x + F.linear(context, w_out)
            gate, up = F.linear(normalise(x), w_gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, w_down)
        return x, kept

    @staticmethod
    def products(left, right):
        """left [KV, B, G, S, n] times right [B or 1, KV, n, m]: what all rows share is one product."""
        kv, batch, group, seq, n = left.shape
        if right.shape[0] == 1:
            out = torch.matmul(left.reshape(kv, batch * group * seq, n), right[0])
        else:
            out = torch.matmul(left.reshape(kv, batch, group * seq, n), right.transpose(0, 1))
        return out.view(kv, batch, group, seq, -1)


class Pairs:
    def __init__(self, model):
        self.model = model
        draw = lambda count: torch.randint(VOCABULARY, (count,))
        self.text = {part: draw(PROMPT[part]) for part in ("begin", "middle", "end")}
        self.proteins = [draw(length) for length in SHAPE["proteins"]]
        self.molecules = [draw(length) for length in SHAPE["molecules"]]
        self.domain = (torch.randn(VECTORS, WIDTH) * 0.02).to(TYPE)
        self.tag = (torch.randn(VECTORS, WIDTH) * 0.02).to(TYPE).requires_grad_()
        self.pairs = [(p, m) for p in range(len(self.proteins)) for m in range(len(self.molecules))]
        self.kept = {}

    def embed(self, ids):
        return F.embedding(ids, self.model.embedding)

    def protein(self, p):
        return torch.cat([self.embed(self.text["begin"]), self.domain, self.embed(self.proteins[p])])

    def between(self, m):
        return torch.cat([self.embed(self.text["middle"]), self.domain, self.embed(self.molecules[m]), self.embed(self.text["end"])])

    def past_of(self, p):
        """Keys and values up to the end of the protein, kept."""
        if p not in self.kept:
            with torch.no_grad():
                self.kept[p] = self.model.run(self.protein(p)[None], 0, keep=True)[1]
        return self.kept[p]

    def by_protein(self, count, rows):
        """Pairs of one protein, at most `rows` together, molecules of like lengths beside each other."""
        for p in range(len(self.proteins)):
            own = [m for q, m in self.pairs[:count] if q == p]
            own.sort(key=lambda m: len(self.molecules[m]))
            for at in range(0, len(own), rows):
                yield p, own[at : at + rows]

    def padded(self, parts):
        """Rows [B, S, width], filled up in front, and where that is."""
        longest = max(len(part) for part in parts)
        rows = torch.stack([F.pad(part, (0, 0, longest - len(part), 0)) for part in parts])
        mask = torch.stack([torch.arange(longest) < longest - len(part) for part in parts])
        return rows, mask

    def finish(self, x):
        loss = (normalise(x[:, -1]).float() @ self.model.head - 0.5).square().sum()
        loss.backward()
        if not torch.any(self.tag.grad != 0):
            sys.exit("the tag has no gradient")

    def plain(self, count):
        for p, own in self.by_protein(count, ROWS_WHOLE):
            rows, mask = self.padded([torch.cat([self.protein(p), self.between(m)]) for m in own])
            x = torch.cat([rows, self.tag.expand(len(own), -1, -1)], 1)
            self.finish(self.model.run(x, 0, mask=F.pad(mask, (0, VECTORS)))[0])

    def cached(self, count):
        for p, own in self.by_protein(count, ROWS_CACHED):
            past, start = self.past_of(p), len(self.protein(p))
            rows, mask = self.padded([self.between(m) for m in own])
            mask = F.pad(mask, (start, 0))
            with torch.no_grad():
                middle = self.model.run(rows, start, [past], mask, keep=True)[1]
            x = self.tag.expand(len(own), -1, -1)
            end = start + rows.shape[1]
            self.finish(self.model.run(x, end, [past, middle], F.pad(mask, (0, VECTORS)))[0])

    @torch.no_grad()
    def screen(self, count):
        for p, own in self.by_protein(count, ROWS_WHOLE):
            parts = [torch.cat([self.protein(p), self.between(m), self.tag]) for m in own]
            rows, mask = self.padded(parts)
            normalise(self.model.run(rows, 0, mask=mask)[0][:, -1])

    @torch.no_grad()
    def screen_cached(self, count):
        for p, own in self.by_protein(count, ROWS_CACHED):
            past, start = self.past_of(p), len(self.protein(p))
            rows, mask = self.padded([torch.cat([self.between(m), self.tag]) for m in own])
            normalise(self.model.run(rows, start, [past], F.pad(mask, (start, 0)))[0][:, -1])

    def clear(self, _count):
        self.kept.clear()


def say(value):
    print(value if isinstance(value, str) else json.dumps(value), flush=True)


def main():
    torch.set_num_threads(SHAPE["threads"])
    blas = require_fast_blas()
    pairs = Pairs(Model())
    requests = {name: getattr(pairs, name.replace("-", "_")) for name in ("plain", "cached", "screen", "screen-cached", "clear")}
    say("ready")
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "end":
            break
        if word not in requests:
            sys.exit(f"unknown request {line.strip()!r}: expected one of {', '.join(requests)}")
        pairs.tag.grad = None
        start = time.perf_counter()
        requests[word](int(number or 0))
        say({"seconds": time.perf_counter() - start})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    say({"peakRssBytes": peak, "torch": torch.__version__, "dtype": DTYPE, **blas})


if __name__ == "__main__":
    main()
