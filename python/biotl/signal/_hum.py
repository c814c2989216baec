"""Mains hum that drowns a signal, found and taken off; what does not drown it is left to the detector."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl import _core

# hum is looked for above this and up to this far below half the rate, Hz, in some stretches of this length, seconds
LOWEST_HZ, MARGIN_HZ = 35.0, 3.0
LOOKS, LOOK_S = 3, 8.0
# power of a line against all else that a beat has, and how wide a line is, Hz
DROWNS, LINE_HZ = 3.0, 1.0
BEAT_HZ, STOP_HZ = 5.0, 2.0
LINES = 3


def without_hum(leads: NDArray[Any], fs: float) -> NDArray[Any]:
    """Return the leads (leads, samples), those that hum drowns through a band-stop of 4 Hz around each of its lines."""
    for lead in range(len(leads)):
        for _ in range(LINES):
            line = drowning(leads[lead], fs)
            if line is None:
                break
            out = leads.copy()
            sos = _core.design_sos(4, fs, low=line - STOP_HZ, high=line + STOP_HZ, stop=True)
            filtered = np.empty_like(leads[lead : lead + 1])
            _core.sosfiltfilt(np.ascontiguousarray(leads[lead : lead + 1]), sos, filtered)
            out[lead] = filtered[0]
            leads = out
    return leads


def drowning(x: NDArray[Any], fs: float) -> float | None:
    """Return the frequency in Hz of a line that drowns a stretch of the signal, or None."""
    size = min(len(x), round(LOOK_S * fs))
    if size < fs or fs / 2 - MARGIN_HZ <= LOWEST_HZ:
        return None
    window, first, end, beat, reach = _look(size, fs)
    if end <= first:  # a second of a signal at 76 Hz has no frequency between the two limits
        return None
    starts = sorted({(len(x) - size) * look // (LOOKS - 1) for look in range(LOOKS)})
    parts = np.stack([x[start : start + size] for start in starts])
    # what is not finite, or too large to be squared, is for the detector to refuse
    with np.errstate(all="ignore"):
        power = np.abs(np.fft.rfft((parts - parts.mean(axis=1, keepdims=True)) * window)) ** 2
        beats = power[:, beat:].sum(axis=1)
    if not np.isfinite(beats).all():
        return None
    for line, own, total in zip(power[:, first:end].argmax(axis=1) + first, power, beats, strict=True):
        near = own[line - reach : line + reach + 1].sum()
        if near > DROWNS * (total - near):
            return float(line * fs / size)
    return None


# a detector asks for the same few sizes again and again, a stream for one: the window costs as much as its transform
@lru_cache(maxsize=4)
def _look(size: int, fs: float) -> tuple[NDArray[np.float64], int, int, int, int]:
    """Return the window of a look, and in its frequencies: first and end of lines, first of a beat, width of a line."""
    bins = size / fs
    first, end = ceil(LOWEST_HZ * bins), floor((fs / 2 - MARGIN_HZ) * bins) + 1
    return np.hanning(size), first, end, ceil(BEAT_HZ * bins), floor(LINE_HZ * bins)
