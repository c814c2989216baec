"""R peaks of an ECG."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from ._arrays import (
    Floats,
    NanPolicy,
    Scored,
    as_leads,
    bridge,
    check_policy,
    clear,
    coerce,
    covered,
    joined,
    rate,
    refuse_transposed,
    signal,
)
from ._hum import without_hum
from ._results import Stream
from ._tempo import scale, warn_beyond

REFRACTORY_S = 0.2
QRS_S = 0.05
HISTORY_S = 16.0
HOP_S = 0.25
SETTLED_S = 0.05


@overload
def rpeaks(
    x: ArrayLike,
    fs: float,
    *,
    rate_range: tuple[float, float] | None = None,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
    scores: Literal[False] = False,
) -> NDArray[np.int64]: ...
@overload
def rpeaks(
    x: ArrayLike,
    fs: float,
    *,
    rate_range: tuple[float, float] | None = None,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
    scores: Literal[True],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def rpeaks(
    x: ArrayLike,
    fs: float,
    *,
    rate_range: tuple[float, float] | None = None,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
    scores: bool = False,
) -> NDArray[np.int64] | tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the R peaks of one heart in one or more ECG leads.

    Parameters
    ----------
    x : array_like, shape (samples,) or (leads, samples)
        ECG in any unit and of either polarity, unfiltered. Several leads are taken together: each counts in units of
        its own beats, and the more so the further they stand out.
    fs : float
        Sampling rate in Hz; made for 100 to 1000, refused below 50.
    rate_range : (float, float), optional
        Rates that may be, in beats per minute; from 15 to 280 where none is given. Above, as of mice ((300, 800)), time
        is taken slower, at a rate of samples of 50 Hz or more then; the second may be up to 18 times the first.
    axis : int, optional
        The axis of samples: the last, where none is given; then what is clearly (samples, leads) is refused.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: refuse them, bridge them by a straight line, or bridge them
        and drop the beats within 0.05 s of which no lead was measured throughout.
    scores : bool
        Return the probability of each beat too.

    Returns
    -------
    ndarray of int64, shape (beats,)
        The sample of each R peak, ascending: where the QRS complex points furthest, up or down, seen with the width of
        a QRS complex (so noise does not move it).
    ndarray of float32, shape (beats,)
        Only with `scores`: how likely each is a beat, from 0.27 (log-odds of -1, where misses and false beats
        of DS1 balance) to 1.

    Raises
    ------
    SignalError
        If `x` is not (leads, samples), a sample is not finite under "raise", or `rate_range` is not as above.

    Warns
    -----
    SignalWarning
        If the signal keeps a rhythm beyond the rates looked for.

    Notes
    -----
    Hum of a lead that has three times the power of all else in it is taken off first, 4 Hz around each of its lines.
    The first two derivatives of a Gaussian, averaged leads at 150 to 300 Hz, give an envelope (after [1]_, which uses
    the first alone). Each of its maxima is judged by two networks of one hidden layer: the first sees its amplitude
    against the local level, its width and slope at four scales and its neighbours; the second also the rhythm and the
    shape of the beats that the first found, in place of thresholds, search-back and T-wave rules. They were trained on
    MIT-BIH DS1 (without 201, who is 202 of DS2) and LUDB 1-70, with synthetic noise, rates, pauses and pacemakers
    (``benches/train_rpeaks.py``). A decision looks 5 s ahead and 8 s back for levels and at the four beats before and
    after for the rhythm; `RPeakStream` makes do with less ahead.

    References
    ----------
    .. [1] J. P. Martínez et al., "A wavelet-based ECG delineator", IEEE Trans. Biomed. Eng. 51:570, 2004.

    Examples
    --------
    >>> t = np.arange(3600) / 360
    >>> ecg = np.exp(-(((t % 1 - 0.5) / 0.012) ** 2) / 2) + 0.2 * np.exp(-(((t % 1 - 0.8) / 0.04) ** 2) / 2)
    >>> rpeaks(ecg, 360)[:3]
    array([180, 540, 900])
    """
    check_policy(nan_policy)
    array, fs = signal(x, axis=axis), rate(fs)
    if array.ndim > 2:
        raise SignalError(f"x: got shape {array.shape}, wanted (samples,) or (leads, samples)")
    times = scale("rpeaks", fs, rate_range, 50)
    peaks, score = found(as_leads(array), fs / times, nan_policy)
    # under "raise" the detector has looked at every sample
    if array.size and (nan_policy == "raise" or clear(array)):
        warn_beyond("rpeaks", as_leads(array)[0], np.abs, fs, times, peaks)
    return (peaks, score) if scores else peaks


