"""Numbers that test/evaluate compares with, worked out by numpy from the formulas, by scipy and by scikit-learn.

Run (numpy 1.24.2, scipy 1.10.1, scikit-learn 1.2.1; apt-get install python3-sklearn):
  /usr/bin/python3 test/evaluate/goldens.py > test/evaluate/goldens.json
  npx biome format --write test/evaluate/goldens.json
"""
import json
import numpy as np
from scipy import stats
from sklearn import linear_model
from sklearn import metrics as sk

rng = np.random.default_rng(20240205)


def ranks(v):
    return np.array([(v < x).sum() + ((v == x).sum() + 1) / 2 for x in v])


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def metrics():
    y = np.round(rng.normal(size=30) * 3, 2)
    p = np.round(y * 0.6 + rng.normal(size=30), 1)
    y[3] = y[7] = y[8]
    p[2] = p[9] = p[4] = p[20]
    return regression(y, p)


def regression(y, p):
    """None where a number is not defined: a correlation with a constant, R2 and concordance of constant targets."""
    e = y - p
    varied, both = len(set(y)) > 1, len(set(y)) > 1 and len(set(p)) > 1
    return {
        "targets": y.tolist(),
        "predictions": p.tolist(),
        "expected": {
            "rows": len(y),
            "mse": (e**2).mean(),
            "rmse": np.sqrt((e**2).mean()),
            "mae": abs(e).mean(),
            "r2": 1 - (e**2).sum() / ((y - y.mean()) ** 2).sum() if varied else None,
            "pearson": correlation(y, p) if both else None,
            "spearman": correlation(ranks(y), ranks(p)) if both else None,
            "ci": concordance(y, p) if varied else None,
        },
        "libraries": {
            "mse": sk.mean_squared_error(y, p),
            "rmse": sk.mean_squared_error(y, p, squared=False),
            "mae": sk.mean_absolute_error(y, p),
            "r2": sk.r2_score(y, p) if varied else None,
            "pearson": stats.pearsonr(y, p)[0] if both else None,
            "spearman": stats.spearmanr(y, p)[0] if both else None,
            # Somers' D of predictions given targets is concordance with ties as half, from -1 to 1.
            "ci": (stats.somersd(y, p).statistic + 1) / 2 if both else 0.5 if varied else None,
        },
    }


def more_metrics():
    y = np.round(rng.normal(size=25), 1)
    return {
        "constant predictions": regression(y, np.full(25, 0.7)),
        "constant targets": regression(np.full(25, 0.1), y),
        "two rows": regression(np.array([1.0, 3.0]), np.array([2.5, 2.0])),
        "many ties": regression(rng.integers(0, 3, 200).astype(float), rng.integers(0, 4, 200).astype(float)),
        "reversed": regression(y, -y),
        "no relation": regression(y, np.round(rng.normal(size=25), 2)),
        "far from zero": regression(1e6 + y, 1e6 + np.round(y + rng.normal(size=25), 1)),
    }


def concordance(y, p):
    """As the definition says, pair by pair."""
    pairs = [(i, j) for i in range(len(y)) for j in range(len(y)) if y[i] < y[j]]
    return sum(1.0 if p[i] < p[j] else 0.5 if p[i] == p[j] else 0.0 for i, j in pairs) / len(pairs)


