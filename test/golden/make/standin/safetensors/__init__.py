"""As much of the safetensors package as docs/interop.md uses."""
import json
import struct
from pathlib import Path

from tensors import read_tensors


class safe_open:
    def __init__(self, path, framework):
        assert framework == "pt"
        data = Path(path).read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        self._metadata = json.loads(data[8 : 8 + size]).get("__metadata__")
        self._tensors = read_tensors(path)

    def metadata(self):
        return self._metadata

    def get_tensor(self, name):
        return self._tensors[name]
