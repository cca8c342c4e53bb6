"""Golden numbers of the real small checkpoints, in the layout of ../shared/golden (README.md there).

    /usr/bin/python3 test/golden/make/models.py

Writes test/golden/polyglot-5m.safetensors and tinystories-656k.safetensors. No inputs_embeds: they are
rows of the embedding table at input_ids.
"""
from pathlib import Path

import torch

from llama import ROOT, SHARED, Llama, golden_numbers, print_rounding
from prompts import text_ids
from tensors import write_tensors

GOLDEN = Path(__file__).resolve().parents[1]
LENGTH = 20
ROWS = {
    ROOT / "models" / "polyglot-5m": [
        "The Treasury has received the money and the President said to the people: keep peace in the land and do not let the wars begin again",
        "# # Input: The SMILES of the molecule is CC(=O)Nc1ccc(O)cc1. \n# # Output: 0.59",
    ],
    SHARED / "models" / "tinystories-656k": [
        "Once upon a time, a little girl named Lily lived in a small house with her mom and dad. One day she found a box with a key in the yard, and she ran home.",
        "The dog was very happy. He ran to the park and saw a big red ball under the tree. He took it home and hid it from the cat.",
    ],
}


def main():
    for folder, rows in ROWS.items():
        print(folder.name)
        model = Llama(folder)
        ids = torch.tensor([text_ids(folder, row)[:LENGTH] for row in rows])
        generator = torch.Generator().manual_seed(7)
        w = torch.randn(model.config["hidden_size"], generator=generator) / model.config["hidden_size"] ** 0.5
        numbers = golden_numbers(model, ids, w, torch.tensor([0.7, -1.3]))
        print(f"  loss_ce {float(numbers['loss_ce']):.4f}, loss_reg {float(numbers['loss_reg']):.4f}")
        print_rounding(Llama(folder, torch.float64), numbers)
        write_tensors(GOLDEN / f"{folder.name}.safetensors", numbers, "test/golden/make/models.py")


if __name__ == "__main__":
    main()
