"""Numbers for test/generate: what the documented formulas of Hugging Face's logits processors give, computed with
PyTorch, and beam searches on small made-up language models. Run: python3 generate.py > ../generate.json

The beam search keeps everything in tensors of fixed size, with -1e9 for what does not exist, as Hugging Face's
generate does; the one in src/generate/beams.ts has lists. The two share the description and no code.
"""
import json
import torch

torch.manual_seed(3)
NEG = float("-inf")


def repetition(scores, ids, penalty):
    picked = scores[ids]
    picked = torch.where(picked < 0, picked * penalty, picked / penalty)
    return scores.scatter(0, ids, picked)


def temperature(scores, t):
    return scores / t


def top_k(scores, k):
    k = min(k, scores.numel())
    return scores.masked_fill(scores < torch.topk(scores, k).values[-1], NEG)


def top_p(scores, p):
    ordered, order = torch.sort(scores, descending=False)
    remove = ordered.softmax(-1).cumsum(-1) <= (1 - p)
    remove[-1:] = False
    return scores.masked_fill(torch.zeros_like(remove).scatter(0, order, remove), NEG)


def min_p(scores, p):
    probabilities = scores.softmax(-1)
    remove = probabilities < p * probabilities.max()
    return scores.masked_fill(remove, NEG)


def finite(scores):
    return [None if x == NEG else x for x in scores.tolist()]


processors = []
for i, (penalty, t, k, p, m) in enumerate([
    (1.0, 1.0, 0, 1.0, 0.0), (1.3, 1.0, 0, 1.0, 0.0), (0.7, 1.0, 0, 1.0, 0.0), (1.0, 0.4, 0, 1.0, 0.0),
    (1.0, 2.5, 5, 1.0, 0.0), (1.0, 1.0, 1, 1.0, 0.0), (1.0, 1.0, 500, 1.0, 0.0), (1.0, 1.0, 0, 0.9, 0.0),
    (1.0, 1.0, 0, 0.3, 0.0), (1.0, 1.0, 0, 0.01, 0.0), (1.0, 1.0, 0, 1.0, 0.1), (1.0, 1.0, 0, 1.0, 1.0),
    (1.2, 0.8, 20, 0.85, 0.05), (1.5, 1.7, 30, 0.95, 0.02),
]):
    logits = torch.randn(50) * 3
    ids = torch.randint(0, 50, (12,)).unique()
    scores = repetition(logits, ids, penalty)
    scores = temperature(scores, t)
    if k > 0:
        scores = top_k(scores, k)
    if p < 1:
        scores = top_p(scores, p)
    if m > 0:
        scores = min_p(scores, m)
    processors.append(dict(logits=logits.tolist(), seen=ids.tolist(), repetitionPenalty=penalty, temperature=t,
                           topK=k, topP=p, minP=m, scores=finite(scores)))


def beam_search(table, prompt, eos, beams, length_penalty, early_stopping, max_new, penalty):
    """table [depths, vocab, vocab]: logits after a token at a depth of the answer."""
    vocab = table.shape[-1]
    width = max(2, 1 + len(eos)) * beams
    start, total = len(prompt), len(prompt) + max_new
    running = torch.zeros(beams, total, dtype=torch.long)
    running[:, :start] = torch.tensor(prompt)
    sequences, lengths = running.clone(), torch.zeros(beams, dtype=torch.long)
    running_scores = torch.full((beams,), -1e9)
    running_scores[0] = 0.0
    scores, finished = torch.full((beams,), -1e9), torch.zeros(beams, dtype=torch.bool)
    improvable, at = True, start
    while True:
        rows = []
        for b in range(beams):
            logp = table[(at - start) % len(table), running[b, at - 1]].log_softmax(-1)
            rows.append(repetition(logp, running[b, :at].unique(), penalty))
        total_logp = (torch.stack(rows) + running_scores[:, None]).flatten()
        top, index = torch.topk(total_logp, width)
        candidates = running[index // vocab].clone()
        candidates[:, at] = index % vocab
        ends = torch.tensor([int(c[at]) in eos or at + 1 == total for c in candidates])
        going = top + ends * -1e9
        best = torch.topk(going, beams).indices
        among = torch.arange(width) < beams
        done = ends & among
        normalised = top / ((at + 1 - start) ** length_penalty)
        if early_stopping is True and bool(finished.all()):
            normalised = normalised - 1e9
        if not improvable:
            normalised = normalised - 1e9
        normalised = normalised + (~done) * -1e9
        merged = torch.cat([scores, normalised])
        keep = torch.topk(merged, beams).indices
        sequences = torch.cat([sequences, candidates])[keep]
        lengths = torch.cat([lengths, torch.full((width,), at + 1)])[keep]
        scores, finished = merged[keep], torch.cat([finished, done])[keep]
        running, running_scores = candidates[best], going[best]
        at += 1
        ideal = max_new if early_stopping == "never" and length_penalty > 0 else at - start
        worst = scores.min() if bool(finished.all()) else torch.tensor(-1e9)
        improvable = improvable and bool(running_scores[0] / ideal ** length_penalty > worst)
        if not improvable or bool(ends.all()) or (early_stopping is True and bool(finished.all())):
            break
    answer = sequences[0, start:lengths[0]].tolist()
    if answer and answer[-1] in eos:
        answer = answer[:-1]
    return dict(ids=answer, score=float(scores[0]))


searches = []
for case in range(36):
    vocab, depths = 9, 5
    table = (torch.randn(depths, vocab, vocab) * 15).round() / 10
    eos = [[2], [2, 5], []][case % 3]
    for e in eos:
        table[:, :, e] += [0.0, 1.0, -1.0][case % 5 % 3]
    setting = dict(beams=[2, 3, 4][case % 3 if case < 18 else (case + 1) % 3], lengthPenalty=[1.0, 0.0, -0.7, 2.0][case % 4],
                   earlyStopping=[False, True, "never"][(case // 3) % 3], maxTokens=[1, 4, 7, 12][(case // 2) % 4],
                   repetitionPenalty=[1.0, 1.3][case % 2])
    found = beam_search(table, [1, 3], set(eos), setting["beams"], setting["lengthPenalty"],
                        setting["earlyStopping"], setting["maxTokens"], setting["repetitionPenalty"])
    searches.append(dict(setting=setting, eos=eos, prompt=[1, 3], table=[round(x, 1) for x in table.flatten().tolist()],
                         depths=depths, vocab=vocab, **found))

print(json.dumps(dict(processors=processors, searches=searches)))