def classification(n, k):
    """Probabilities with ties; scikit-learn's numbers."""
    truth = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    logits = np.round(rng.normal(size=(n, k)) + 1.5 * np.eye(k)[truth], 1)
    return classes(truth, np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


def classes(truth, p):
    """Areas are means over the classes that are and are not in the truth (macro); None without such a class."""
    k = p.shape[1]
    one_hot, best = np.eye(k)[truth], p.argmax(1)
    curves = [c for c in range(k) if 0 < one_hot[:, c].sum() < len(truth)]
    return {
        "classes": k,
        "truth": truth.tolist(),
        "probabilities": p.ravel().tolist(),
        "expected": {
            "rows": len(truth),
            "rocAuc": float(np.mean([sk.roc_auc_score(one_hot[:, c], p[:, c]) for c in curves])) if curves else None,
            "prAuc": sk.average_precision_score(one_hot[:, curves], p[:, curves], average="macro") if curves else None,
            "accuracy": sk.accuracy_score(truth, best),
            "f1": sk.f1_score(truth, best, average="macro"),
            "logLoss": sk.log_loss(truth, p, labels=list(range(k))),
        },
    }


def more_classes():
    def soft(n, k):
        logits = np.round(rng.normal(size=(n, k)), 1)
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    return {
        "constant predictions": classes(np.array([0, 1] * 12 + [2]), np.tile([0.5, 0.3, 0.2], (25, 1))),
        "a class without rows": classes(rng.integers(0, 2, 30), soft(30, 3)),
        "a class never predicted": classes(rng.integers(0, 3, 30), np.concatenate([soft(30, 2) * 0.95, np.full((30, 1), 0.05)], 1)),
        "one class only": classes(np.zeros(10, int), soft(10, 2)),
        "certain and right": classes(np.array([0, 1, 1, 0]), np.eye(2)[[0, 1, 1, 0]]),
        "rare positives": classes((rng.random(300) < 0.03).astype(int), soft(300, 2)),
    }


def text():
    """Rows of tokens with the probabilities that a model gave to all tokens of a vocabulary."""
    lengths = [1, 4, 9, 2, 30]
    tokens = rng.integers(0, 11, sum(lengths))
    logits = rng.normal(size=(sum(lengths), 11)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    characters = [3, 7, 21, 2, 55]
    nats = sk.log_loss(tokens, p, labels=list(range(11)))
    truth, said = ["odd", "even", "odd", " odd", "even"], ["odd", "odd", "Odd", "odd", "even"]
    return {
        "truth": truth,
        "said": said,
        "lengths": lengths,
        "losses": (-np.log(p[np.arange(len(tokens)), tokens])).tolist(),
        "characters": characters,
        "expected": {
            "exactMatch": sk.accuracy_score(truth, said),
            "nats": nats,
            "perplexity": np.exp(nats),
            "bitsPerCharacter": sk.log_loss(tokens, p, labels=list(range(11)), normalize=False) / np.log(2) / sum(characters),
        },
    }


def logistic(n, d, k, alpha):
    """scikit-learn penalises |w|^2 / (2 C) on features as given; they are standardised here as in our fit."""
    x = (rng.normal(size=(n, d)) * np.linspace(0.5, 3, d) + 2).astype(np.float32).astype(np.float64)
    truth = np.concatenate([np.arange(k), (x @ rng.normal(size=(d, k)) + 3 * rng.normal(size=(n, k))).argmax(1)[k:]])
    z = (x - x.mean(0)) / x.std(0)
    model = linear_model.LogisticRegression(C=1 / alpha, multi_class="multinomial", tol=1e-12, max_iter=100000).fit(z, truth)
    return {"classes": k, "alpha": alpha, "x": x.ravel().tolist(), "labels": truth.tolist(), "probabilities": model.predict_proba(z).ravel().tolist()}


def solve(x, y, alpha, standardise):
    mean, scale = x.mean(0), np.ones(x.shape[1])
    if standardise:
        scale = x.std(0)
        scale[scale == 0] = 1
    z = (x - mean) / scale
    w = np.linalg.lstsq(z.T @ z + alpha * np.eye(x.shape[1]), z.T @ (y - y.mean(0)), rcond=None)[0] / scale[:, None]
    return {"alpha": alpha, "standardise": standardise, "weight": w.ravel().tolist(), "bias": (y.mean(0) - mean @ w).tolist()}


def ridge(n, d, k, spread, alphas):
    """x is rounded to float32 because that is how features are stored."""
    x = (rng.normal(size=(n, d)) * spread + rng.normal(size=d) * 5).astype(np.float32).astype(np.float64)
    y = np.round(x @ rng.normal(size=(d, k)) * 0.1 + rng.normal(size=(n, k)), 3)
    fits = [solve(x, y, alpha, s) for alpha in alphas for s in (False, True)]
    return {"rows": n, "features": d, "x": x.ravel().tolist(), "y": y.ravel().tolist(), "fits": fits}


def additive():
    a, b = rng.integers(0, 5, 40), rng.integers(0, 7, 40)
    b[b == 6] = 2
    y = np.round(a * 0.7 - b * 0.2 + rng.normal(size=40), 2)
    one_hot = np.concatenate([np.ones((40, 1)), np.eye(5)[a], np.eye(7)[b]], 1)
    penalty = np.eye(13)
    penalty[0, 0] = 0
    cases = []
    for shrink in (0.5, 4.0):
        w = np.linalg.solve(one_hot.T @ one_hot + shrink * penalty, one_hot.T @ y)
        cases.append({"shrink": shrink, "mean": w[0], "a": w[1:6].tolist(), "b": w[6:].tolist()})
    return {"a": a.tolist(), "b": b.tolist(), "y": y.tolist(), "cases": cases}


if __name__ == "__main__":
    golden = {
        "metrics": metrics(),
        "ridge": {
            "tall, two outputs": ridge(70, 7, 2, np.array([1, 0.1, 30, 1, 2, 3, 4]), (0.0, 0.3, 50.0)),
            "wide": ridge(9, 14, 1, 1.0, (0.01, 10.0)),
            "one feature": ridge(5, 1, 1, 1.0, (0.0, 1.0)),
        },
        "additive": additive(),
        "classification": {"two classes": classification(40, 2), "five classes": classification(60, 5)},
        "logistic": {"two classes": logistic(60, 4, 2, 1.0), "four classes": logistic(80, 3, 4, 0.1)},
    }
    golden["metrics"] = {"ties": golden["metrics"], **more_metrics()}
    golden["classification"].update(more_classes())
    golden["text"] = text()
    print(json.dumps(golden))
