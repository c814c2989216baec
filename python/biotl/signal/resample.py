"""Another sampling rate."""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, NanPolicy, over_leads


def resample(x: ArrayLike, fs: float, fs_new: float, *, nan_policy: NanPolicy = "raise") -> Floats:
    """Bring a signal to another rate through an anti-aliasing filter.

    The filter is the default of `scipy.signal.resample_poly`: a windowed sinc [1]_ of ten zero crossings a side,
    Kaiser beta 5, run in its polyphase form; zeros beyond the ends.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The signal.
    fs, fs_new : float
        Rates, Hz; their ratio is taken as the nearest fraction of integers up to 10000.
    nan_policy : {"raise", "mask", "interpolate"}
        As in `bandstop`; "mask" returns NaN wherever the filter covers a sample that is not finite.

    Returns
    -------
    ndarray, shape (..., ceil(samples * fs_new / fs))
        float32 for float32, else float64.

    Raises
    ------
    SignalError
        If a rate is not positive or the ratio is not a fraction of that size; if a sample is not finite under "raise".

    References
    ----------
    .. [1] J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", IEEE ISCAS, 1974.

    Examples
    --------
    >>> resample(np.ones(720), 360, 125).shape
    (250,)
    """
    up, down = ratio(fs, fs_new)

    def span(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        reach = 10 * max(up, down)
        centre = np.arange(-(-n * up // down)) * down
        return -((reach - centre) // up), (centre + reach) // up + 1

    return over_leads(
        x,
        lambda leads, out: _core.resample(leads, up, down, out),
        nan_policy=nan_policy,
        span=span,
        samples=lambda n: -(-n * up // down),
    )


def ratio(fs: float, fs_new: float) -> tuple[int, int]:
    """Return the factors up and down from `fs` to `fs_new`, in lowest terms."""
    if not (0 < fs < np.inf and 0 < fs_new < np.inf):
        raise SignalError(f"fs, fs_new: got {fs} and {fs_new}, wanted positive rates in Hz")
    exact = Fraction(float(fs_new)) / Fraction(float(fs))
    near = exact.limit_denominator(10_000)
    if not 0 < near.numerator <= 10_000 or abs(near / exact - 1) > Fraction(1, 10**9):
        raise SignalError(f"fs_new: got {fs_new} from fs = {fs} Hz, wanted a ratio of integers up to 10000")
    return near.numerator, near.denominator
