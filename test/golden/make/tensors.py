"""Read and write safetensors files with numpy alone.

Why: Debian has no safetensors package. Not a validator: it trusts the files it is given.
"""
import json
import struct
from pathlib import Path

import numpy as np
import torch

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U16": "<u2"}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


def read_tensors(path):
    """{name: torch tensor}; bf16 becomes float32, everything else keeps its dtype."""
    data = Path(path).read_bytes()
    (header_size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + header_size])
    header.pop("__metadata__", None)
    return {name: _tensor(entry, data, 8 + header_size) for name, entry in header.items()}


def _tensor(entry, data, base):
    begin, end = entry["data_offsets"]
    raw = data[base + begin : base + end]
    if entry["dtype"] == "BF16":
        array = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        array = np.frombuffer(raw, DTYPES[entry["dtype"]]).copy()
    return torch.from_numpy(array.reshape(entry["shape"]))


def write_tensors(path, tensors, made_by):
    """Floats are stored as F32, integers as I32, in the order given."""
    header = {"__metadata__": {"made_by": made_by, "pytorch": torch.__version__}}
    chunks, offset = [], 0
    for name, tensor in tensors.items():
        tensor = torch.as_tensor(tensor).detach()
        tensor = tensor.float() if tensor.is_floating_point() else tensor.int()
        array = np.ascontiguousarray(tensor.numpy())
        if array.ndim == 0:
            array = array.reshape(1)
        chunks.append(array.tobytes())
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    print(f"{path}: {8 + len(text) + offset:,} bytes")


def relative_error(ours, golden):
    """max|ours - golden| / max|golden| over a tensor, in float64."""
    ours, golden = torch.as_tensor(ours).detach().double(), torch.as_tensor(golden).detach().double()
    return float((ours.reshape(golden.shape) - golden).abs().max() / golden.abs().max())
