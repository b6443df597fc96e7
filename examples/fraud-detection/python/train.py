"""Trains the model: logistic regression, on transactions that are made up here, always the same ones.

    python train.py           writes weights.json
    python train.py --check   says whether weights.json is what training gives, and how good it is
"""

import json
import pathlib
import sys

import numpy as np

import features

WEIGHTS = pathlib.Path(__file__).with_name("weights.json")
SEED = 30
ROWS = 20_000  # the last quarter is kept for the test
RIDGE = 1e-3  # keeps the weights small where the data says little

# How frauds come about in the made-up world. Training does not see these numbers, only what they lead to.
TRUE_BIAS = -12.0
TRUE_WEIGHTS = np.array([1.2, 2.0, 1.5, 3.0, 9.0])


def world():
    """Makes up transactions. Gives their features, one a row, and which of them are frauds."""
    rng = np.random.default_rng(SEED)
    amount = np.exp(rng.normal(3.5, 1.2, ROWS))
    hour = rng.integers(0, 24, ROWS)
    online = rng.random(ROWS) < 0.4
    frauds = rng.poisson(0.3, ROWS)
    risk = rng.beta(1.0, 5.0, ROWS)
    x = np.array([features.row(*each) for each in zip(amount, hour, online, frauds, risk)])
    return x, rng.random(ROWS) < sigmoid(TRUE_BIAS + x @ TRUE_WEIGHTS)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def fit(x, y):
    """Finds the weights that make the data likeliest, by Newton's method. The bias is the first of them."""
    x = np.column_stack([np.ones(len(x)), x])
    ridge = RIDGE * np.eye(x.shape[1])
    w = np.zeros(x.shape[1])
    for _ in range(100):
        p = sigmoid(x @ w)
        gradient = x.T @ (p - y) + ridge @ w
        step = np.linalg.solve((x.T * (p * (1 - p))) @ x + ridge, gradient)
        w -= step
        if np.abs(step).max() < 1e-12:
            return w
    raise RuntimeError("training did not come to an end")


def auc(scores, y):
    """Says how often a fraud scores above a transaction that is none: 0.5 is guessing, 1 is perfect."""
    order = np.argsort(scores)
    rank = np.empty(len(scores))
    rank[order] = np.arange(1, len(scores) + 1)
    frauds = y.sum()
    return (rank[y].sum() - frauds * (frauds + 1) / 2) / (frauds * (len(y) - frauds))


def main():
    x, y = world()
    cut = ROWS * 3 // 4
    w = fit(x[:cut], y[:cut])
    scores = sigmoid(w[0] + x[cut:] @ w[1:])
    caught = scores > 0.5
    print(f"{cut} transactions to learn from, {y[:cut].sum()} of them frauds; {ROWS - cut} to test with, {y[cut:].sum()} of them frauds")
    print(f"a fraud scores above an honest transaction in {auc(scores, y[cut:]):.1%} of the cases")
    print(f"at 0.5 it finds {y[cut:][caught].sum()} of them, with {caught.sum() - y[cut:][caught].sum()} false alarms")
    found = {"bias": round(w[0], 9), "weights": dict(zip(features.NAMES, w[1:].round(9).tolist()))}
    if "--check" not in sys.argv[1:]:
        WEIGHTS.write_text(json.dumps(found, indent=2) + "\n")
        print(f"wrote {WEIGHTS.name}")
        return
    kept = json.loads(WEIGHTS.read_text())
    same = np.isclose(kept["bias"], found["bias"], atol=1e-6) and all(
        np.isclose(kept["weights"][name], found["weights"][name], atol=1e-6) for name in features.NAMES
    )
    if not same:
        sys.exit(f"{WEIGHTS.name} holds {kept}, but training gives {found}; python train.py writes it anew")
    print(f"{WEIGHTS.name} is what training gives")


if __name__ == "__main__":
    main()
