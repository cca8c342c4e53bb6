"""As much of transformers' API as docs/interop.md uses, over the Llama of llama.py; names, arguments and results
are those of the real package. The tokenizer is byte-level BPE, for ASCII text only.
"""
import json
import re
from pathlib import Path
from types import SimpleNamespace

import torch

from llama import Llama


class _Model:
    def __init__(self, llama):
        self._llama = llama

    def eval(self):
        return self

    def get_input_embeddings(self):
        return self._llama.embed

    def __call__(self, inputs_embeds, attention_mask, output_hidden_states):
        """A 4-D attention_mask is added to the scores. hidden_states ends with the last one, after the final norm."""
        assert attention_mask.dim() == 4 and output_hidden_states
        positions = torch.arange(inputs_embeds.shape[1])
        outputs, last, logits = self._llama.forward(inputs_embeds, positions, attention_mask)
        return SimpleNamespace(logits=logits, hidden_states=(inputs_embeds, *outputs[:-1], last))


class AutoModelForCausalLM:
    @staticmethod
    def from_pretrained(folder, torch_dtype):
        return _Model(Llama(folder, torch_dtype))


class _Tokenizer:
    def __init__(self, folder):
        model = json.loads((Path(folder) / "tokenizer.json").read_text())["model"]
        self._vocab = model["vocab"]
        pairs = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(pairs)}
        self.bos_token_id = self._vocab["<s>"]

    def __call__(self, text, add_special_tokens, return_tensors):
        assert text.isascii() and not add_special_tokens and return_tensors == "pt"
        ids = [self._vocab[piece] for digit in re.findall(r"\d|\D+", text) for word in _words(digit) for piece in self._merge(word)]
        return SimpleNamespace(input_ids=torch.tensor([ids]))

    def _merge(self, word):
        pieces = list(word.replace(" ", "Ġ").replace("\n", "Ċ"))
        while len(pieces) > 1:
            ranked = [(self._ranks.get(pair, 1 << 30), i) for i, pair in enumerate(zip(pieces, pieces[1:]))]
            rank, i = min(ranked)
            if rank == 1 << 30:
                break
            pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
        return pieces


def _words(text):
    """The pattern of byte-level BPE, for ASCII."""
    return re.findall(r"'(?:[sdmt]|ll|ve|re)| ?[A-Za-z]+| ?\d+| ?[^\sA-Za-z\d]+|\s+(?!\S)|\s+", text)


class AutoTokenizer:
    @staticmethod
    def from_pretrained(folder):
        return _Tokenizer(folder)
