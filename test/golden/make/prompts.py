"""Prompts with tag slots: pieces -> ids, slots, spans, mask, embeddings, losses.

Why: written from the rules of Tag-LLM alone, as an oracle for the TypeScript code. Not a template
parser, and not a tokenizer: `text_ids` splits by longest match, so every golden file stores its ids.
"""
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F

TAG_SLOT, PAD = -1, -2


@lru_cache(None)
def vocabulary(folder):
    return json.loads((Path(folder) / "tokenizer.json").read_text())["model"]["vocab"]


def text_ids(folder, text):
    """Real vocabulary entries of ASCII text: at each place the longest that matches."""
    vocab, ids = vocabulary(folder), []
    text = text.replace(" ", "Ġ").replace("\n", "Ċ") if "Ġ" in vocab else "▁" + text.replace(" ", "▁")
    while text:
        size = next(n for n in range(min(len(text), 24), 0, -1) if text[:n] in vocab)
        ids.append(vocab[text[:size]])
        text = text[size:]
    return ids


@dataclass
class Batch:
    """B examples, right-padded to S. n spans, m slots; ends are exclusive; all int64 tensors."""

    ids: torch.Tensor  # [B,S]: token id, TAG_SLOT or PAD
    spans: torch.Tensor  # [n,4]: example, start (the tag's first slot), end, tag
    slots: torch.Tensor  # [m,3]: example, position, tag; rows of a tag follow each other from 0 to p-1
    readout: torch.Tensor  # [B]: position of the last vector of the function tag
    targets: torch.Tensor  # [B,2]: start and end of the target tokens, equal when there are none

    def rows(self, examples):
        """The batch of these examples only, in this order, at the same padded length."""
        pick = lambda table: torch.cat(
            [torch.cat([torch.full_like(t[:, :1], new), t[:, 1:]], 1)
             for new, old in enumerate(examples) for t in [table[table[:, 0] == old]]]
        )
        return Batch(self.ids[examples], pick(self.spans), pick(self.slots), self.readout[examples], self.targets[examples])

    def stored(self):
        return {name: getattr(self, name) for name in ("ids", "spans", "slots", "readout", "targets")}


def build_batch(folder, examples, vectors_per_tag, function_tag):
    """An example is a list of pieces: text (str), a domain tag with its data (tag, data), the function
    tag (its number), and last, optionally, the target text. `"<s>"` as first piece is the control token."""
    rows, spans, slots, readout, targets = [], [], [], [], []
    for example, pieces in enumerate(examples):
        ids, target_start = [], None

        def place(tag):
            for _ in range(vectors_per_tag):
                slots.append((example, len(ids), tag))
                ids.append(TAG_SLOT)

        for piece in pieces:
            if piece == "<s>":
                ids.append(vocabulary(folder)["<s>"])
            elif piece == function_tag:
                place(piece)
                readout.append(len(ids) - 1)
                target_start = len(ids)
            elif isinstance(piece, tuple):
                tag, data = piece
                start = len(ids)
                place(tag)
                ids += text_ids(folder, data)
                spans.append((example, start, len(ids), tag))
            else:
                ids += text_ids(folder, piece)
        targets.append((target_start, len(ids)))
        rows.append(ids)
    length = max(map(len, rows))
    padded = [row + [PAD] * (length - len(row)) for row in rows]
    return Batch(*map(torch.tensor, (padded, spans, slots, readout, targets)))


def attention_bias(batch, isolated, dtype):
    """[B,1,S,S]: allowed(i,j) = j <= i and not pad(j) and not (isolated and i in a span and j < its start)."""
    count, length = batch.ids.shape
    position = torch.arange(length)
    allowed = (position[None, :] <= position[:, None]) & (batch.ids != PAD)[:, None, :]
    if isolated:
        for example, start, end, _ in batch.spans.tolist():
            allowed[example, start:end, :start] = False
    bias = torch.zeros(count, length, length, dtype=dtype).masked_fill(~allowed, -math.inf)
    return bias[:, None]


def embed_batch(model, batch, vectors):
    """[B,S,d]: token rows, `vectors` [tags,p,d] at the slots, zeros at padding."""
    embeds = model.embed(batch.ids.clamp(min=0)) * (batch.ids >= 0)[..., None]
    example, position, tag = batch.slots.unbind(1)
    row = torch.arange(len(tag)) % vectors.shape[1]
    return embeds.index_put((example, position), vectors[tag, row])


def run(model, batch, vectors, isolated):
    """(last hidden states [B,S,d], logits [B,S,V])"""
    positions = torch.arange(batch.ids.shape[1])
    bias = attention_bias(batch, isolated, model.dtype)
    _, last, logits = model.forward(embed_batch(model, batch, vectors), positions, bias)
    return last, logits


def predictions(last, batch, w, b):
    """[B]: h . w + b, h the hidden state after the final norm at the last vector of the function tag."""
    return last[torch.arange(len(last)), batch.readout] @ w + b


def target_losses(logits, batch):
    """[labelled]: cross-entropy of every target token, predicted from the position before it."""
    parts = [
        F.cross_entropy(logits[i, start - 1 : end - 1], batch.ids[i, start:end], reduction="none")
        for i, (start, end) in enumerate(batch.targets.tolist())
    ]
    return torch.cat(parts)
