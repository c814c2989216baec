"""Pulses of a photoplethysmogram."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

from ._arrays import NanPolicy, as_leads, bridge, check_policy, coerce, covered

RISE_S = 0.15


@overload
def ppg_peaks(
    x: ArrayLike, fs: float, *, nan_policy: NanPolicy = "raise", scores: Literal[False] = False
) -> NDArray[np.int64]: ...
@overload
def ppg_peaks(
    x: ArrayLike, fs: float, *, nan_policy: NanPolicy = "raise", scores: Literal[True]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def ppg_peaks(
    x: ArrayLike, fs: float, *, nan_policy: NanPolicy = "raise", scores: bool = False
) -> NDArray[np.int64] | tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the systolic peak of every pulse of a photoplethysmogram, motion or not.

    Parameters
    ----------
    x : array_like, shape (samples,)
        PPG in any unit, unfiltered, pulses pointing up or down.
    fs : float
        Sampling rate in Hz, at least 20.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: refuse them, bridge them by a straight line, or bridge them
        and drop the pulses that have one in the 0.15 s before their peak.
    scores : bool
        Return the score of each pulse too.

    Returns
    -------
    ndarray of int64, shape (pulses,)
        Sample of the crest after each steep rise, ascending.
    ndarray of float32, shape (pulses,)
        Only with `scores`: how steep the rise is against those around, less what it is out of step; 0 to 1.

    Raises
    ------
    SignalError
        If `x` is not one channel, `fs` is below 20 Hz, or a sample is not finite under "raise".

    Notes
    -----
    Of the maxima of the slope (derivative of a Gaussian of 35 ms), dynamic programming picks the chain that is steepest
    and most even against the local period, as [1]_ tracks musical beats. The period is the first strong summit of the
    autocorrelation of the slope over 8 s. The whole record is looked at: a chain is known only at its end.

    References
    ----------
    .. [1] D. P. W. Ellis, "Beat tracking by dynamic programming", J. New Music Res. 36:51, 2007.

    Examples
    --------
    >>> t = np.arange(1250) / 125
    >>> ppg = np.exp(-(((t % 0.8 - 0.3) / 0.08) ** 2) / 2) + 0.4 * np.exp(-(((t % 0.8 - 0.55) / 0.09) ** 2) / 2)
    >>> len(ppg_peaks(ppg, 125))
    13
    """
    check_policy(nan_policy)
    channel = coerce(x)
    if channel.ndim != 1:
        raise SignalError(f"x: got shape {channel.shape}, wanted one channel of shape (samples,)")
    bad = None if nan_policy == "raise" else ~np.isfinite(as_leads(channel))
    if bad is not None and bad.any():
        channel = bridge(as_leads(channel), bad)[0]
    peaks, score = _core.ppg_peaks(channel, float(fs))
    if nan_policy == "mask" and bad is not None:
        kept = ~covered(bad, peaks - round(RISE_S * fs), peaks + 1)[0]
        peaks, score = peaks[kept], score[kept]
    return (peaks, score) if scores else peaks
