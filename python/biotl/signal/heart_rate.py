"""Heart rate of a photoplethysmogram second by second, under motion, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from ._arrays import NanPolicy, as_leads, bridge, check_policy, coerce, one_channel, rate
from ._results import Result, Stream
from .ppg import motion_axes
from .resample import ratio

FRAME_HZ = 25.0
LEAST_HZ = 20.0


@dataclass(frozen=True, eq=False, repr=False)
class HeartRate(Result):
    """One entry a second; the first after 4 s, the middle of the first 8 s.

    Parameters
    ----------
    time_s : ndarray of float64, shape (seconds,)
        Middle of the 8 s that each speaks of, from the start of the signal.
    rate : ndarray of float32, shape (seconds,)
        Beats per minute; NaN where the confidence is below 0.2.
    low, high : ndarray of float32, shape (seconds,)
        Interval of 90 %, beats per minute; NaN where the rate is. Without an accelerometer it is wide.
    confidence : ndarray of float32, shape (seconds,)
        Probability that there is a pulse and its rate within 5 beats per minute of `rate`.
    cadence_excluded : bool
        Whether an accelerometer was there: without one no method tells the pulse of a runner from the steps.
    """

    time_s: NDArray[np.float64]
    rate: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    confidence: NDArray[np.float32]
    cadence_excluded: bool

    def __len__(self) -> int:
        return len(self.time_s)


def heart_rate(
    x: ArrayLike,
    fs: float,
    *,
    motion: ArrayLike | None = None,
    lag_s: float = np.inf,
    nan_policy: NanPolicy = "raise",
) -> HeartRate:
    """Estimate the heart rate of a photoplethysmogram once a second, motion or not.

    Parameters
    ----------
    x : array_like, shape (samples,)
        PPG in any unit and of either polarity, unfiltered; at least 8 s for one estimate.
    fs : float
        Sampling rate in Hz, at least 20.
    motion : array_like, shape (axes, samples), optional
        An accelerometer beside the sensor, in any unit.
    lag_s : float
        How far after its 8 s each estimate may look: 0 for none (causal), some seconds, or infinity for all of the
        signal; taken in whole seconds. Eight halve the error of none.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: refuse them, bridge them by a straight line, or bridge them
        and give no rate for the seconds whose 8 s are bad by a quarter or more.

    Returns
    -------
    HeartRate
        `time_s`, `rate`, `low`, `high` and `confidence`, one entry a second.

    Raises
    ------
    SignalError
        If `x` is not one channel, `motion` not axes of its length, `fs` below 20 Hz, `lag_s` negative, or a sample is
        not finite under "raise".

    Notes
    -----
    At 25 Hz, in frames of 8 s, ridge regression on the axes at 15 lags takes off what motion explains, as [1]_ does
    with Wiener filters; the spectrum of what is left, with 0.1 of the signal as it is and 0.4 of the second harmonic,
    is the evidence for each rate from 30 to 220, weighted by the share of the power in its line. A belief over rates
    [2]_ with steps of 1.5 a second (Laplace) and rare jumps joins the frames; the rate is the mean of the belief around
    its mode and of the summit of the spectrum there. Whether there is a pulse is a belief of its own: of the power, two
    ways weighted, the line and its harmonics hold more than they do of noise. Jumps are mended as in `ppg_peaks`.

    Without `motion` a swinging arm is taken for a pulse if its line is the stronger: `cadence_excluded` is False then,
    and intervals are wide.

    References
    ----------
    .. [1] A. Temko, "Accurate heart rate monitoring during physical exercises using PPG", IEEE Trans. Biomed. Eng.
       64:2016, 2017.
    .. [2] S. Bieri et al., "BeliefPPG: uncertainty-aware heart rate estimation from PPG signals via belief
       propagation", UAI 2023.

    Examples
    --------
    >>> phase = np.arange(2500) / 125 * 1.6 % 1
    >>> found = heart_rate(np.exp(-(((phase - 0.3) / 0.1) ** 2) / 2), 125)
    >>> found.time_s[:3].tolist(), found.rate[:3].round().tolist()
    ([4.0, 5.0, 6.0], [96.0, 96.0, 96.0])
    """
    check_policy(nan_policy)
    channel = one_channel(x)
    bad = None if nan_policy == "raise" else ~np.isfinite(as_leads(channel))
    if bad is not None and bad.any():
        channel = bridge(as_leads(channel), bad)[0]
    axes = motion_axes(motion, len(channel), nan_policy)
    stream = HeartRateStream(fs, lag_s=lag_s)
    rows = stream._rows(np.concatenate([channel[None], axes]), ends=True)
    found = _result(rows, axes=len(axes))
    if nan_policy != "mask" or bad is None or not bad.any():
        return found
    before = np.concatenate([[0], np.cumsum(bad[0])])
    place = np.clip(np.round((found.time_s + np.array([[-4.0], [4.0]])) * stream.fs).astype(int), 0, len(channel))
    lost = before[place[1]] - before[place[0]] >= 2.0 * stream.fs
    for values in (found.rate, found.low, found.high):
        values[lost] = np.nan
    found.confidence[lost] = 0
    return found


class HeartRateStream(Stream):
    """`heart_rate` of an endless photoplethysmogram: to the bit that of the whole, whatever the parts.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz, at least 20.
    lag_s : float
        As of `heart_rate`, not infinite: each second is spoken of so much, and 4 s, after its time.

    Examples
    --------
    >>> phase = np.arange(2500) / 125 * 1.6 % 1
    >>> stream = HeartRateStream(125, lag_s=2)
    >>> found = [stream.push(part) for part in np.split(np.exp(-(((phase - 0.3) / 0.1) ** 2) / 2), 5)]
    >>> [len(part) for part in found], len(stream.flush())
    ([0, 0, 2, 4, 4], 3)
    """

    def __init__(self, fs: float, *, lag_s: float = 8.0) -> None:
        self.fs = rate(fs)
        if not LEAST_HZ <= self.fs <= 1e5:
            raise SignalError(f"fs: got {self.fs}, wanted {LEAST_HZ:g} to 100000 Hz")
        if not lag_s >= 0:
            raise SignalError(f"lag_s: got {lag_s}, wanted 0 s or more")
        self.lag_s = float(lag_s)
        self._ratio = ratio(self.fs, FRAME_HZ)
        self._stream: _core.HeartRateStream | None = None
        self._channels = 0
        # what was heard last stands for what is missing next
        self._last = np.zeros((0, 1))

    def push(self, x: ArrayLike, *, motion: ArrayLike | None = None) -> HeartRate:
        """Take the next samples, and the accelerometer (axes, samples) beside them; return the seconds now sure.

        A sample that is NaN or infinite is bridged within its part, or is the last one before it.

        Raises
        ------
        SignalError
            If `x` is not one channel, or `motion` not as many axes as before and as long as `x`.
        """
        channel = one_channel(x)
        axes = np.empty((0, len(channel))) if motion is None else coerce(motion, name="motion")
        if axes.ndim != 2 or axes.shape[1] != len(channel):
            raise SignalError(f"motion: got shape {axes.shape}, wanted (axes, {len(channel)}), as long as x")
        part = np.concatenate([channel[None], axes.astype(np.float32)]).astype(np.float64)
        if self._channels not in (0, len(part)):
            raise SignalError(f"motion: got {len(axes)} axes, wanted {self._channels - 1} as before")
        if self._last.shape[0] == 0:
            self._last = np.zeros((len(part), 1))
        if part.shape[1]:
            held = np.concatenate([self._last, part], axis=1)
            part = np.asarray(bridge(held, ~np.isfinite(held))[:, 1:], dtype=np.float64)
            self._last = part[:, -1:].copy()
        return _result(self._rows(part), axes=len(axes))

    def flush(self) -> HeartRate:
        """Return the seconds that are still held back; the stream has ended."""
        rows = np.empty((0, 6)) if self._stream is None else self._stream.finish()
        return _result(rows, axes=self._channels - 1)

    def _rows(self, part: NDArray[np.floating], *, ends: bool = False) -> NDArray[np.float64]:
        """Return what the core says of the next part of all channels."""
        if self._stream is None:
            ahead = None if self.lag_s == np.inf else int(min(self.lag_s, 1e9))
            self._stream = _core.HeartRateStream(*self._ratio, len(part) - 1, ahead)
            self._channels = len(part)
        rows = self._stream.push(np.ascontiguousarray(part, dtype=np.float64))
        return np.concatenate([rows, self._stream.finish()]) if ends else rows


def _result(rows: NDArray[np.float64], *, axes: int) -> HeartRate:
    estimate, low, high, confidence = rows[:, 1:5].T.astype(np.float32)
    return HeartRate(rows[:, 0].copy(), estimate, low, high, confidence, cadence_excluded=axes > 0)
