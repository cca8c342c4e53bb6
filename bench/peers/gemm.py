"""This machine's matrix-product rate in PyTorch, to read every other number beside it.

    /usr/bin/python3 bench/peers/gemm.py     # one line of JSON, GFLOP/s, best of many runs
"""
import json
import time

from fast_torch import configure, require_fast_blas

THREADS, SIZE, RUNS = 2, 1024, 40
configure(THREADS)
import torch  # noqa: E402  (the environment must be set before)


def rate(dtype):
    left, right = torch.randn(SIZE, SIZE).to(dtype), torch.randn(SIZE, SIZE).to(dtype)
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - start)
    return round(2 * SIZE**3 / min(seconds) / 1e9, 1)


def main():
    torch.set_num_threads(THREADS)
    blas = require_fast_blas()
    rates = {"f32": rate(torch.float32), "bf16": rate(torch.bfloat16)}
    print(json.dumps({"size": SIZE, "gflops": rates, "torch": torch.__version__, "threads": THREADS, **blas}))


if __name__ == "__main__":
    main()
