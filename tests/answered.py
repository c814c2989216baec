"""Made-up answers of several people, for tests of scoring and report."""

import numpy as np

from biotl.scoring.answers import Answered


def beats(seed=0, people=12, n=300, labels=4, name="model", unit="beat"):
    """Return recordings of beats with a model and two baselines; class 2 belongs almost to one person alone."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(people):
        share = (
            np.array([0.9, 0.05, 0.05, 0.002, 0.0][:labels]) if k else np.array([0.5, 0.05, 0.4, 0.05, 0.0][:labels])
        )
        truth = rng.choice(labels, n, p=share / share.sum())
        truth[rng.random(n) < 0.01] = -1
        truth[rng.random(n) < 0.01] = -2
        logit = rng.normal(0, 1, (n, labels)) + 3 * np.eye(labels)[np.maximum(truth, 0)]
        probability = np.exp(logit) / np.exp(logit).sum(1, keepdims=True)
        span = np.arange(n)[:, None] * 300 + np.array([0, 200])
        noisy = np.where(rng.random(n) < 0.25, rng.integers(0, labels, n), np.maximum(truth, 0))
        answers = {name: probability.argmax(1), "boosting": noisy, "majority": np.zeros(n, np.int64)}
        missed = rng.choice(labels, 3, p=share / share.sum())
        made.append(
            Answered(f"r{k:03}", f"p{k // 2 if k > 1 else k}", unit, 360.0, span, truth, answers, missed, probability)
        )
    return made


def values(seed=0, people=8, n=200, unit="step"):
    """Return recordings of a heart rate each second, with a model, its bounds, and two baselines."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(people):
        truth = 90 + 30 * np.sin(np.arange(n) / 30 + k) + rng.normal(0, 4) + rng.normal(0, 2, n)
        own = truth + rng.normal(1, 3 + k / 2, n)
        truth[rng.random(n) < 0.1] = np.nan
        own[rng.random(n) < 0.02] = np.nan
        span = np.arange(n)[:, None] * 25 + np.array([0, 25])
        answers = {"model": own, "ridge regression": own * 0.5 + 45, "mean": np.full(n, 90.0)}
        made.append(Answered(f"r{k}", f"p{k}", unit, 25.0, span, truth, answers, low=own - 8, high=own + 8))
    return made
