"""How sure a figure is: subjects drawn anew with replacement, since beats and windows of one person go together.

The percentile interval of the cluster bootstrap (Field and Welsh 2007). With few subjects it is too narrow: `FEW`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import ConfigError
from biotl.scoring.answers import Answered, by_subject, models
from biotl.scoring.figure import Measure

DRAWS = 2000
FEW = 10
"""Below so many subjects a report says that the interval is too narrow (coverage of 95 % falls to about 90 % at 10)."""


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds of its central 95 %; the bounds are NaN where fewer than two subjects bear it."""

    value: float
    low: float
    high: float

    def verdict(self, better: str) -> str:
        """Say what a difference shows: ``better``, ``worse``, or ``no difference shown`` where 0 lies inside."""
        if better and self.low > 0:
            return "better" if better == "higher" else "worse"
        if better and self.high < 0:
            return "worse" if better == "higher" else "better"
        return "no difference shown"


def sums(answered: Sequence[Answered], measure: Measure, model: str) -> NDArray[Any]:
    """Return the sums of each subject, shape (subjects, k), in the order of `by_subject`."""
    groups = by_subject(answered).values()
    return np.stack([np.sum([measure.sums(of, model) for of in group], axis=0) for group in groups])


def weights(subjects: int, n: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Draw how often each subject comes, shape (n, subjects)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=n).astype(np.float64)


def interval(
    answered: Sequence[Answered], measure: Measure, model: str, *, n: int = DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """Return every figure of a measure with its 95 % interval over subjects.

    Parameters
    ----------
    answered : sequence of Answered
        The test recordings.
    measure : Measure
        Such as `ClassCounts`.
    model : str
        Whose answers.
    n : int
        How many times the subjects are drawn.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to Interval
        In the order of ``measure.legend``. A draw in which a figure is not defined does not count for it.

    Examples
    --------
    >>> from biotl.scoring.regression import Errors
    >>> span = np.array([[0, 8], [8, 16]])
    >>> people = [Answered(s, s, "window", 1.0, span, np.array([1.0, 2.0]), {"m": np.array([1.0, 2.0 + k])})
    ...           for k, s in enumerate("abcd")]
    >>> interval(people, Errors(), "m")["mae"]
    Interval(value=0.75, low=0.25, high=1.25)
    """
    total = sums(answered, measure, model)
    value = measure.figures(total.sum(axis=0))
    drawn = measure.figures(weights(len(total), n, seed) @ total)
    return {name: _around(value[name], drawn[name], len(total)) for name in value}


def paired(
    answered: Sequence[Answered], measure: Measure, model: str, other: str, *, n: int = DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """Return how far ``model`` is from ``other`` in every figure, over the same draws of subjects; see `interval`."""
    return _paired(sums(answered, measure, model), sums(answered, measure, other), measure, n, seed)


def between(
    answered: Sequence[Answered], others: Sequence[Answered], measure: Measure, *, n: int = DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """Return how far one run's own model is from another run's, on the same subjects; see `paired`.

    The runs may differ in what they detected: a missed beat is counted by each for itself.

    Raises
    ------
    ConfigError
        If they were not tested on the same recordings.
    """
    first, second = ({(of.person, of.id) for of in run} for run in (answered, others))
    if first != second:
        lone = sorted(f"{name} of {person}" for person, name in first ^ second)
        raise ConfigError(f"the runs were not tested on the same recordings: only one has {lone[0]}; nothing is paired")
    own, its = (sums(run, measure, models(run)[0]) for run in (answered, others))
    return _paired(own, its, measure, n, seed)


def without(answered: Sequence[Answered], measure: Measure, model: str) -> dict[str, NDArray[Any]]:
    """Return every figure with one subject left out, shape (subjects,), in the order of `by_subject`."""
    total = sums(answered, measure, model)
    return measure.figures(total.sum(axis=0) - total)


def _paired(own: NDArray[Any], its: NDArray[Any], measure: Measure, n: int, seed: int) -> dict[str, Interval]:
    of = weights(len(own), n, seed)
    value, against = measure.figures(own.sum(axis=0)), measure.figures(its.sum(axis=0))
    drawn, beside = measure.figures(of @ own), measure.figures(of @ its)
    return {name: _around(value[name] - against[name], drawn[name] - beside[name], len(own)) for name in value}


def _around(value: Any, drawn: NDArray[Any], subjects: int) -> Interval:
    defined = drawn[~np.isnan(drawn)]
    if subjects < 2 or not defined.size or np.isnan(value):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))
