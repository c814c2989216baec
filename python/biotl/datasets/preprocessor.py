"""What stands between a recording and a model: prepared once, fitted on training recordings, the same everywhere."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.channels import Choice
from biotl.datasets.spec_kinds import Spec
from biotl.records import Record

Unit = Literal["beat", "window", "step"]
State = dict[str, Any]
C = TypeVar("C")


@dataclass(frozen=True)
class Prepared:
    """A recording as a preprocessor leaves it.

    Parameters
    ----------
    arrays : dict of str to ndarray
        What a store keeps.
    fs : float
        Rate of the first file in Hz: the rate of every span.
    samples : int
        Length of the first file in samples.
    about : dict
        JSON: the lead used for each channel (``leads``), gaps, quality, warnings.
    """

    arrays: dict[str, NDArray[Any]]
    fs: float
    samples: int
    about: dict[str, Any] = field(default_factory=dict)


class Preprocessor(Protocol):
    """One kind of preprocessing; training data and `Predictor` go through the same object."""

    @property
    def spec(self) -> Spec:
        """The preprocessing."""

    @property
    def unit(self) -> Unit:
        """What gets an answer."""

    @property
    def state(self) -> State:
        """JSON of what was fitted, empty before."""

    @property
    def fitted_on(self) -> tuple[str, ...]:
        """The training recordings that it was fitted on, where that is known."""

    def fit(self, training: Iterable[Prepared], *, names: Sequence[str], seed: int) -> "Preprocessor":
        """Return a fitted copy; only ever called with training recordings."""

    def prepare(self, records: Sequence[Record], *, choose: Choice = None) -> Prepared:
        """Prepare the files of one recording; ``choose`` as of `find_all`."""

    def units(self, prepared: Prepared) -> NDArray[np.int64]:
        """Return the spans of everything that gets an answer, shape (n, 2), at ``prepared.fs``."""

    def cuts(self, prepared: Prepared) -> Sequence[Any]:
        """Return what goes through the model at once, each the kind's own frozen dataclass."""

    def reads(self, prepared: Prepared, cut: Any) -> tuple[int, int]:
        """Return the half-open range of samples, at ``prepared.fs``, that a cut reads."""

    def stretch(self, prepared: Prepared, start: int, stop: int) -> Prepared:
        """Return what lies between two samples, at ``prepared.fs``, for `fit` to see nothing else of a recording."""

    def complete(self, prepared: Prepared) -> Prepared:
        """Return the recording with what a fitted preprocessor knows of the whole of it, so that cuts come faster."""

    def inputs(self, prepared: Prepared, cut: Any) -> dict[str, NDArray[Any]]:
        """Return model inputs, and ``unit``: which unit is answered at each output position, -1 elsewhere."""


class Cuts(Sequence[C]):
    """The cuts of a recording, each made when it is asked for: a sample needs one of thousands.

    Parameters
    ----------
    n : int
        How many.
    make : callable
        Makes one of its index.
    """

    def __init__(self, n: int, make: Callable[[int], C]) -> None:
        self.n, self.make = n, make

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> C: ...
    @overload
    def __getitem__(self, index: slice) -> list[C]: ...
    def __getitem__(self, index: int | slice) -> C | list[C]:
        if isinstance(index, slice):
            return [self.make(i) for i in range(self.n)[index]]
        return self.make(range(self.n)[index])


def fitted_on(names: Sequence[str]) -> list[Any]:
    """Return the count and the sha256 of the names of training recordings, which do not travel with a model."""
    return [len(names), hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()]


def digest_of(subject: str) -> str:
    """Return what stands for a subject where names do not travel: empty for nobody."""
    return hashlib.sha256(subject.encode()).hexdigest()[:16] if subject else ""


def place(unit: NDArray[Any], raw: NDArray[Any], out: NDArray[Any]) -> None:
    """Put what a model gives where it belongs: the one placing code for torch and onnxruntime.

    Parameters
    ----------
    unit : ndarray of int64, shape (...)
        Index of the unit answered at each output position, -1 where there is none.
    raw : ndarray, shape (..., width)
        What the model gave.
    out : ndarray, shape (units, width)
        Written to.

    Examples
    --------
    >>> out = np.zeros((2, 1))
    >>> place(np.array([-1, 1, 0]), np.array([[9.0], [1.0], [2.0]]), out)
    >>> out.tolist()
    [[2.0], [1.0]]
    """
    at = unit >= 0
    out[unit[at]] = raw[at]
