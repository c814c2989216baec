"""Rows whose times are not even: what rate they come to, and where they lie on the time line of a stated rate."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError

GAP = 1.5
"""Steps: what jitters less is even."""
PACKET_S = 0.5
"""Of samples that a sensor sends together, with one time."""
_FEW = 16  # rows that fit any rate
LONGEST = 100
"""Places on the time line for each row: what is missing must not take all memory."""


def rows_a_second(steps: NDArray[np.float64]) -> float:
    """Return the rate that uneven times come to, pauses left out; 0 where they go back."""
    if not len(steps) or not steps.min() >= 0:
        return 0.0
    held = steps[steps <= max(PACKET_S, 2 * float(np.median(steps)))]
    return len(held) / float(held.sum()) if held.sum() > 0 else 0.0


def places(
    path: Path, time_s: NDArray[np.float64], fs: float, *, field: str = "time column"
) -> NDArray[np.int64] | None:
    """Place rows of uneven times on a time line of a stated rate: as even, but for the gaps that times show.

    A time may be late, by jitter or since it is that of a packet, and is not early: a gap is what no later row makes up
    for, from one and a half steps on.

    Parameters
    ----------
    path : Path
        The file, for errors.
    time_s : ndarray of float64, shape (n,)
        Times in seconds.
    fs : float
        Rate in Hz.
    field : str
        What holds them, for errors.

    Returns
    -------
    ndarray of int64, shape (n,), or None
        As of `biotl.records.clock.lattice`; None where no place is skipped, and, with a warning, where times go back or
        are missing.

    Raises
    ------
    RecordError
        If, gaps left out, there are a twentieth more or fewer rows a second.

    Examples
    --------
    >>> places(Path("a.csv"), np.array([0, 0.016, 0.05, 0.059, 0.081, 0.14, 0.159]), 50).tolist()
    [0, 1, 2, 3, 4, 7, 8]
    """
    steps = np.diff(time_s)
    if not np.isfinite(time_s).all() or steps.min(initial=0) < 0:
        at = int(np.argmax(~(np.diff(time_s, prepend=time_s[0]) >= 0))) + 1
        warnings.warn(f"{path}: {field}: times go back or are missing, first in row {at} of the data; "
                      f"rows are taken as even at {fs:g} Hz, and gaps are not seen", stacklevel=5)  # fmt: skip
        return None
    late = (time_s - time_s[:1]) * fs - np.arange(len(time_s))
    sure = np.minimum.accumulate(late[::-1])[::-1]
    skipped = np.diff(sure, prepend=sure[:1])
    skipped = np.where(skipped < GAP, 0, np.rint(skipped)).astype(np.int64)
    rows = rows_a_second(steps)
    if len(time_s) >= _FEW and abs(rows - fs) > 0.05 * fs:
        hint = "state the rate that the times have, or leave the column out"
        raise RecordError(str(path), field, f"{rows:.3g} rows a second", f"{fs:g} as stated", hint)
    if skipped.sum() >= LONGEST * len(time_s):
        raise RecordError(
            str(path), field, f"gaps of {skipped.sum() / fs:.0f} s", "a recording", "cut it at its pauses"
        )
    return np.arange(len(time_s)) + np.cumsum(skipped) if skipped.any() else None
