"""Preprocessing as data: what a store, a checkpoint and an ONNX file each carry, and compare before they are used."""

import hashlib
import inspect
import json
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

import biotl.signal
from biotl.config import Section
from biotl.errors import ConfigError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Gaps = Literal["refuse", "interpolate", "mask"]
Normalizer = Literal["none", "window", "recording", "training", "qrs"]


class Filter(Section):
    """One step of the filter chain: a function of `biotl.signal` by name, and its options."""

    name: Literal["bandstop", "bandpass", "highpass", "lowpass", "notch", "remove_baseline"]
    options: dict[str, float | int | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _options_fit_the_function(self) -> Self:
        try:
            inspect.signature(getattr(biotl.signal, self.name)).bind(None, None, **self.options)
        except TypeError as error:
            raise ValueError(f"{self.name}: {error}") from None
        return self

    def __call__(self, x: NDArray[Any], fs: float) -> NDArray[Any]:
        """Filter ``x``, shape (..., samples), at ``fs`` Hz."""
        return np.asarray(getattr(biotl.signal, self.name)(x, fs, **self.options))


class Channel(Section):
    """One channel that a model reads, by name.

    Parameters
    ----------
    name : str
        What the channel is to the model: ``ECG``, ``PPG``, ``ACC_X``. A pretrained model is matched by it.
    aliases : tuple of str
        What recordings call it, in order of preference after ``name``; see `biotl.datasets.channels.find`.
    unit : str
        Unit that it is converted to, such as ``mV``; empty takes what comes.
    filters : tuple of Filter
        Applied in order, at the rate of the spec.
    normalizer : str
        ``none``; ``window`` and ``recording``: mean 0 and standard deviation 1 of each by itself; ``training``: by mean
        and standard deviation over the training recordings; ``qrs``: divided by the recording's median QRS height.
    optional : bool
        A recording that lacks it is taken, with the channel masked.
    """

    name: Annotated[str, Field(min_length=1)]
    aliases: tuple[str, ...] = ()
    unit: str = ""
    filters: tuple[Filter, ...] = ()
    normalizer: Normalizer = "none"
    optional: bool = False


class Lagged(Section):
    """A channel that is read as it was some time before each step: what is known of it when the step is answered.

    ``horizon_s`` is that time, ``first_s`` how much of the beginning of a recording is read at all, such as five
    minutes that tell who somebody is. The column is called ``heart_rate_before`` after the channel.
    """

    channel: Channel
    horizon_s: Positive
    first_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @property
    def name(self) -> str:
        """The name of the column."""
        return f"{self.channel.name}_before"

    def steps(self, fs: float) -> int:
        """Return how many steps, of so many a second, a value lies back at least."""
        return int(np.ceil(self.horizon_s * fs - 1e-9))


class BaseSpec(Section):
    """What every kind of preprocessing states.

    ``fs`` is the rate in Hz that every channel is brought to, ``channels`` stand in the order in which the model reads
    them. ``gaps`` says what is done where samples are missing (NaN, infinite, or a lost channel): ``refuse`` the
    recording, ``interpolate`` with straight lines, or ``mask``: 0 after normalisation, and marked as not measured.
    """

    fs: Positive
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    gaps: Gaps = "refuse"

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [channel.name for channel in self.channels]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"channels: got {', '.join(twice)} twice, wanted each name once")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels, in order."""
        return tuple(channel.name for channel in self.channels)

    def digest(self) -> str:
        """Return the sha256 of its JSON."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def compare(self, other: "BaseSpec", *, got: str = "this", wanted: str = "the other") -> None:
        """Refuse another spec.

        Parameters
        ----------
        other : Spec
            What is wanted.
        got, wanted : str
            What the two specs belong to, for the message.

        Raises
        ------
        ConfigError
            At the first field that differs, naming it and both values.

        Examples
        --------
        >>> from biotl.datasets import SentenceSpec
        >>> SentenceSpec(fs=250).compare(SentenceSpec(), got="store", wanted="model")
        Traceback (most recent call last):
        biotl.errors.ConfigError: spec.fs: the store has 250.0, the model has 360.0; prepare again under one spec
        """
        mine, theirs = _flat(self.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
        for name in dict.fromkeys((*mine, *theirs)):
            a, b = mine.get(name, "nothing"), theirs.get(name, "nothing")
            if a != b:
                raise ConfigError(
                    f"spec.{name}: the {got} has {a!r}, the {wanted} has {b!r}; prepare again under one spec"
                )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in items:
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat
