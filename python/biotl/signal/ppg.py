"""Pulses of a photoplethysmogram."""

from __future__ import annotations

from typing import Literal, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from ._arrays import (
    NanPolicy,
    Scored,
    as_leads,
    bridge,
    check_policy,
    coerce,
    covered,
    joined,
    one_channel,
    rate,
    refuse_transposed,
)
from ._results import Stream
from ._tempo import scale, warn_beyond

Polarity = Literal["auto", "up", "down"]

RISE_S = 0.15
HOP_S = 0.5
HISTORY_S = 30.0
REFRACTORY_S = 0.25
SHIFT_S = 0.1
# evidence that pulses point as in the last look: as much as two stretches of 8 s may give
KEPT = 3.0
# evidence that they point up, as the core takes it
SIGN = {"auto": 0.0, "up": np.inf, "down": -np.inf}


@overload
def ppg_peaks(
    x: ArrayLike,
    fs: float,
    *,
    motion: ArrayLike | None = None,
    polarity: Polarity = "auto",
    rate_range: tuple[float, float] | None = None,
    nan_policy: NanPolicy = "raise",
    scores: Literal[False] = False,
) -> NDArray[np.int64]: ...
@overload
def ppg_peaks(
    x: ArrayLike,
    fs: float,
    *,
    motion: ArrayLike | None = None,
    polarity: Polarity = "auto",
    rate_range: tuple[float, float] | None = None,
    nan_policy: NanPolicy = "raise",
    scores: Literal[True],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def ppg_peaks(
    x: ArrayLike,
    fs: float,
    *,
    motion: ArrayLike | None = None,
    polarity: Polarity = "auto",
    rate_range: tuple[float, float] | None = None,
    nan_policy: NanPolicy = "raise",
    scores: bool = False,
) -> NDArray[np.int64] | tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the systolic peak of every pulse of a photoplethysmogram, motion or not.

    Parameters
    ----------
    x : array_like, shape (samples,)
        PPG in any unit, unfiltered, pulses pointing up or down. Steps, spikes and codes that wrapped are mended: a
        jump counts as what its neighbours would have it be.
    fs : float
        Sampling rate in Hz, at least 20.
    motion : array_like, shape (axes, samples), optional
        An accelerometer beside the sensor, in any unit: what a linear filter of it explains of the slope of `x` is
        taken off before. Its samples that are not finite are bridged under any policy but "raise".
    polarity : {"auto", "up", "down"}
        Which way pulses point; "auto" tells it from their shape, 8 s by 8 s, and changes only where several in a row
        ask for it.
    rate_range : (float, float), optional
        Rates that may be, in beats per minute; from 30 to 240 where none is given. Beyond, as of mice, time is taken
        slower or faster; the second may be up to 8 times the first.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: refuse them, bridge them by a straight line, or bridge them
        and drop the pulses that have one in the 0.15 s before their peak.
    scores : bool
        Return the score of each pulse too.

    Returns
    -------
    ndarray of int64, shape (pulses,)
        Sample of the crest after each steep rise, ascending: where the signal smoothed over 35 ms turns.
    ndarray of float32, shape (pulses,)
        Only with `scores`: how steep the rise is against the local level, less what the rises passed over beside it
        are of that, how like those around, and whether it takes its time: 0 to 1.

    Raises
    ------
    SignalError
        If `x` is not one channel, `motion` not axes of its length, `fs` below 20 Hz, or a sample is not finite under
        "raise"; if `polarity` or `rate_range` is not as above.

    Warns
    -----
    SignalWarning
        If the signal keeps a rhythm beyond the rates looked for.

    Notes
    -----
    Of the maxima of the slope (derivative of a Gaussian of 35 ms), dynamic programming picks the chain that is steepest
    and most even, as [1]_ tracks musical beats; its tempo may drift and is found along with it, as in [2]_, helped by
    the autocorrelation of the slope over 8 s. Stretches where what is passed over is as steep as what is picked, as in
    noise and hum, or where most rises are up within 1/30 s, as of a calibration square and of paced spikes, hold no
    pulse; waves that follow each pulse, evenly and lower, are its dicrotic ones; hum at a rate that folds it to the
    frequency of a heart looks like one. The whole record is looked at; `PulseStream` looks at a part of bounded length.

    With `motion`, ridge regression over stretches of 8 s on the axes at 13 lags (-0.1 to 0.3 s) says what to take off.

    References
    ----------
    .. [1] D. P. W. Ellis, "Beat tracking by dynamic programming", J. New Music Res. 36:51, 2007.
    .. [2] N. Whiteley et al., "Bayesian modelling of temporal structure in musical audio", ISMIR 2006.

    Examples
    --------
    >>> t = np.arange(1250) / 125
    >>> ppg = np.exp(-(((t % 0.8 - 0.3) / 0.08) ** 2) / 2) + 0.4 * np.exp(-(((t % 0.8 - 0.55) / 0.09) ** 2) / 2)
    >>> len(ppg_peaks(ppg, 125))
    13
    """
    check_policy(nan_policy)
    if polarity not in get_args(Polarity):
        raise SignalError(f"polarity: got {polarity!r}, wanted one of {', '.join(get_args(Polarity))}")
    channel, fs = one_channel(x), rate(fs)
    bad = None if nan_policy == "raise" else ~np.isfinite(as_leads(channel))
    if bad is not None and bad.any():
        channel = bridge(as_leads(channel), bad)[0]
    times = scale("ppg_peaks", fs, rate_range, 20)
    axes = motion_axes(motion, len(channel), nan_policy)
    peaks, score, _ = _core.ppg_peaks(channel, axes, fs / times, SIGN[polarity])
    warn_beyond("ppg_peaks", channel, lambda steps: steps, fs, times, peaks)
    if nan_policy == "mask" and bad is not None:
        kept = ~covered(bad, peaks - round(RISE_S * fs), peaks + 1)[0]
        peaks, score = peaks[kept], score[kept]
    return (peaks, score) if scores else peaks


class PulseStream(Stream):
    """Pulses of an endless photoplethysmogram, each reported at most `delay_s` after its crest was heard.

    What is found depends on the samples alone, not on the parts they come in: every 0.5 s, and not in between, the last
    30 s and `delay_s` are looked at as `ppg_peaks` does.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, at least 20.
    delay_s : float
        Longest time between a crest and its report, at least 1 s.
    polarity : {"auto", "up", "down"}
        As of `ppg_peaks`; what the last look found counts as evidence in the next.

    Attributes
    ----------
    scores : ndarray of float32
        The score of each of the pulses that `push` or `flush` returned last, as of `ppg_peaks`.

    Examples
    --------
    >>> t = np.arange(2500) / 125
    >>> ppg = np.exp(-(((t % 0.8 - 0.3) / 0.08) ** 2) / 2) + 0.4 * np.exp(-(((t % 0.8 - 0.55) / 0.09) ** 2) / 2)
    >>> stream = PulseStream(125)
    >>> found = [stream.push(ppg[i : i + 100]) for i in range(0, 2500, 100)]
    >>> len(np.concatenate([*found, stream.flush()]))
    25
    """

    def __init__(self, fs: float, *, delay_s: float = 3.0, polarity: Polarity = "auto") -> None:
        fs = rate(fs)
        if polarity not in get_args(Polarity):
            raise SignalError(f"polarity: got {polarity!r}, wanted one of {', '.join(get_args(Polarity))}")
        if not 1.0 <= delay_s <= 1e6:
            raise SignalError(f"delay_s: got {delay_s}, wanted at least 1 s and at most 1e6 s")
        if not 20 <= fs <= 1e5:
            raise SignalError(f"fs: got {fs}, wanted 20 to 100000 Hz")
        self.fs, self.delay_s = fs, float(delay_s)
        self._sign = SIGN[polarity]
        self._hop = round(HOP_S * fs)
        self._kept = round((HISTORY_S + delay_s) * fs)
        self._held = np.empty((0, 0))
        self._heard = 0
        self._looked = 0
        self._last = -1
        self.scores = np.empty(0, np.float32)

    def push(self, x: ArrayLike, *, motion: ArrayLike | None = None) -> NDArray[np.int64]:
        """Take the next samples, and the accelerometer (axes, samples) beside them; return the pulses now sure.

        A sample that is NaN or infinite is bridged within what is held.

        Returns
        -------
        ndarray of int64
            Samples since the beginning of the stream; no pulse is returned twice, and they ascend from call to call.

        Raises
        ------
        SignalError
            If `x` is not one channel, or `motion` not as many axes as before and as long as `x`.
        """
        channel = one_channel(x)
        axes = np.empty((0, len(channel))) if motion is None else coerce(motion, name="motion")
        if axes.ndim != 2 or axes.shape[1] != len(channel):
            raise SignalError(f"motion: got shape {axes.shape}, wanted (axes, {len(channel)}), as long as x")
        rows = np.concatenate([channel[None], axes])
        if self._heard == 0:
            self._held = np.empty((len(rows), 0))
        if len(rows) != len(self._held):
            raise SignalError(f"motion: got {len(axes)} axes, wanted {len(self._held) - 1} as before")
        found = []
        while rows.shape[1]:
            taken = min(self._looked + self._hop - self._heard, rows.shape[1])
            self._held = np.concatenate([self._held, rows[:, :taken]], axis=1)[:, -self._kept :]
            rows, self._heard = rows[:, taken:], self._heard + taken
            if self._heard == self._looked + self._hop:
                self._looked = self._heard
                # a pulse that moves a little from one look to the next is neither lost nor late
                found.append(self._find(round((self.delay_s - SHIFT_S) * self.fs) - self._hop))
        peaks, self.scores = joined(found)
        return peaks

    def flush(self) -> NDArray[np.int64]:
        """Return the pulses that are still held back; the stream has ended."""
        peaks, self.scores = joined([self._find(0)] if self._heard else [])
        return peaks

    def _find(self, ahead: int) -> Scored:
        """Return the pulses not yet returned that have `ahead` samples after them, and their scores."""
        held = bridge(self._held, ~np.isfinite(self._held))
        first = self._heard - held.shape[1]
        peaks, score, up = _core.ppg_peaks(held[0], held[1:].astype(np.float32), self.fs, self._sign)
        if np.isfinite(self._sign):
            self._sign = KEPT if up else -KEPT
        peaks = peaks + first
        earliest = self._last + REFRACTORY_S * self.fs if self._last >= 0 else -1
        if ahead:
            earliest = max(earliest, self._heard - round(self.delay_s * self.fs))
        due = (peaks > earliest) & (peaks < self._heard - ahead)
        if due.any():
            self._last = int(peaks[due][-1])
        return peaks[due], score[due]


def motion_axes(motion: ArrayLike | None, samples: int, nan_policy: NanPolicy) -> NDArray[np.float32]:
    """Return an accelerometer as the core takes it; no axes for None."""
    if motion is None:
        return np.empty((0, samples), dtype=np.float32)
    axes = coerce(motion, name="motion")
    if axes.shape != (len(axes), samples):
        refuse_transposed(axes, "motion", hint=f", of shape (axes, {samples})")
        raise SignalError(f"motion: got shape {axes.shape}, wanted (axes, {samples}), as long as x")
    bad = ~np.isfinite(axes)
    if nan_policy == "raise" and bad.any():
        axis, index = np.argwhere(bad)[0]
        raise SignalError(f"motion: sample {index} of axis {axis} is {axes[axis, index]}, wanted finite values")
    return bridge(axes, bad).astype(np.float32)
