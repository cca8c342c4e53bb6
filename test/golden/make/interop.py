"""Runs the Python of docs/interop.md, as it stands there, on polyglot-5m and the tags of interop-tags.ts.

    /usr/bin/python3 test/golden/make/interop.py

transformers and safetensors come from standin/. Writes test/golden/interop/golden.safetensors: `logits` [V] and
`state` [d] at the last position, the predicted `value` [1], and `lengths` of the parts of the prompt.
"""
import re
import sys
import tempfile
from pathlib import Path
from runpy import run_path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "standin"))

from llama import ROOT
from tensors import write_tensors

FOLDER = HERE.parent / "interop"


def main():
    page = (ROOT / "docs" / "interop.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    lines = len(code.strip().split("\n"))
    assert lines <= 15, f"{lines} lines"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "example.py"
        script.write_text(code)
        sys.argv = [str(script), str(ROOT / "models" / "polyglot-5m"), str(FOLDER / "tags")]
        made = run_path(str(script))
    numbers = {name: made[name] for name in ("logits", "state", "value")}
    numbers["lengths"] = torch.tensor([len(part) for part in made["parts"]])
    write_tensors(FOLDER / "golden.safetensors", numbers, "test/golden/make/interop.py")


if __name__ == "__main__":
    main()
