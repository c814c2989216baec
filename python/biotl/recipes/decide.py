"""How raw output becomes an answer, chosen on validation recordings alone: thresholds, or the interval of a value."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.labels import Target
from biotl.deploy.decision import Classes, Decision, Value, Vector, decide
from biotl.deploy.prevalence import Prevalence
from biotl.errors import ConfigError
from biotl.scoring.answers import Answered, by_subject
from biotl.scoring.calibration import known
from biotl.scoring.classes import score

COVERAGE = 0.9
"""Share of the validation units that the interval of a value is to cover."""


def undecided(target: Target, prevalence: Prevalence | None = None) -> Decision:
    """Return the decision before anything is chosen: equal thresholds, no interval."""
    if target.kind == "class":
        fits = prevalence is not None and {prevalence.of, prevalence.usual} <= set(target.labels)
        return Classes(labels=target.labels, prevalence=prevalence if fits else None)
    if target.kind in {"value", "channel"}:
        of = target.describe()
        channel = of.get("channel", {})
        return Value(
            name=of.get("column") or channel.get("name", "value"), unit=of.get("unit") or channel.get("unit", "")
        )
    return Vector(dim=1)  # of the signal itself nothing is decided


def choose(decision: Decision, answered: Sequence[Answered]) -> Decision:
    """Return a decision with what validation recordings say of it.

    Parameters
    ----------
    decision : Decision
        As `undecided` gave it, by which the recordings were answered.
    answered : sequence of Answered
        Validation recordings.
    """
    if isinstance(decision, Classes):
        return decision.model_copy(update={"thresholds": thresholds(answered, decision.labels)})
    if isinstance(decision, Value):
        apart = np.concatenate([of.truth - next(iter(of.answers.values())) for of in answered])
        apart = apart[np.isfinite(apart)]
        if not len(apart):
            raise ConfigError("validation: no unit has a reference value, so that no interval can be stated")
        low, high = np.quantile(apart, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        return decision.model_copy(update={"low": float(low), "high": float(high)})
    return decision


def thresholds(answered: Sequence[Answered], labels: tuple[str, ...]) -> tuple[float, ...]:
    """Choose by coordinate search the thresholds of `decide` that give the best macro-F1.

    The first class keeps its threshold; each other one is tried at a quarter to four times it, in half octaves.
    """
    truth, missed = (np.concatenate([getattr(of, name) for of in answered]) for name in ("truth", "missed"))
    probability: NDArray[Any] = np.concatenate([of.probability for of in answered if of.probability is not None])

    def macro_f1(candidate: NDArray[np.float32]) -> float:
        return float(score(truth, decide(probability, candidate), missed, labels).macro_f1)

    best_at = np.full(len(labels), 1 / len(labels), np.float32)
    best = macro_f1(best_at)
    for k in range(1, len(labels)):
        for factor in np.exp2(np.arange(-2, 2.01, 0.5)):
            candidate = best_at.copy()
            candidate[k] = best_at[0] * factor
            value = macro_f1(candidate)
            # a gain that is no more than rounding does not move a threshold
            if value > best + 1e-4:
                best, best_at = value, candidate
    return tuple(np.asarray(best_at / best_at.sum(), np.float32).tolist())


def tempered(decision: Decision, answered: Sequence[Answered]) -> Decision:
    """Return a decision of classes whose probabilities say how often they come true on subjects never seen.

    The temperature with the least log loss (Guo et al. 2017), each subject counting alike; no answer changes.
    """
    if not isinstance(decision, Classes):
        return decision
    people = [(truth, np.log(np.maximum(p, 1e-12))) for truth, p in map(known, by_subject(answered).values())]
    people = [(truth, logit) for truth, logit in people if len(truth)]

    def loss(temperature: float) -> float:
        each = []
        for truth, logit in people:
            scaled = logit / temperature
            top = scaled.max(axis=1)
            total = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top
            each.append(np.mean(total - scaled[np.arange(len(truth)), truth]))
        return float(np.mean(each))

    # to within 2 %; the ends are where probabilities are all but useless
    return decision.model_copy(update={"calibration": float(min(np.exp2(np.arange(-2, 2.01, 1 / 32)), key=loss))})
