"""Golden numbers of tag vectors and a head on polyglot-5m: two losses, their gradients, with and
without span isolation, for tags of 1 and of 10 vectors.

    /usr/bin/python3 test/golden/make/tags.py

Writes test/golden/tags-p{1,10}-{isolated,plain}.safetensors. Nothing here is trained.
"""
from pathlib import Path

import torch

from llama import ROOT, Llama
from prompts import build_batch, predictions, run, target_losses
from tensors import relative_error, write_tensors

GOLDEN = Path(__file__).resolve().parents[1]
BASE = ROOT / "models" / "polyglot-5m"
SMILES, PROTEIN, FUNCTION = 0, 1, 2
EXAMPLES = [
    # one span, then a target
    ["<s>", "# # Input: SMILES", (SMILES, " CC(=O)Nc1ccc(O)cc1"), ". \n# # Output: is", FUNCTION, " 0.59."],
    # two spans of different domains, no target
    ["<s>", "The protein is", (PROTEIN, " MKTAYIAKQR"), ". \nThe drug is", (SMILES, " CCOc1ccccc1"), ". \nThe score is", FUNCTION],
    # short, and begins with a span
    [(PROTEIN, " GSHMLEDP"), " it is", FUNCTION, " no."],
    # the same domain twice, then the longest target
    ["<s>", "Drug 1 is", (SMILES, " CN1CCC1"), ". \nDrug 2 is", (SMILES, " O=C(O)c1ccccc1"), ". \nThe combination score is", FUNCTION, " a strong drug and a good one."],
]


def initial_vectors(model, tags, vectors_per_tag, generator):
    """[tags,p,d]: the mean embedding scaled to the mean row norm, plus noise so that rows differ."""
    mean = model.embedding.mean(0)
    row_norm = model.embedding.norm(dim=1).mean()
    base = mean * (row_norm / mean.norm())
    noise = torch.randn(tags, vectors_per_tag, len(mean), generator=generator)
    return base + noise * (0.5 * row_norm / len(mean) ** 0.5)


def golden(model, batch, isolated, vectors, w, b, y):
    """Everything that the two losses give, in the model's dtype."""
    vectors, w, b, y = (t.detach().to(model.dtype) for t in (vectors, w, b, y))
    for tensor in (vectors, w, b):
        tensor.requires_grad_()
    last, logits = run(model, batch, vectors, isolated)
    pred = predictions(last, batch, w, b)
    loss_reg = (pred - y).pow(2).mean()
    token_losses = target_losses(logits, batch)
    loss_ce = token_losses.sum() / len(token_losses)
    grads = torch.autograd.grad(loss_reg, [vectors, w, b], retain_graph=True)
    return {
        "readout_state": last[torch.arange(len(last)), batch.readout],
        "pred_reg": pred,
        "loss_reg": loss_reg,
        "grad_reg.vectors": grads[0],
        "grad_reg.w": grads[1],
        "grad_reg.b": grads[2],
        "token_losses": token_losses,
        "loss_ce": loss_ce,
        "grad_ce.vectors": torch.autograd.grad(loss_ce, vectors)[0],
    }


def rounding(ours, exact):
    """Relative error, the worst of the tags where there are several: their gradients differ in size."""
    return max(map(relative_error, ours, exact)) if ours.dim() == 3 else relative_error(ours, exact)


def assert_accumulation(model, batch, isolated, vectors, numbers):
    """Two micro-batches of two examples, each divided by the total of labelled tokens, give the same."""
    vectors = vectors.clone().requires_grad_()
    total = len(numbers["token_losses"])
    loss = 0.0
    for examples in ([0, 1], [2, 3]):
        part = batch.rows(examples)
        _, logits = run(model, part, vectors, isolated)
        part_loss = target_losses(logits, part).sum() / total
        part_loss.backward()
        loss += part_loss.detach()
    errors = relative_error(loss, numbers["loss_ce"]), rounding(vectors.grad, numbers["grad_ce.vectors"])
    assert max(errors) < 5e-6, errors
    print(f"  accumulation: loss {errors[0]:.1e}, gradient {errors[1]:.1e}")


def main():
    model, model64 = Llama(BASE), Llama(BASE, torch.float64)
    for size in (1, 10):
        generator = torch.Generator().manual_seed(60 + size)
        vectors = initial_vectors(model, 3, size, generator)
        w = torch.randn(vectors.shape[2], generator=generator) / vectors.shape[2] ** 0.5
        b, y = torch.tensor([0.25]), torch.tensor([3.0, -2.0, 1.5, 4.0])
        batch = build_batch(BASE, EXAMPLES, size, FUNCTION)
        print(f"p = {size}: lengths {(batch.ids != -2).sum(1).tolist()}")
        for isolated in (True, False):
            numbers = golden(model, batch, isolated, vectors, w, b, y)
            exact = golden(model64, batch, isolated, vectors, w, b, y)
            print(f" isolated {isolated}: loss_reg {float(numbers['loss_reg']):.5f}, loss_ce {float(numbers['loss_ce']):.5f}")
            print("  float32 against float64: " + ", ".join(f"{n} {rounding(numbers[n], exact[n]):.1e}" for n in numbers))
            assert_accumulation(model, batch, isolated, vectors, numbers)
            inputs = {**batch.stored(), "isolated": torch.tensor([int(isolated)]), "vectors": vectors, "w": w, "b": b, "y": y}
            name = f"tags-p{size}-{'isolated' if isolated else 'plain'}.safetensors"
            write_tensors(GOLDEN / name, {**inputs, **numbers}, "test/golden/make/tags.py")


if __name__ == "__main__":
    main()
