"""Answers that follow one another and say the same are one event: a run of beats, a stretch of windows or steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PAUSE_S = 3.0
"""Beats further apart are not one run: a pause of three seconds is an event of its own to a cardiologist."""


@dataclass(frozen=True)
class Event:
    """A run of the same answer.

    Parameters
    ----------
    start, stop : int
        Half-open samples at the recording's rate, from its beginning; of beats from the first R peak to the last.
    label : str
        The class; empty where none is told.
    abstained : str
        Why the model does not answer there; empty where it does.
    units : int
        Beats, windows or steps.
    probability : float
        Mean over these of the probability of the label; NaN without one.
    value, low, high : float
        Of a value: mean, smallest and largest; NaN without one.
    quality : float
        Lowest of the signal there; NaN where it was not judged.
    """

    start: int
    stop: int
    label: str
    abstained: str
    units: int
    probability: float
    value: float
    low: float
    high: float
    quality: float


class _Prediction(Protocol):
    """What is read of a `biotl.deploy.prediction.Prediction`."""

    @property
    def fs(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def span(self) -> NDArray[np.int64]: ...
    @property
    def value(self) -> NDArray[Any]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def abstained(self) -> Sequence[str]: ...
    @property
    def probability(self) -> NDArray[np.float32] | None: ...
    @property
    def quality(self) -> NDArray[np.float32]: ...


class Events:
    """Merges answers as they come; which parts they come in changes nothing.

    Parameters
    ----------
    state : dict, optional
        What `state` of another one gave, to go on from there.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self._open: dict[str, Any] | None = dict(state) if state else None

    @property
    def state(self) -> dict[str, Any] | None:
        """JSON of the run that is not over."""
        return dict(self._open) if self._open else None

    def push(self, made: _Prediction) -> list[Event]:
        """Take answers in order of time, and return the events that ended before the last of them."""
        over = []
        reach = PAUSE_S * made.fs if made.unit == "beat" else 0.0
        names = made.names or ("",) * len(made.span)
        number = made.value.dtype.kind == "f" and made.value.ndim == 1
        for i, (start, stop) in enumerate(made.span.tolist()):
            label, why = names[i], made.abstained[i]
            now = self._open
            if now is None or (now["label"], now["abstained"]) != (label, why) or start - now["stop"] > reach:
                over += self.finish()
                now = self._open = {
                    "start": start, "stop": stop, "label": label, "abstained": why, "units": 0, "probability": 0.0,
                    "value": 0.0, "low": np.inf, "high": -np.inf, "quality": np.inf,
                }  # fmt: skip
            now["stop"] = max(now["stop"], stop)
            now["units"] += 1
            if label and made.probability is not None:
                now["probability"] += float(made.probability[i, made.value[i]])
            if number and not why:
                value = float(made.value[i])
                now["value"] += value
                now["low"], now["high"] = min(now["low"], value), max(now["high"], value)
            # a quality that was not judged is NaN, and NaN is not smaller
            if made.quality[i] < now["quality"]:
                now["quality"] = float(made.quality[i])
        return over

    def finish(self) -> list[Event]:
        """Return the run that is not over as an event; nothing follows."""
        if self._open is None:
            return []
        now, self._open = self._open, None
        n, told = now["units"], np.isfinite(now["low"])
        return [
            Event(
                **now
                | {
                    "probability": now["probability"] / n if now["label"] else np.nan,
                    "value": now["value"] / n if told else np.nan,
                    "low": now["low"] if told else np.nan,
                    "high": now["high"] if told else np.nan,
                    "quality": now["quality"] if np.isfinite(now["quality"]) else np.nan,
                }
            )
        ]
