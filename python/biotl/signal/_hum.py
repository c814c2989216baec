"""Mains hum that drowns a signal, found and taken off; what does not drown it is left to the detector."""

from __future__ import annotations

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
    f = np.fft.rfftfreq(size, 1 / fs)
    lines = (f >= LOWEST_HZ) & (f <= fs / 2 - MARGIN_HZ)
    window = np.hanning(size)
    for start in np.unique(np.linspace(0, len(x) - size, LOOKS).astype(int)):
        part = x[start : start + size]
        # what is not finite, or too large to be squared, is for the detector to refuse
        with np.errstate(all="ignore"):
            power = np.abs(np.fft.rfft((part - part.mean()) * window)) ** 2
        if not np.isfinite(power.sum()):
            return None
        line = float(f[lines][power[lines].argmax()])
        near = np.abs(f - line) <= LINE_HZ
        if power[near].sum() > DROWNS * power[~near & (f >= BEAT_HZ)].sum():
            return line
    return None
