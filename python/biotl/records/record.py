"""A recording in memory: the one noun that every reader returns and every pipeline starts from."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError


@dataclass(frozen=True, repr=False, eq=False)
class Annotations:
    """Marks on a recording, in order of time.

    Parameters
    ----------
    sample : ndarray of int64, shape (n,)
        Sample index of each mark at the record's rate.
    symbol : ndarray of str, shape (n,)
        WFDB symbol: ``N``, ``V``, ``(``, ``+`` and so on.
    aux : tuple of str, length n
        The free text of each mark, empty where there is none.
    subtype, channel, number : ndarray of integers, shape (n,)
        The WFDB fields ``subtyp``, ``chan`` and ``num``.
    """

    sample: NDArray[np.int64]
    symbol: NDArray[np.str_]
    aux: tuple[str, ...]
    subtype: NDArray[np.int8]
    channel: NDArray[np.integer]
    number: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.sample)

    def __repr__(self) -> str:
        return f"Annotations({len(self)} marks)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Annotations) and _same(self, other)

    __hash__ = None  # type: ignore[assignment]  # arrays have none


def _same(one: object, other: object) -> bool:
    """Whether two of a class hold the same; arrays are compared by value, NaN as equal to NaN."""
    for name, value in vars(one).items():
        than = vars(other)[name]
        if isinstance(value, np.ndarray):
            if value.shape != than.shape or not np.array_equal(value, than, equal_nan=value.dtype.kind == "f"):
                return False
        elif value != than:
            return False
    return True


@dataclass(frozen=True, repr=False, eq=False)
class Record:
    """A recording: float32 signal of shape (channels, samples) and what is known of it.

    Parameters
    ----------
    name : str
        Record name, unique in its data set.
    signal : ndarray of float32, shape (channels, samples)
        Physical values in ``units``; NaN marks a gap.
    fs : float
        Sampling rate in Hz.
    channels, units : tuple of str
        Name and unit (``mV``, ``g``, ``bpm``, ...) of each channel.
    subject : str
        Who was recorded; records of one subject stay on one part of a split.
    annotations : dict of str to Annotations
        By annotator, such as ``atr``.
    source : Path or None
        The file that it was read from.
    start : datetime or None
        When it began, by the clock where it was recorded; None where only a time of another zone is known.
    """

    name: str
    signal: NDArray[np.float32]
    fs: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    subject: str
    annotations: dict[str, Annotations] = field(default_factory=dict)
    source: Path | None = None
    start: datetime | None = None

    def __repr__(self) -> str:
        leads = [f"{name} ({unit})" if unit else name for name, unit in zip(self.channels, self.units, strict=False)]
        shown = ", ".join(leads[:12]) + (f" and {len(leads) - 12} more" if len(leads) > 12 else "")
        marks = "".join(f", {name}: {len(found)} marks" for name, found in self.annotations.items())
        channels, n = self.signal.shape
        return f"Record({self.name!r}, {channels} x {n} at {self.fs:g} Hz, {n / self.fs:.1f} s: {shown}{marks})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and _same(self, other)

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def select(self, *names: str) -> "Record":
        """Return a record of the channels of these names, in this order; raises as :meth:`channel`.

        Examples
        --------
        >>> record = Record("a", np.zeros((2, 4), np.float32), 360.0, ("I", "II"), ("mV", "mV"), "a")
        >>> record.select("II").channels
        ('II',)
        """
        signal = np.stack([self.channel(name) for name in names])
        units = tuple(self.units[self.channels.index(name)] for name in names)
        return replace(self, signal=signal, channels=names, units=units)

    def channel(self, *names: str) -> NDArray[np.float32]:
        """Return the first channel, shape (samples,), whose name is among ``names``, in the order of ``names``.

        Raises
        ------
        RecordError
            If no channel has such a name.

        Examples
        --------
        >>> record = Record("a", np.zeros((1, 4), np.float32), 360.0, ("MLII",), ("mV",), "a")
        >>> record.channel("II", "MLII").shape
        (4,)
        """
        for name in names:
            if name in self.channels:
                lead: NDArray[np.float32] = self.signal[self.channels.index(name)]
                return lead
        raise RecordError(
            str(self.source or self.name), "channels", ", ".join(self.channels)[:160], f"one of {', '.join(names)}"
        )
