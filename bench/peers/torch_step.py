"""The PyTorch peer of the step benchmark: one tag-training step at the sizes of a base, eager.

    /usr/bin/python3 bench/peers/torch_step.py --steps 5 --warmup 2 --dtype f32     # on its own
    ... without --steps: prints "ready" after the warm-up, then answers lines on stdin:
        step -> {"seconds", "loss"}         end -> {"peakRssBytes", "torch", "threads", "blas", ...}

With --micro N, N rows at a time: gradients add up, as in training with accumulated gradients.

A step: forward, loss at the labelled positions (the last ones of each row), gradient of the ten tag
vectors at positions 10..19 of each row. All weights are frozen and random. Written to be as fast as
eager PyTorch 1.13 goes on a CPU (torch_model.py), head only where there is a loss. Not a training: nothing
is updated.
"""
import argparse
import json
import resource
import sys
import time

from fast_torch import configure, require_fast_blas

SMOLLM = {
    "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "vocab_size": 49152,
    "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "rope_theta": 100000.0,
}
TAG_START, TAG_VECTORS = 10, 10


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=0, help="time this many steps and stop (0: speak the line protocol)")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--config", type=json.loads, default=SMOLLM, help="the base's config.json (default: SmolLM2-135M)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--labelled", type=int, default=64, help="labelled positions in the whole batch")
    parser.add_argument("--micro", type=int, default=0, help="rows at a time (0: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    options = parser.parse_args()
    if options.labelled % options.batch or options.labelled // options.batch >= options.seq:
        parser.error("--labelled must be a multiple of --batch and less than --batch times --seq")
    options.micro = options.micro or options.batch
    if options.batch % options.micro:
        parser.error("--batch must be a multiple of --micro")
    if options.seq < TAG_START + TAG_VECTORS:
        parser.error(f"--seq must be at least {TAG_START + TAG_VECTORS}")
    return options


options = parse()
configure(options.threads)
import torch  # noqa: E402  (the environment must be set before)
import torch.nn.functional as F  # noqa: E402
from torch_model import Model, normalise  # noqa: E402


class Step:
    def __init__(self, batch, micro, seq, labelled, dtype):
        torch.manual_seed(0)
        self.micro, self.parts, self.labels = micro, batch // micro, labelled // batch
        self.model = Model(options.config, dtype, seq)
        ids = torch.randint(options.config["vocab_size"], (batch, seq))
        self.embeds = self.model.embed(ids)
        self.tag = self.model.embedding.mean(0).repeat(TAG_VECTORS, 1).requires_grad_()
        self.targets = ids[:, -self.labels :]

    def run(self):
        """Loss of one step; the gradient is in self.tag.grad."""
        self.tag.grad = None
        return sum(self.part(*rows) for rows in zip(self.embeds.split(self.micro), self.targets.split(self.micro)))

    def part(self, embeds, targets):
        before, after = embeds[:, :TAG_START], embeds[:, TAG_START + TAG_VECTORS :]
        x = self.model.run(torch.cat([before, self.tag.expand(self.micro, -1, -1), after], 1))
        last = normalise(x[:, -self.labels - 1 : -1].reshape(-1, self.model.width))
        loss = F.cross_entropy(F.linear(last, self.model.embedding).float(), targets.reshape(-1)) / self.parts
        loss.backward()
        return loss.item()


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
    step = Step(options.batch, options.micro, options.seq, options.labelled, dtype)
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
