"""VitalDB's ``.vital`` files, through the vitaldb package: waveforms at their own rates, numerics left out."""

import contextlib
import io
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.foreign import bring, refused
from biotl.records.mixed import Channel, one_rate, plain_unit
from biotl.records.record import Record

_WAVEFORM = 1  # type of a track; 2 is a numeric, 5 a text
_LONGEST_S = 7 * 86400  # as the format itself allows


def read(path: str | Path, *, channels: Sequence[str] | None = None) -> Record:
    """Read the waveforms of one rate of a ``.vital`` file.

    Parameters
    ----------
    path : str or Path
        The file.
    channels : sequence of str, optional
        Names of tracks of one rate, such as ``("SNUADC/ECG_II",)``; see :func:`biotl.records.mixed.one_rate`. A
        numeric, a value each second or two, is refused: it is no waveform.

    Returns
    -------
    Record
        Signal float32 of shape (tracks, samples), NaN in gaps; all start at the start of the file.

    Raises
    ------
    RecordError
        A file that is missing or damaged, without a waveform, or a track that is none.
    MissingExtraError
        If vitaldb is not installed.
    """
    path = Path(path)
    vitaldb = bring("vitaldb", "vital")
    with refused(path, "a .vital file"):
        with path.open("rb"):  # the package answers a missing file by nothing
            pass
        told = io.StringIO()  # the package prints what it meets, and goes on with what it has
        with warnings.catch_warnings(), contextlib.redirect_stdout(told):
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves the file to the garbage collector
            vital = vitaldb.VitalFile(str(path))
        if told.getvalue():
            raise ValueError(told.getvalue())
        tracks = {name: (track.type, float(track.srate or 0), str(track.unit)) for name, track in vital.trks.items()}
        seconds = float(vital.dtend) - float(vital.dtstart)
    for name in channels or ():
        if name in tracks and tracks[name][0] != _WAVEFORM:
            raise RecordError(str(path), f"track {name}", "a numeric", "a waveform", "numerics are values, not samples")
    found = [
        Channel(name, plain_unit(unit), fs, partial(_samples, path, vital, name, fs, seconds))
        for name, (kind, fs, unit) in tracks.items()
        if kind == _WAVEFORM and fs > 0
    ]
    if not found:
        got = f"{len(tracks)} tracks without a waveform"
        raise RecordError(str(path), "tracks", got, "a waveform such as SNUADC/ECG_II")
    return one_rate(path, found, channels)


def _samples(path: Path, vital: Any, name: str, fs: float, seconds: float) -> NDArray[np.float32]:
    # what is compressed may hold a thousand times its size, and what lies about its end more
    if not 0 < seconds <= _LONGEST_S or 4 * fs * seconds > max(1 << 28, 2000 * path.stat().st_size):
        raise RecordError(
            str(path), "dtend", f"{seconds:g} s at {fs:g} Hz", f"what {path.stat().st_size} bytes can hold"
        )
    with refused(path, "a .vital file"):
        return np.asarray(vital.get_track_samples(name, 1 / fs), np.float32)
