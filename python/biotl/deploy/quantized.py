"""What smaller weights change, and whether they are worth having."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Weights = Literal["int8", "float16"]
AGREE, LOSS = 0.99, 1.0
"""Share of answers that have to stay, and points of the main figure (per cent of an error) that may be lost."""
ROUNDS = 15
"""Of each model in turn, so that a busy machine slows both."""


@dataclass(frozen=True)
class Quantized:
    """What smaller weights change.

    Parameters
    ----------
    weights : str
        ``int8`` or ``float16``.
    units : int
        Validation beats, windows or steps that both models answered.
    agreement : float
        Share of them with the same class, or a value within a hundredth of the spread of all values.
    metric : str
        The run's main figure.
    before, after : float
        That figure, in its unit.
    bytes_before, bytes_after : int
        Of the files.
    speed : float
        Time of the new model over that of the old, median of interleaved batches on one thread.
    """

    weights: Weights
    units: int
    agreement: float
    metric: str
    before: float
    after: float
    bytes_before: int
    bytes_after: int
    speed: float

    def refusal(self) -> str:
        """Return why it is not worth having; nothing if it is."""
        lost = self.before - self.after if self.metric == "macro_f1" else 100 * (self.after / self.before - 1)
        if self.agreement < AGREE:
            return f"{self.agreement:.1%} of the answers stay, wanted {AGREE:.0%}"
        if not lost <= LOSS:
            return f"{self.metric} goes from {self.before:.2f} to {self.after:.2f}, wanted within {LOSS:g} point"
        if self.weights == "int8" and self.speed >= 1:
            return f"it takes {self.speed:.2f} of the time, wanted less than 1"
        if self.bytes_after >= self.bytes_before:
            return f"it has {self.bytes_after} bytes of {self.bytes_before}, wanted fewer"
        return ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, with ``refused``: the reason, or nothing."""
        return {**asdict(self), "refused": self.refusal()}


def same(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which answers stay: the same class, or a value within a hundredth of the spread of all.

    Examples
    --------
    >>> same(np.array([0, 1]), np.array([0, 2])).tolist()
    [True, False]
    """
    if before.dtype.kind == "i":
        return np.asarray(before == after)
    return np.asarray(np.abs(before - after) <= 0.01 * np.nanstd(before))


def speed(old: Any, new: Any, inputs: dict[str, Any]) -> float:
    """Return the time of one session over that of another on the same inputs, median of turns."""

    def seconds(session: Any) -> float:
        began = time.perf_counter()
        session.run(None, inputs)
        return time.perf_counter() - began

    for session in (old, new):
        session.run(None, inputs)
    return float(np.median([seconds(new) / seconds(old) for _ in range(ROUNDS)]))
