"""What was answered of a test recording, by every model, beside the reference."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError


@dataclass(frozen=True)
class Answered:
    """One test recording: the reference, and what each model answered.

    Parameters
    ----------
    id, subject : str
        Identity of the recording and of the person; a recording without a known person stands for itself.
    unit : str
        What is answered: ``beat``, ``window`` or ``step``.
    fs : float
        Rate in Hz at which `span` is stated.
    span : ndarray of int64, shape (n, 2)
        First sample and the one after the last of each unit.
    truth : ndarray of int64 or float, shape (n,)
        Class index, -1 where the reference has nothing (a false detection), -2 where nothing is scored; or a value in
        the unit of the target, NaN where nothing is scored.
    answers : mapping of str to ndarray of int64 or float, shape (n,)
        By model, this run's own first. -1 or NaN is an abstention, which counts as missed.
    missed : ndarray of int64, shape (k,)
        Classes of the units of the reference that got no answer.
    probability : ndarray of float, shape (n, classes), optional
        Of this run's own model.
    low, high : ndarray of float, shape (n,), optional
        Bounds of this run's own model around each value.

    Raises
    ------
    RecordError
        If lengths differ.
    """

    id: str
    subject: str
    unit: str
    fs: float
    span: NDArray[np.int64]
    truth: NDArray[Any]
    answers: Mapping[str, NDArray[Any]]
    missed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    probability: NDArray[Any] | None = None
    low: NDArray[Any] | None = None
    high: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        n = len(self.truth)
        bounds = {"probability": self.probability, "low": self.low, "high": self.high}
        for name, of in {"span": self.span, **self.answers, **bounds}.items():
            if of is not None and len(of) != n:
                raise RecordError(self.id, name, f"{len(of)} answers", f"{n}, one for each {self.unit}")

    @property
    def person(self) -> str:
        """Return the subject, or the recording's own id where nobody is named."""
        return self.subject or self.id

    @property
    def hours(self) -> float:
        """Return the time from the first unit to the end of the last, in hours."""
        return float(self.span[:, 1].max() - self.span[:, 0].min()) / self.fs / 3600 if len(self.span) else 0.0


def models(answered: Sequence[Answered]) -> list[str]:
    """Return the names of the models that answered every recording, this run's own first."""
    return [name for name in answered[0].answers if all(name in of.answers for of in answered)] if answered else []


def by_subject(answered: Iterable[Answered]) -> dict[str, list[Answered]]:
    """Return the recordings of each person, in the order of the persons' names."""
    ordered = sorted(answered, key=lambda of: of.person)
    return {name: list(of) for name, of in groupby(ordered, key=lambda of: of.person)}
