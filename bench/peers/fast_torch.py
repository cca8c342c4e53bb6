"""Puts PyTorch on the CPU into its fastest correct configuration, and says which one that is.

Debian's PyTorch 1.13 multiplies float32 matrices with whatever libblas.so.3 is installed. The reference
BLAS is about forty times slower than OpenBLAS, so a comparison with it would be unfair: it is refused.
"""
import ctypes
import os
import sys


def configure(threads):
    """Call before `import torch`. The kernels are named, as OpenBLAS goes by a list of processors: on one
    that is newer than itself it takes those for SSE3 (Prescott), a fifth of the rate. require_fast_blas
    checks that results are right.
    PyTorch's threads sleep when idle: spinning, they would take the cores from OpenBLAS's own threads."""
    os.environ.pop("OPENBLAS_L2_SIZE", None)
    os.environ["OPENBLAS_CORETYPE"] = fastest_core()
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "passive"


def fastest_core():
    """By the processor's instructions; SkylakeX has the f32 products of all later cores too."""
    with open("/proc/cpuinfo") as lines:
        flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "SkylakeX" if "avx512f" in flags else "Haswell" if "avx2" in flags else ""


def require_fast_blas():
    """{"blas", "blasCore", "gemmError"}; ends the program when PyTorch has no OpenBLAS or it is wrong."""
    import torch

    torch.ones(2, 2) @ torch.ones(2, 2)
    with open("/proc/self/maps") as maps:
        mapped = {line.split()[-1] for line in maps if "/" in line}
    libraries = sorted(os.path.realpath(path) for path in mapped if "blas" in os.path.basename(path))
    fast = [path for path in libraries if "openblas" in path]
    if not fast:
        sys.exit(f"PyTorch uses {', '.join(libraries) or 'an unknown BLAS'}; for a fair comparison: apt-get install libopenblas0-pthread")
    core = ctypes.CDLL(fast[0]).openblas_get_corename
    core.restype = ctypes.c_char_p
    error = gemm_error()
    if error > 1e-5:
        sys.exit(f"OpenBLAS computes wrong products here with its kernels for {core().decode()} (relative error {error:.1e})")
    return {"blas": os.path.basename(fast[0]), "blasCore": core().decode(), "gemmError": error}


def gemm_error():
    """Worst relative error of float32 products against float64, over the layouts and sizes of a step."""
    import torch

    generator, worst = torch.Generator().manual_seed(1), 0.0
    for rows, inner, columns in ((2048, 576, 960), (512, 1536, 576), (257, 300, 129), (64, 576, 1031), (7, 64, 33)):
        left = torch.randn(rows, inner, generator=generator)
        for right in (torch.randn(inner, columns, generator=generator), torch.randn(columns, inner, generator=generator).t()):
            exact = left.double() @ right.double()
            worst = max(worst, float(((left @ right).double() - exact).abs().max() / exact.abs().max()))
    return worst
