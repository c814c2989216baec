"""When to abstain: sets of classes that hold the right one as often as was asked, on subjects never seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.answers import Answered, by_subject
from biotl.scoring.calibration import known
from biotl.scoring.classes import ratio
from biotl.scoring.figure import Figure


@dataclass(frozen=True)
class Conformal:
    """A rule: a class is in the set where its probability is at least ``1 - score``; a single class is an answer.

    Parameters
    ----------
    score : float
        In 0 to 1; above 1 every class is in every set, and nothing is answered.
    coverage : float
        How often the set is to hold the right class.
    subjects : int
        Of how many it was chosen.
    """

    score: float
    coverage: float
    subjects: int

    def sets(self, probability: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which classes are in the set of each unit, (n, classes) to (n, classes)."""
        return np.asarray(np.asarray(probability) >= 1 - self.score)

    def answer(self, probability: NDArray[Any]) -> NDArray[np.int64]:
        """Return the class of each unit, -1 where the set does not hold exactly one: an abstention."""
        sets = self.sets(probability)
        return np.where(sets.sum(axis=1) == 1, sets.argmax(axis=1), -1).astype(np.int64)


def fit(answered: Sequence[Answered], coverage: float = 0.9) -> Conformal:
    """Choose the rule on validation subjects.

    Each subject counts alike however many units he brings, and one more subject is taken to lie beyond all: so the
    coverage holds for a unit of a new subject, not merely for further units of these (hierarchical conformal
    prediction: Dunn, Wasserman, Ramdas 2023; Lee, Barber, Willett 2023). That takes at least
    ``coverage / (1 - coverage)`` subjects, 9 for 90 %; with fewer the rule answers nothing.

    Parameters
    ----------
    answered : sequence of Answered
        Validation recordings with probabilities; test recordings have no part in it.
    coverage : float
        How often the set is to hold the right class, in 0 to 1.

    Examples
    --------
    >>> span = np.zeros((2, 2), np.int64)
    >>> p = np.array([[0.9, 0.1], [0.3, 0.7]])
    >>> people = [Answered(str(k), "", "window", 1.0, span, np.array([0, 1]), {}, probability=p) for k in range(9)]
    >>> round(fit(people, 0.5).score, 6)
    0.3
    """
    groups = [known(of) for of in by_subject(answered).values()]
    scores = [1 - p[np.arange(len(truth)), truth] for truth, p in groups if len(truth)]
    if not scores:
        return Conformal(float("inf"), coverage, 0)
    mass = np.concatenate([np.full(len(of), 1 / (len(of) * (len(scores) + 1))) for of in scores])
    every = np.concatenate(scores)
    order = np.argsort(every)
    reached = np.cumsum(mass[order]) >= coverage - 1e-12
    if not reached.any():
        return Conformal(float("inf"), coverage, len(scores))
    # the probability that gave the score is in the set, whatever 1 - (1 - p) rounds to
    found = float(np.nextafter(every[order][reached.argmax()], 2))
    return Conformal(found, coverage, len(scores))


@dataclass(frozen=True)
class Sets:
    """What a rule gives on other subjects, from sums that add up over recordings.

    Parameters
    ----------
    rule : Conformal
        Chosen elsewhere.
    """

    rule: Conformal

    legend = {  # noqa: RUF012
        "coverage": Figure("right class in the set", "%"),
        "answered": Figure("answered", "%", ""),
        "accuracy": Figure("right where answered", "%"),
        "before": Figure("right without abstaining", "%"),
    }

    def sums(self, of: Answered, model: str) -> NDArray[Any]:  # noqa: ARG002
        """Return units, units covered, answered, right where answered, and right by the most probable class."""
        truth, probability = known([of])
        if not len(truth):
            return np.zeros(5)
        at = np.arange(len(truth))
        answer = self.rule.answer(probability)
        parts = [self.rule.sets(probability)[at, truth], answer >= 0, answer == truth, probability.argmax(1) == truth]
        return np.array([len(truth), *(part.sum() for part in parts)], np.float64)

    def figures(self, sums: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Read the figures of sums, shape (..., 5)."""
        n, covered, answered, right, before = np.moveaxis(sums, -1, 0)
        parts = (ratio(covered, n), ratio(answered, n), ratio(right, answered), ratio(before, n))
        return {name: 100 * of for name, of in zip(self.legend, parts, strict=True)}
