"""Rates that a detector was not made for: another scale of time where they are stated, a word where they are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import SignalError, SignalWarning

from ._arrays import clear

# beats per minute that the detectors find at their own scale of time
MADE_FOR = {"rpeaks": (15.0, 280.0), "ppg_peaks": (30.0, 240.0)}
# stretches that are looked at, their length, and the rate they are brought down to, in seconds and Hz
LOOKS, LOOK_S, LOOK_HZ = 3, 12.0, 250.0
# least autocorrelation of a rhythm, and of a slow one, which motion has too
RHYTHM, SURE = 0.6, 0.8
# a rhythm at a limit is followed; hum and tremor are faster, breath slower than these, on the detector's scale of time
CLEARLY = 0.93
FASTEST_BPM, SLOWEST_BPM = 1000.0, 15.0


def scale(detector: str, fs: float, rate_range: tuple[float, float] | None, least: float) -> float:
    """Return by how much slower than it is a signal must be taken for its rates to be those that a detector knows.

    Raises
    ------
    SignalError
        If the range is none, is wider than the detector's own, or leaves less than its `least` rate of samples.
    """
    if rate_range is None:
        return 1.0
    slow, fast = MADE_FOR[detector]
    try:
        low, high = (float(bpm) for bpm in rate_range)
    except (TypeError, ValueError):
        raise SignalError(f"rate_range: got {rate_range!r}, wanted two rates in beats per minute") from None
    if not 0 < low < high < np.inf or high / low > fast / slow:
        wanted = f"two rates in beats per minute, the second at most {fast / slow:.3g} times the first"
        raise SignalError(f"rate_range: got {low:g} to {high:g}, wanted {wanted}")
    times = high / fast if high > fast else min(low / slow, 1.0)
    if fs / times < least:
        raise SignalError(f"fs: got {fs:g} Hz, wanted at least {least * times:g} Hz for rates up to {high:g} a minute")
    return times


def warn_beyond(
    detector: str,
    x: NDArray[Any],
    rising: Callable[[NDArray[Any]], NDArray[Any]],
    fs: float,
    times: float,
    peaks: NDArray[np.int64],
) -> None:
    """Warn if a stretch of a signal keeps a rhythm faster or slower than a detector finds, and beats are missing there.

    Parameters
    ----------
    detector : str
        Which one, by its name.
    x : ndarray, shape (samples,)
        The signal.
    rising : callable
        Makes of a stretch of it, all differences positive or negative, what rises once a beat.
    fs, times : float
        Rate in Hz, and how much slower the detector took time.
    peaks : ndarray of int64
        The beats found.
    """
    slow, fast = (bpm * times for bpm in MADE_FOR[detector])
    size = round(LOOK_S * fs / times)
    step = max(1, int(fs / times / LOOK_HZ))
    for start in sorted({max(0, len(x) - size) * look // (LOOKS - 1) for look in range(LOOKS)}):
        gaps = np.diff(peaks[slice(*np.searchsorted(peaks, (start, start + size)))]) / fs
        # a rate below a third of the fastest, evenly kept, is not every second or third beat of one beyond it
        if len(gaps) > 3 and gaps.max() < 1.3 * gaps.min() and 60 / gaps.mean() < fast / 3:
            continue
        with np.errstate(all="ignore"):
            steps = rising(np.diff(x[start : start + size]))
        if not clear(steps):
            return
        wave = steps[: len(steps) // step * step].reshape(-1, step) @ np.full(step, 1 / step, steps.dtype)
        bpm = rhythm(wave, fs / step, fast, slow, times)
        if bpm is not None and not 0.85 < (len(gaps) + 1) / (bpm / 60 * len(steps) / fs) < 1.15:
            side = f"above {fast:g}" if bpm > fast else f"below {slow:g}"
            warnings.warn(
                f"{detector}: a rhythm of about {bpm:.0f} a minute at {start / fs:.0f} s, {side}, is not followed; "
                f"state the rates that may be, as in rate_range=({bpm / 2:.0f}, {bpm * 1.5:.0f})",
                SignalWarning,
                stacklevel=3,
            )
            return


def rhythm(wave: NDArray[Any], fs: float, fast: float, slow: float, times: float) -> float | None:
    """Return the rate of a rhythm faster or slower than these, beats per minute, or None where there is none such."""
    if len(wave) < 3:
        return None
    centred = wave - wave.mean()
    # up to half its length no lag wraps round in one and a half; a length of large primes took ten times as long
    size = -(-3 * len(centred) // 2048) * 1024
    alike = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2)[: len(centred) // 2 + 1]
    if alike[0] <= 0:
        return None
    # less is left of the signal at longer lags
    alike = alike / alike[0] * len(centred) / (len(centred) - np.arange(len(alike)))
    summits = np.flatnonzero((alike[1:-1] > alike[:-2]) & (alike[1:-1] >= alike[2:]) & (alike[1:-1] > RHYTHM)) + 1
    fallen = np.flatnonzero(alike < RHYTHM / 2)
    summits = summits[summits > fallen[0]] if fallen.size else summits[:0]
    if not summits.size:
        return None
    first = 60 * fs / summits[0]
    # hum is faster than any heart, and a rhythm goes on
    if fast < first <= FASTEST_BPM * times:
        again = alike[round(1.8 * summits[0]) : round(2.2 * summits[0]) + 1]
        return float(first) if again.size and again.max() > RHYTHM else None
    sure = alike[summits[0]] > SURE
    return float(first) if SLOWEST_BPM * times <= first < CLEARLY * slow and sure else None
