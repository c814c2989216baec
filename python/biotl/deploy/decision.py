"""How a model's raw output becomes an answer: a class, a value with its interval, or a vector as it is."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from biotl.deploy.prevalence import Prevalence
from biotl.errors import SignalError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Decided:
    """What a decision makes of n raw outputs.

    Parameters
    ----------
    value : ndarray
        int64 (n,) index of the class, -1 where the output is not finite; or float32 (n,) in the unit of the value; or
        float32 (n, dim).
    probability : ndarray of float32, shape (n, classes), optional
        Of classes only; a row sums to 1, or is NaN where the output is not finite.
    low, high : ndarray of float32, shape (n,), optional
        Of values only: the interval that the decision states.
    """

    value: NDArray[Any]
    probability: NDArray[np.float32] | None = None
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None


class _Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Classes(_Decision):
    """One of several classes.

    Parameters
    ----------
    labels : tuple of str
        Class names, at least two; a model of two classes may give one logit.
    thresholds : tuple of float
        One a class, see `decide`; all equal by default.
    calibration : float
        Temperature (Guo et al. 2017) that logits are divided by before they become probabilities.
    prevalence : Prevalence, optional
        Raises the odds of a class that is common in a recording, before the temperature: what is read is then all of
        its beats that are known.

    Examples
    --------
    >>> decision = Classes(labels=("normal", "abnormal"), thresholds=(0.9, 0.1))
    >>> decision.read(np.array([[-2.0], [-3.0]], np.float32)).value
    array([1, 0])
    """

    kind: Literal["classes"] = "classes"
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    thresholds: tuple[Positive, ...] = ()
    calibration: Positive = 1.0
    prevalence: Prevalence | None = None

    @model_serializer(mode="wrap")
    def _said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # without it a file is the same, byte for byte, as before there was such a step
        return {key: value for key, value in dump(self).items() if key != "prevalence" or value is not None}

    @model_validator(mode="before")
    @classmethod
    def _equal_by_default(cls, value: Any) -> Any:
        if isinstance(value, dict) and not len(value.get("thresholds", ())) and len(value.get("labels", ())):
            value = {**value, "thresholds": [1 / len(value["labels"])] * len(value["labels"])}
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels: got {self.labels}, wanted each name once")
        if len(self.thresholds) != len(self.labels):
            raise ValueError(f"thresholds: got {len(self.thresholds)}, wanted {len(self.labels)}, one a label")
        if (of := self.prevalence) is not None and not {of.of, of.usual} <= set(self.labels):
            raise ValueError(f"prevalence: got {of.of} and {of.usual}, wanted two of {', '.join(self.labels)}")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers a model may give for one answer."""
        return (1, 2) if len(self.labels) == 2 and self.prevalence is None else (len(self.labels),)

    def read(self, raw: NDArray[Any]) -> Decided:
        """Return the class and the probabilities of raw outputs, float32 (n, width)."""
        raw = _checked(raw, self.widths)
        if self.prevalence is not None:
            raw = self.prevalence.applied(raw, self.labels)
        probability = probabilities(raw / np.float32(self.calibration))
        value = decide(probability, np.array(self.thresholds, np.float32))
        return Decided(np.where(np.isfinite(raw).all(axis=1), value, -1), probability)


class Value(_Decision):
    """A number.

    Parameters
    ----------
    name, unit : str
        What it is, such as ``heart rate`` in ``bpm``.
    low, high : float, optional
        What is added to the number for the ends of its interval, such as the 5 % and 95 % quantiles of (reference -
        answer) on validation subjects.

    Examples
    --------
    >>> decided = Value(name="heart rate", unit="bpm", low=-4, high=6).read(np.array([[80.0]], np.float32))
    >>> float(decided.low[0]), float(decided.value[0]), float(decided.high[0])
    (76.0, 80.0, 86.0)
    """

    kind: Literal["value"] = "value"
    name: str
    unit: str = ""
    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.low is None) != (self.high is None) or (self.low or 0) > (self.high or 0):
            raise ValueError(f"low, high: got {self.low} and {self.high}, wanted both, low at most high, or neither")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers a model may give for one answer."""
        return (1,)

    def read(self, raw: NDArray[Any]) -> Decided:
        """Return the value and its interval of raw outputs, float32 (n, 1)."""
        value = _checked(raw, self.widths)[:, 0]
        if self.low is None or self.high is None:
            return Decided(value)
        return Decided(value, low=value + np.float32(self.low), high=value + np.float32(self.high))


class Vector(_Decision):
    """The output as it is: an embedding."""

    kind: Literal["vector"] = "vector"
    dim: Annotated[int, Field(ge=1)]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many numbers a model may give for one answer."""
        return (self.dim,)

    def read(self, raw: NDArray[Any]) -> Decided:
        """Return raw outputs, float32 (n, dim)."""
        return Decided(_checked(raw, self.widths))


Decision = Annotated[Classes | Value | Vector, Field(discriminator="kind")]


def _checked(raw: NDArray[Any], widths: tuple[int, ...]) -> NDArray[np.float32]:
    if raw.ndim != 2 or raw.shape[1] not in widths:
        raise SignalError(f"output: got shape {raw.shape}, wanted (n, {' or '.join(map(str, widths))})")
    return np.asarray(raw, np.float32)


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return class probabilities, shape (n, classes): softmax, or of a single logit the logistic pair.

    Parameters
    ----------
    logits : ndarray of float32, shape (n, classes) or (n, 1)
        What the model gives; a row that is not finite gives NaN.

    Examples
    --------
    >>> probabilities(np.zeros((1, 1), np.float32))
    array([[0.5, 0.5]], dtype=float32)
    """
    logits = np.where(np.isfinite(logits).all(axis=1, keepdims=True), logits, np.float32(np.nan))
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True), np.float32)


def decide(probability: NDArray[np.float32], thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the class whose probability is largest relative to its threshold, shape (n,).

    With two classes this is the usual threshold: class 1 where ``p > t``, for thresholds ``(1 - t, t)``.

    Parameters
    ----------
    probability : ndarray of float32, shape (n, classes)
        Rows sum to 1.
    thresholds : ndarray of float32, shape (classes,)
        Positive; all equal means the most probable class.

    Examples
    --------
    >>> decide(np.array([[0.7, 0.3]], np.float32), np.array([0.8, 0.2], np.float32))
    array([1])
    """
    return np.asarray((probability / thresholds).argmax(axis=1), np.int64)
