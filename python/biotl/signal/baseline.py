"""Slow drift removed: high-pass, two running medians, or a wavelet approximation."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, NanPolicy, around, over_leads, rate, whole
from biotl.signal.filter import highpass


def median_filter(x: ArrayLike, *, size: int, axis: int | None = None, nan_policy: NanPolicy = "raise") -> NDArray[Any]:
    """Replace each sample by the median of the `size` samples around it, exactly.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The signal; beyond its ends the nearest sample is repeated.
    size : int
        Window, an odd number of samples; it may be longer than the signal.
    axis : int, optional
        As in `bandstop`.
    nan_policy : {"raise", "mask", "interpolate"}
        As in `bandstop`; "mask" returns NaN wherever the window holds a sample that is not finite.

    Returns
    -------
    ndarray, shape (..., samples)
        Equal to ``scipy.ndimage.median_filter(lead, size, mode="nearest")`` to the bit. Signed integers up to 64 bits
        keep their values, in the first of int16, int32 and int64 that holds their type; they are also the fastest.

    Raises
    ------
    SignalError
        If `size` is even, not positive or above 2^24, or a sample is not finite under "raise".

    Examples
    --------
    >>> median_filter([0.0, 0, 9, 0, 0], size=3)
    array([0., 0., 0., 0., 0.])
    """
    size = whole(size, "size", "an odd number of samples", least=1)
    span = around(size // 2, size // 2)
    return over_leads(
        x,
        lambda leads, out: _core.median_filter(leads, size, out),
        axis=axis,
        nan_policy=nan_policy,
        span=span,
        integers="keep",
    )


def remove_baseline(
    x: ArrayLike,
    fs: float,
    *,
    method: Literal["highpass", "median", "wavelet"] = "highpass",
    cutoff: float = 0.5,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Remove the slow drift of a signal.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The signal.
    fs : float
        Sampling rate, Hz.
    method : {"highpass", "median", "wavelet"}
        A Butterworth high-pass of order 4, zero-phase; the signal less its running median over 200 ms and then 600 ms
        [1]_, each made an odd number of samples; or the signal less its db4 approximation at the level that `fs` and
        `cutoff` call for.
    cutoff : float
        Edge of the drift, Hz; not used by "median".
    axis : int, optional
        As in `bandstop`.
    nan_policy : {"raise", "mask", "interpolate"}
        As in `bandstop`.

    Returns
    -------
    ndarray, shape (..., samples)
        The signal without its drift.

    Raises
    ------
    SignalError
        If a parameter is out of its range, or a sample is not finite under "raise".

    References
    ----------
    .. [1] P. de Chazal, M. O'Dwyer, R. B. Reilly, "Automatic classification of heartbeats using ECG morphology and
       heartbeat interval features", IEEE Trans. Biomed. Eng. 51(7), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.abs(remove_baseline(np.full(3600, 5.0), 360, method="median")).max() == 0)
    True
    """
    if method == "highpass":
        return highpass(x, fs, cutoff=cutoff, axis=axis, nan_policy=nan_policy)
    if method == "median":
        short, long = median_sizes(fs)
        reach = short // 2 + long // 2
        return over_leads(
            x,
            lambda leads, out: _core.remove_median(leads, short, long, out),
            axis=axis,
            nan_policy=nan_policy,
            span=around(reach, reach),
            integers="fast",
        )
    if method == "wavelet":
        # the support of a db4 approximation, seven dyadic steps of its level, analysed and put back
        reach = 7 * 2 ** _core.baseline_level(rate(fs), cutoff)
        return over_leads(
            x,
            lambda leads, out: _core.remove_wavelet_baseline(leads, rate(fs), cutoff, out),
            axis=axis,
            nan_policy=nan_policy,
            span=around(reach, reach),
        )
    raise SignalError(f"method: got {method!r}, wanted one of highpass, median, wavelet")


def median_sizes(fs: float) -> tuple[int, int]:
    """Return 200 ms and 600 ms at `fs` (Hz), in samples, made odd: 73 and 217 at 360 Hz."""
    fs = rate(fs)
    if not 0 < fs <= 1e9:
        raise SignalError(f"fs: got {fs}, wanted a positive rate in Hz, up to 1e9")
    short, long = (int(fs * fifths / 5) // 2 * 2 + 1 for fifths in (1, 3))
    return short, long
