"""A recording in memory: the one noun that every reader returns and every pipeline starts from."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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
        Who was recorded; records of one subject stay on one side of a split.
    annotations : dict of str to Annotations
        By annotator, such as ``atr``.
    source : Path or None
        The file that it was read from.
    """

    name: str
    signal: NDArray[np.float32]
    fs: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    subject: str
    annotations: dict[str, Annotations] = field(default_factory=dict)
    source: Path | None = None

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
            str(self.source or self.name), "channels", ", ".join(self.channels), f"one of {', '.join(names)}"
        )