def found(leads: Floats, fs: float, nan_policy: NanPolicy) -> Scored:
    """Return R peaks and their probabilities in leads (leads, samples)."""
    bad = None if nan_policy == "raise" else ~np.isfinite(leads)
    if bad is None or not bad.any():
        return _core.rpeaks(without_hum(leads, fs), fs)
    peaks, score = _core.rpeaks(without_hum(bridge(leads, bad), fs), fs)
    if nan_policy == "mask":
        reach = round(QRS_S * fs)
        # one lead that was measured is enough: a lead that is missing throughout must not take the others' beats
        kept = ~covered(bad, peaks - reach, peaks + reach + 1).all(axis=0)
        peaks, score = peaks[kept], score[kept]
    return peaks, score


class RPeakStream(Stream):
    """R peaks of an endless ECG, each reported at most `delay_s` after it was heard.

    The signal is looked at in hops of 0.25 s and 16 s back, whatever the lengths of the parts it comes in, so these
    change nothing, and memory does not grow. On MIT-BIH DS1 it finds what `rpeaks` does to within a few beats a record
    (``benches/rpeaks.py stream``).

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    delay_s : float
        Longest time between a peak and its report, at least 1 s: what lies ahead of a peak within it is all that the
        decision may use. A part longer than a hop of 0.25 s is reported on when it is pushed.

    Attributes
    ----------
    scores : ndarray of float32
        The probability of each of the peaks that `push` or `flush` returned last, as of `rpeaks`.

    Examples
    --------
    >>> t = np.arange(7200) / 360
    >>> ecg = np.exp(-(((t % 1 - 0.5) / 0.012) ** 2) / 2) + 0.2 * np.exp(-(((t % 1 - 0.8) / 0.04) ** 2) / 2)
    >>> stream = RPeakStream(360)
    >>> found = [stream.push(ecg[i : i + 100]) for i in range(0, 7200, 100)]
    >>> len(np.concatenate([*found, stream.flush()]))
    20
    """

    def __init__(self, fs: float, *, delay_s: float = 3.0) -> None:
        if not 1.0 <= delay_s <= 1e6:
            raise SignalError(f"delay_s: got {delay_s}, wanted at least 1 s and at most 1e6 s")
        fs = rate(fs)
        if not 50 <= fs <= 1e9:
            raise SignalError(f"fs: got {fs}, wanted at least 50 Hz and at most 1e9 Hz")
        self.fs, self.delay_s = fs, float(delay_s)
        self._hop = max(1, round(HOP_S * fs))
        self._parts: list[Floats] = []
        self._waiting = 0
        self._held: Floats | None = None
        self._first = 0
        self._decided = 0
        self._last = -1
        self.scores = np.empty(0, np.float32)

    def push(self, x: ArrayLike) -> NDArray[np.int64]:
        """Take the next samples, (samples,) or (leads, samples); return the peaks that are now sure.

        A sample that is NaN or infinite is bridged, as by ``rpeaks(..., nan_policy="interpolate")``.

        Returns
        -------
        ndarray of int64
            Samples since the beginning of the stream; no peak is returned twice, and they ascend from call to call.

        Raises
        ------
        SignalError
            If `x` is not (leads, samples), or the number of leads changes.
        """
        array = coerce(x)
        if array.ndim > 2:
            raise SignalError(f"x: got shape {array.shape}, wanted (samples,) or (leads, samples)")
        refuse_transposed(array, least=300, hint="; a part has its samples last")
        new: Floats = as_leads(array)
        if self._held is None:
            self._held = new[:, :0].copy()
        elif len(new) != len(self._held):
            raise SignalError(f"x: got {len(new)} leads, wanted {len(self._held)} as before")
        sure = []
        while self._waiting + new.shape[1] >= self._hop:
            part, new = np.split(new, [self._hop - self._waiting], axis=1)
            self._parts.append(part)
            sure.append(self._find(round((self.delay_s - HOP_S - SETTLED_S) * self.fs)))
        self._parts.append(new.copy())
        self._waiting += new.shape[1]
        peaks, self.scores = joined(sure)
        return peaks

    def flush(self) -> NDArray[np.int64]:
        """Return the peaks that are still held back; the stream has ended."""
        peaks, self.scores = joined([] if self._held is None else [self._find(0)])
        return peaks

    def _find(self, ahead: int) -> Scored:
        """Return the peaks not yet returned that have `ahead` samples after them, and their scores."""
        held = np.concatenate([self._held, *self._parts], axis=1)
        self._parts, self._waiting = [], 0
        surplus = max(0, held.shape[1] - round((HISTORY_S + self.delay_s) * self.fs))
        self._held, self._first = held[:, surplus:], self._first + surplus
        peaks, score = found(np.ascontiguousarray(self._held), self.fs, "interpolate")
        peaks, end = peaks + self._first, self._first + self._held.shape[1] - ahead
        # A beat that is taken for one only now that it is older than the delay comes too late.
        earliest = max(
            self._decided - SETTLED_S * self.fs, self._last + REFRACTORY_S * self.fs if self._last >= 0 else 0
        )
        due = (peaks >= earliest) & (peaks < end)
        self._decided = end
        if due.any():
            self._last = int(peaks[due][-1])
        return peaks[due], score[due]
