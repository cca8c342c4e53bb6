"""The PyTorch peer of the benchmarks of pairs: a protein, a molecule, a function tag at the end, eager.

    /usr/bin/python3 bench/peers/torch_pairs.py '{"config": ..., "proteins": [...], ...}' f32
    prints "ready", then answers lines on stdin with {"seconds": ...}:
        plain N         forward and backward of the first N pairs, whole prompts
        fill N          keys and values of the first N proteins, which are kept
        cached N        N steps of 32 pairs in random order on a prefix without gradients: proteins are kept between
                        pairs and epochs, the rest of the prefix runs under no_grad, a step's pairs of a protein at once
        grouped N       the same for the first N pairs in an order of its own: all pairs of a protein at once
        screen N        read-outs of the first N pairs, whole prompts, under no_grad
        screen-cached N the same on the protein's keys and values
        clear           forgets all keys and values        end   {"peakRssBytes", "torch", ...}
    where seconds come with the peak of memory so far.

Shapes as in bench/pairs.ts, the model as in torch_model.py. Whole prompts run one by one, without padding: each is
hundreds of tokens, and more at once are no faster. A protein's keys are shared by its pairs without a copy, and only
the tag's positions are in the graph of the cached side. The loss is on the last position.
"""
import json
import resource
import sys
import time

from fast_torch import configure, require_fast_blas

SHAPE, DTYPE = json.loads(sys.argv[1]), sys.argv[2]
configure(SHAPE["threads"])
import torch  # noqa: E402  (the environment must be set before)
import torch.nn.functional as F  # noqa: E402

from torch_model import Model, normalise  # noqa: E402

CONFIG, PROMPT = SHAPE["config"], SHAPE["prompt"]
WIDTH, VOCABULARY, VECTORS = CONFIG["hidden_size"], CONFIG["vocab_size"], PROMPT["vectors"]
TYPE = {"f32": torch.float32, "bf16": torch.bfloat16}[DTYPE]
LONGEST = 4096
ROWS_CACHED = 32
STEP = 32


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
        self.order = [self.pairs[i] for i in torch.randperm(len(self.pairs))]
        self.head = torch.randn(WIDTH) * 0.02
        self.kept = {}

    def protein(self, p):
        embed = self.model.embed
        return torch.cat([embed(self.text["begin"]), self.domain, embed(self.proteins[p])])

    def between(self, m):
        embed = self.model.embed
        return torch.cat([embed(self.text["middle"]), self.domain, embed(self.molecules[m]), embed(self.text["end"])])

    def past_of(self, p):
        """Blocks of the prompt up to the end of the protein by layer, kept."""
        if p not in self.kept:
            blocks = []
            with torch.no_grad():
                self.model.run(self.protein(p)[None], keep=blocks.append)
            self.kept[p] = [(block,) for block in blocks]
        return self.kept[p]

    def by_protein(self, pairs):
        """Pairs of one protein, at most ROWS_CACHED together, molecules of like lengths beside each other."""
        for p in range(len(self.proteins)):
            own = [m for q, m in pairs if q == p]
            own.sort(key=lambda m: len(self.molecules[m]))
            for at in range(0, len(own), ROWS_CACHED):
                yield p, own[at : at + ROWS_CACHED]

    def padded(self, parts):
        """Rows [B, S, width], filled up in front, and where that is."""
        longest = max(len(part) for part in parts)
        rows = torch.stack([F.pad(part, (0, 0, longest - len(part), 0)) for part in parts])
        mask = torch.stack([torch.arange(longest) < longest - len(part) for part in parts])
        return rows, mask

    def whole(self, p, m):
        return torch.cat([self.protein(p), self.between(m), self.tag])[None]

    def finish(self, x):
        loss = (normalise(x[:, -1]).float() @ self.head - 0.5).square().sum()
        loss.backward()
        if not torch.any(self.tag.grad != 0):
            sys.exit("the tag has no gradient")

    def plain(self, count):
        for p, m in self.pairs[:count]:
            self.finish(self.model.run(self.whole(p, m)))

    def fill(self, count):
        for p in range(count):
            self.past_of(p)

    def cached(self, count):
        for s in range(count):
            self.on_prefix(self.order[s * STEP : (s + 1) * STEP])

    def grouped(self, count):
        self.on_prefix(self.pairs[:count])

    def on_prefix(self, pairs):
        for p, own in self.by_protein(pairs):
            past, start = self.past_of(p), len(self.protein(p))
            rows, padding = self.padded([self.between(m) for m in own])
            middle = []
            with torch.no_grad():
                self.model.run(rows, start, past, padding, middle.append)
            blocks = [(*before, block) for before, block in zip(past, middle)]
            self.finish(self.model.run(self.tag.expand(len(own), -1, -1), start + rows.shape[1], blocks))

    @torch.no_grad()
    def screen(self, count):
        for p, m in self.pairs[:count]:
            normalise(self.model.run(self.whole(p, m))[:, -1])

    @torch.no_grad()
    def screen_cached(self, count):
        for p, own in self.by_protein(self.pairs[:count]):
            rows, padding = self.padded([torch.cat([self.between(m), self.tag]) for m in own])
            normalise(self.model.run(rows, len(self.protein(p)), self.past_of(p), padding)[:, -1])

    def clear(self, _count):
        self.kept.clear()


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def say(value):
    print(value if isinstance(value, str) else json.dumps(value), flush=True)


def main():
    torch.set_num_threads(SHAPE["threads"])
    blas = require_fast_blas()
    torch.manual_seed(0)
    pairs = Pairs(Model(CONFIG, TYPE, LONGEST))
    names = ("plain", "fill", "cached", "grouped", "screen", "screen-cached", "clear")
    requests = {name: getattr(pairs, name.replace("-", "_")) for name in names}
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
        say({"seconds": time.perf_counter() - start, "peakRssBytes": peak_memory()})
    say({"peakRssBytes": peak_memory(), "torch": torch.__version__, "dtype": DTYPE, **blas})


if __name__ == "__main__":
    main()
