"""Twenty AdamW steps on polyglot-5m, as golden numbers of a training: a function tag of 10 vectors
with a head (squared error), and the same tag alone on target text (cross-entropy).

    /usr/bin/python3 test/golden/make/adamw.py

Writes test/golden/adamw.safetensors and adamw-text.safetensors. Domain tags are frozen, spans isolated.
"""
import math

import torch

from llama import Llama
from prompts import build_batch, predictions, run, target_losses
from tags import BASE, FUNCTION, GOLDEN, PROTEIN, SMILES, initial_vectors
from tensors import relative_error, write_tensors

STEPS, BATCH, MAX_NORM, VECTORS = 20, 4, 1.0, 10
WEIGHT_DECAYS = {"plain": 0.0, "decay": 0.01}
# (pieces before the function tag, target text, raw target value)
EXAMPLES = [
    (["<s>", "The SMILES is", (SMILES, " CC(=O)Nc1ccc(O)cc1"), ". \nThe value is"], " high.", 0.59),
    (["<s>", "The protein is", (PROTEIN, " MKTAYIAK"), ". \nThe drug is", (SMILES, " CCO"), ". \nIt is"], " a good one.", 3.1),
    ([(SMILES, " c1ccccc1")], " no.", -1.2),
    (["<s>", "Drug 1 is", (SMILES, " CN1CCC1"), ". \nDrug 2 is", (SMILES, " CCOC")], " the best drug of all.", 2.4),
    (["<s>", "Input:", (PROTEIN, " GSHMLEDPVE"), ". \nOutput:"], " yes.", 0.1),
    (["The drug", (SMILES, " O=C(O)c1ccccc1"), " and the protein", (PROTEIN, " AKQR"), " give"], " a strong answer.", 1.7),
    ([(PROTEIN, " LLKKLEVAG"), ". \n"], " low and small.", -0.4),
    (["<s>", "Value of", (SMILES, " CCN(CC)CC"), " in water is"], " 0.25.", 0.9),
]


def learning_rate(peak, step):
    """Hugging Face's get_cosine_schedule_with_warmup, step counted from 0, warmup = ceil(0.03 steps) = 1:
    lr(step) = peak * step / warmup                                             if step < warmup
             = peak * (1 + cos(pi * (step - warmup) / (steps - warmup))) / 2    otherwise
    So the first step has rate 0: it moves nothing, but AdamW's moments see its gradient."""
    warmup = math.ceil(0.03 * STEPS)
    if step < warmup:
        return peak * step / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (STEPS - warmup))) / 2


def batch_order():
    """[steps,4]: which examples each step sees; the stride keeps the pairs from repeating every cycle."""
    step, place = torch.arange(STEPS)[:, None], torch.arange(BATCH)[None]
    return (step * BATCH + place + step // 2) % len(EXAMPLES)


def squared_error(model, batch, vectors, head, y):
    last, _ = run(model, batch, vectors, isolated=True)
    return (predictions(last, batch, head[0], head[1]) - y).pow(2).mean()


def cross_entropy(model, batch, vectors, head, y):
    _, logits = run(model, batch, vectors, isolated=True)
    return target_losses(logits, batch).mean()


def train(model, loss_of, batch, order, rates, vectors, head, y, weight_decay):
    """The training written out: `vectors` are all tags' [3,p,d], of which the function tag's row trains."""
    frozen = vectors[:FUNCTION].to(model.dtype)
    tag = vectors[FUNCTION].to(model.dtype).clone().requires_grad_()
    head = [t.to(model.dtype).clone().requires_grad_() for t in head]
    y = y.to(model.dtype)
    optimizer = torch.optim.AdamW([tag, *head], lr=0.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
    losses, norms, first = [], [], None
    for step, examples in enumerate(order):
        optimizer.param_groups[0]["lr"] = rates[step]
        loss = loss_of(model, batch.rows(examples), torch.cat([frozen, tag[None]]), head, y[examples])
        optimizer.zero_grad()
        loss.backward()
        first = tag.grad.clone() if first is None else first
        # one norm over all trained tensors; gradients are multiplied by min(1, max_norm / (norm + 1e-6))
        norms.append(torch.nn.utils.clip_grad_norm_([tag, *head], MAX_NORM).detach())
        optimizer.step()
        losses.append(loss.detach())
    final = {"final.function": tag.detach()}
    if head:
        final.update({"final.w": head[0].detach(), "final.b": head[1].detach()})
    return {"losses": torch.stack(losses), "grad_norms": torch.stack(norms), "first_grad": first, **final}


def write_run(name, loss_of, peak, batch, vectors, head, y, extra):
    order, rates = batch_order(), [learning_rate(peak, step) for step in range(STEPS)]
    model, model64 = Llama(BASE), Llama(BASE, torch.float64)
    numbers = {}
    for run_name, weight_decay in WEIGHT_DECAYS.items():
        ours = train(model, loss_of, batch, order, rates, vectors, head, y, weight_decay)
        exact = train(model64, loss_of, batch, order, rates, vectors, head, y, weight_decay)
        losses = ours["losses"]
        print(f"{name} {run_name}: " + " ".join(f"{loss:.4f}" for loss in losses.tolist()))
        print("  gradient norms " + " ".join(f"{norm:.2f}" for norm in ours["grad_norms"].tolist()))
        step_error = float(((losses - exact["losses"]) / exact["losses"]).abs().max())
        print(f"  float32 against float64: losses step by step {step_error:.1e}, "
              + ", ".join(f"{n} {relative_error(ours[n], exact[n]):.1e}" for n in ours))
        numbers.update({f"{run_name}.{key}": value for key, value in ours.items()})
    initial = {"vectors": vectors, **dict(zip(("w", "b"), head))}
    inputs = {**batch.stored(), **initial, **extra, "order": order, "learning_rates": torch.tensor(rates),
              "weight_decays": torch.tensor(list(WEIGHT_DECAYS.values()))}
    write_tensors(GOLDEN / f"{name}.safetensors", {**inputs, **numbers}, "test/golden/make/adamw.py")


def main():
    model = Llama(BASE)
    vectors = initial_vectors(model, 3, VECTORS, torch.Generator().manual_seed(5))
    raw = torch.tensor([value for _, _, value in EXAMPLES])
    mean, deviation = raw.mean(), raw.std(unbiased=False)
    y = (raw - mean) / deviation
    head = [model.embedding.mean(0), torch.zeros(1)]
    extra = {"y": y, "y_raw": raw, "y_mean": mean, "y_deviation": deviation}
    questions = build_batch(BASE, [[*before, FUNCTION] for before, _, _ in EXAMPLES], VECTORS, FUNCTION)
    write_run("adamw", squared_error, 2e-3, questions, vectors, head, y, extra)
    answered = build_batch(BASE, [[*before, FUNCTION, target] for before, target, _ in EXAMPLES], VECTORS, FUNCTION)
    write_run("adamw-text", cross_entropy, 1e-2, answered, vectors, [], y, {})


if __name__ == "__main__":
    main()
