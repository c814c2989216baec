"""BIOPAC AcqKnowledge files, through bioread."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from biotl.records.foreign import bring, refused
from biotl.records.mixed import Channel, one_rate
from biotl.records.record import Record


def read(path: str | Path, *, channels: Sequence[str] | None = None) -> Record:
    """Read an ``.acq`` file of AcqKnowledge 3 to 5: physical values of the channels of one rate.

    Parameters
    ----------
    path : str or Path
        The file.
    channels : sequence of str, optional
        Names of channels of one rate; see :func:`biotl.records.mixed.one_rate`.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples), in the units of the file (``mV``, ``Volts``).

    Raises
    ------
    RecordError
        A file that is missing or damaged.
    MissingExtraError
        If bioread is not installed.
    """
    path = Path(path)
    bioread = bring("bioread", "acq")
    # it tells of damage on the standard streams
    with (
        refused(path, "an AcqKnowledge file", "export it as MATLAB in AcqKnowledge"),
        path.open("rb") as file,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        found = [_channel(channel) for channel in bioread.read(file).channels]
    return one_rate(path, found, channels)


def _channel(channel: Any) -> Channel:
    rate = float(channel.samples_per_second)
    return Channel(str(channel.name), str(channel.units), rate, lambda: np.asarray(channel.data, np.float32))
