"""Files of other programs that hold vectors: .npy by numpy itself, and adapters in the layout that PEFT's
save_pretrained writes.

    /usr/bin/python3 test/golden/make/foreign.py

Writes test/golden/foreign. Every matrix is 3 x 4 and holds (4 i + j - 5) / 8, exact in 16 bits; the adapters are
2 x 256, row i full of (i + 1) / 16. PEFT is not needed: its two files are a config and one tensor.
"""
import json
from pathlib import Path

import numpy as np
import torch

from tensors import write_tensors

FOLDER = Path(__file__).resolve().parents[1] / "foreign"
VALUES = (np.arange(12).reshape(3, 4) - 5) / 8


def save(name, array, version=None, allow_pickle=False):
    with open(FOLDER / f"{name}.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version, allow_pickle=allow_pickle)


def adapter(name, tensor_name="prompt_embeddings", **changes):
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    rows = torch.tensor([[1 / 16], [2 / 16]]).expand(2, 256)
    write_tensors(folder / "adapter_model.safetensors", {tensor_name: rows}, "test/golden/make/foreign.py")
    config = {
        "auto_mapping": None, "base_model_name_or_path": "models/polyglot-5m", "inference_mode": True,
        "num_attention_heads": 4, "num_layers": 6, "num_transformer_submodules": 1, "num_virtual_tokens": 2,
        "peft_type": "PROMPT_TUNING", "prompt_tuning_init": "RANDOM", "prompt_tuning_init_text": None,
        "revision": None, "task_type": "CAUSAL_LM", "token_dim": 256, "tokenizer_name_or_path": None, **changes,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    FOLDER.mkdir(exist_ok=True)
    save("f4-v1", VALUES.astype("<f4"), (1, 0))
    save("f8-v2", VALUES.astype("<f8"), (2, 0))
    save("f2-v3", VALUES.astype("<f2"), (3, 0))
    save("f4-fortran", np.asfortranarray(VALUES.astype("<f4")))
    save("f4-batch", VALUES.astype("<f4")[None])
    save("f8-fortran-batch", np.asfortranarray(VALUES[None]))
    save("objects", np.array([[1.5, None]], dtype=object), allow_pickle=True)
    save("integers", VALUES.astype("<i4"))
    save("big-endian", VALUES.astype(">f4"))
    save("records", np.zeros(3, dtype=[("a", "<f4"), ("b", "<f4")]))
    save("row", VALUES[0].astype("<f4"))
    adapter("prompt-tuning")
    adapter("p-tuning", peft_type="P_TUNING", encoder_hidden_size=128, encoder_reparameterization_type="MLP")
    adapter("prefix-tuning", peft_type="PREFIX_TUNING", prefix_projection=False)
    adapter("lora", "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", peft_type="LORA")


if __name__ == "__main__":
    main()
