"""The PyTorch peer of the benchmarks of pairs: a protein, a molecule, a function tag at the end, eager.

    /usr/bin/python3 bench/peers/torch_pairs.py '{"config": ..., "proteins": [...], ...}' f32
    prints "ready", then answers lines on stdin with {"seconds": ...}:
        plain N         forward and backward of the first N pairs, whole prompts
        fill N          keys and values of the first N proteins, which are kept
        fill-rest N     those of the rest of the prefix of all pairs of the first N proteins, which are kept too
        cached N        N steps of 32 pairs in random order on a prefix without gradients: proteins are kept between
                        pairs and epochs, the rest of the prefix runs under no_grad, a step's pairs of a protein at once
        grouped N       the same for the first N pairs in an order of its own: all pairs of a protein at once
        kept N          as cached, with all of the prefix kept: the 32 pairs of a step at once
        kept-grouped N  as grouped, with all of the prefix kept
        screen N        read-outs of the first N pairs, whole prompts, under no_grad
        screen-cached N the same on the protein's keys and values
        clear           forgets all keys and values        end   {"peakRssBytes", "torch", ...}
    where seconds come with the peak of memory so far.

Shapes as in bench/pairs.ts, the model as in torch_model.py. Whole prompts run one by one, without padding: each is
hundreds of tokens, and more at once are no faster. A protein's keys are shared by its pairs without a copy, and only
the tag's positions are in the graph of the cached side. The loss is on the last position.
"""
import ctypes
import json
import resource
import sys
import time

from fast_torch import configure, require_fast_blas

SHAPE, DTYPE = json.loads(sys.argv[1]), sys.argv[2]
configure(SHAPE["threads"])
import torch  # noqa: E402  (the environment must be set before)
import torch.nn.functional as F  # noqa: E402

from torch_model import PADDING, Block, Model, normalise  # noqa: E402

CONFIG, PROMPT = SHAPE["config"], SHAPE["prompt"]
WIDTH, VOCABULARY, VECTORS = CONFIG["hidden_size"], CONFIG["vocab_size"], PROMPT["vectors"]
TYPE = {"f32": torch.float32, "bf16": torch.bfloat16}[DTYPE]
LONGEST = 4096
LIBC = ctypes.CDLL("libc.so.6")
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
        self.rest = {}

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
            middle, start = self.rest_of(p, own)
            self.on_blocks(p, middle, start, len(own))

    @torch.no_grad()
    def rest_of(self, p, own):
        """Blocks by layer of what stands between a protein and the tag, and where the tag begins."""
        rows, padding = self.padded([self.between(m) for m in own])
        blocks = []
        self.model.run(rows, len(self.protein(p)), self.past_of(p), padding, blocks.append)
        return blocks, len(self.protein(p)) + rows.shape[1]

    def on_blocks(self, p, middle, start, count):
        blocks = [(*before, block) for before, block in zip(self.past_of(p), middle)]
        self.finish(self.model.run(self.tag.expand(count, -1, -1), start, blocks))

    def fill_rest(self, count):
        for p, own in self.by_protein(self.pairs[: count * len(self.molecules)]):
            self.rest.setdefault(p, []).append((own, *self.rest_of(p, own)))

    def kept_grouped(self, count):
        for p, _ in self.by_protein(self.pairs[:count]):
            for own, middle, start in self.rest[p]:
                self.on_blocks(p, middle, start, len(own))

    def kept_steps(self, count):
        for s in range(count):
            chosen = [(p, *self.row_of(p, m)) for p, m in self.order[s * STEP : (s + 1) * STEP]]
            starts = torch.tensor([start for _, _, _, start in chosen])
            blocks = []
            with torch.no_grad():
                for l in range(len(self.model.layers)):
                    proteins = [self.past_of(p)[l][0] for p, *_ in chosen]
                    middles = [self.one_row(middle[l], row) for _, middle, row, _ in chosen]
                    blocks.append((self.side_by_side(proteins), self.side_by_side(middles)))
            self.finish(self.model.run(self.tag.expand(STEP, -1, -1), starts, blocks))

    def row_of(self, p, m):
        """The kept blocks that have the pair's row, which one it is, and where its tag begins."""
        return next((middle, own.index(m), start) for own, middle, start in self.rest[p] if m in own)

    def one_row(self, block, row):
        key, value = (t.view(self.model.kv_heads, -1, *t.shape[1:])[:, row] for t in (block.key, block.value))
        return Block(key, value, block.bias.view(self.model.kv_heads, -1, block.bias.shape[-1])[0, row])

    def side_by_side(self, blocks):
        """One block of many rows: each of `blocks` [kv, n, dim] in its own, filled up in front."""
        heads, _, dim = blocks[0].key.shape
        longest = max(block.key.shape[1] for block in blocks)
        key, value = (torch.zeros(heads, len(blocks), longest, dim, dtype=TYPE) for _ in range(2))
        bias = torch.full((len(blocks), longest), PADDING, dtype=TYPE)
        for row, block in enumerate(blocks):
            begin = longest - block.key.shape[1]
            key[:, row, begin:], value[:, row, begin:] = block.key, block.value
            bias[row, begin:] = 0 if block.bias is None else block.bias
        return Block(key.flatten(0, 1), value.flatten(0, 1), bias.repeat(heads, 1)[:, None])

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
        self.rest.clear()
        LIBC.malloc_trim(0)  # else what was kept stays with the process, and the other sides have no room


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def say(value):
    print(value if isinstance(value, str) else json.dumps(value), flush=True)


def main():
    torch.set_num_threads(SHAPE["threads"])
    blas = require_fast_blas()
    torch.manual_seed(0)
    pairs = Pairs(Model(CONFIG, TYPE, LONGEST))
    requests = {
        "plain": pairs.plain, "fill": pairs.fill, "fill-rest": pairs.fill_rest,
        "cached": pairs.cached, "grouped": pairs.grouped,
        "kept": pairs.kept_steps, "kept-grouped": pairs.kept_grouped,
        "screen": pairs.screen, "screen-cached": pairs.screen_cached, "clear": pairs.clear,
    }  # fmt: skip
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
