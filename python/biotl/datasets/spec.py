"""Preprocessing as data: what a shard, a checkpoint and an ONNX file each carry, and compare before they are used."""

import hashlib
import inspect
import json
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

import biotl.signal
from biotl.errors import ConfigError

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Filter(BaseModel):
    """One step of the filter chain: a function of `biotl.signal` by name, and its options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["bandstop", "bandpass", "highpass", "lowpass", "notch", "remove_baseline"]
    options: dict[str, float | int | str] = {}

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


def _filters() -> tuple[Filter, ...]:
    return (
        Filter(name="bandstop", options={"low": 50.0, "high": 60.0, "order": 2}),
        Filter(name="remove_baseline", options={"method": "highpass", "cutoff": 0.5}),
    )


class SignalSpec(BaseModel):
    """How a recording becomes what a model reads; frozen, and equal on both sides of every file.

    Parameters
    ----------
    fs : float
        Rate in Hz that every recording is resampled to.
    leads : tuple of str
        Channel names in order of preference; the first that a recording has is read.
    unit : str
        Unit that the lead is converted to.
    filters : tuple of Filter
        Applied in order to the resampled lead.
    detector : str
        R-peak detector; it reads the unfiltered lead.
    segmentation : str
        Mode of `biotl.signal.segment`.
    segment_length : int
        Every P, QRS, T and BG segment is resampled to so many samples, for its token and for its embedding.
    normalizer : str
        ``qrs``: amplitudes are divided by the recording's own median QRS height, so that the gain of the electrode does
        not tell patients apart.
    window_beats, context_beats : int
        A sentence is cut into windows of ``window_beats`` beats, ``context_beats`` of them on each side shared with the
        neighbours and read but not scored.
    vocabulary : str
        Digest of the vocabulary that made the tokens; empty before there is one.

    Examples
    --------
    >>> spec = SignalSpec(fs=250)
    >>> SignalSpec.model_validate_json(spec.model_dump_json()) == spec
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fs: Positive = 360.0
    leads: tuple[str, ...] = ("MLII", "II", "ii", "ECG", "ECG_II", "V5", "V2", "V1")
    unit: Literal["mV"] = "mV"
    filters: tuple[Filter, ...] = Field(default_factory=_filters)
    detector: Literal["wavelet"] = "wavelet"
    segmentation: Literal["fixed"] = "fixed"
    segment_length: Count = 32
    normalizer: Literal["qrs"] = "qrs"
    window_beats: Count = 48
    context_beats: Annotated[int, Field(ge=0)] = 8
    vocabulary: str = ""

    @model_validator(mode="after")
    def _context_leaves_beats_to_score(self) -> Self:
        if 2 * self.context_beats >= self.window_beats:
            raise ValueError(f"context_beats: got {self.context_beats}, wanted less than half of {self.window_beats}")
        return self

    @property
    def window_tokens(self) -> int:
        """Length of a window in tokens: four a beat, one gap, CLS and SEP."""
        return 4 * self.window_beats + 3

    def digest(self) -> str:
        """Return the sha256 of everything but the vocabulary, which is itself made under this spec."""
        text = json.dumps(self.model_dump(mode="json", exclude={"vocabulary"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def compare(self, other: "SignalSpec", *, got: str = "this", wanted: str = "the other") -> None:
        """Refuse another spec.

        Parameters
        ----------
        other : SignalSpec
            What is wanted.
        got, wanted : str
            What the two specs belong to, for the message.

        Raises
        ------
        ConfigError
            At the first field that differs, naming it and both values.

        Examples
        --------
        >>> SignalSpec(fs=250).compare(SignalSpec(), got="shard", wanted="model")
        Traceback (most recent call last):
        biotl.errors.ConfigError: spec.fs: the shard has 250.0, the model has 360.0; prepare again under one spec
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
