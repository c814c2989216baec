"""Another sampling rate."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, NanPolicy, over_leads, rate

Pad = Literal["edge", "constant", "line", "mean", "median", "maximum", "minimum", "symmetric", "reflect", "wrap"]
# what SciPy takes off before and adds after, zeros beyond the ends
LEVELS: dict[str, Any] = {"mean": np.mean, "median": np.median, "maximum": np.max, "minimum": np.min}
# terms of a ratio that are tried, and how far it may be off: 0.03 samples in a day at 360 Hz
TERMS, CLOSE = (10_000, 100_000), Fraction(1, 10**9)


def resample(
    x: ArrayLike,
    fs: float,
    fs_new: float,
    *,
    padtype: Pad = "edge",
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Bring a signal from any rate to any other through an anti-aliasing filter.

    The filter is the default of `scipy.signal.resample_poly`: a windowed sinc [1]_ of ten zero crossings a side,
    Kaiser beta 5, run in its polyphase form.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The signal.
    fs, fs_new : float
        Rates, Hz, as odd as a device's clock has them (249.89). Their ratio is taken as the nearest fraction of
        integers up to 10000; where that is more than 1e-9 off, up to 100000.
    padtype : str
        How the signal goes on beyond its ends, as in SciPy: "edge" (the nearest sample), "line" (on the line through
        the first and the last), "symmetric", "reflect", "wrap" or "constant" (zeros: SciPy's own default, which bends a
        constant); or zeros after the "mean", "median", "maximum" or "minimum" was taken off, which is added again.
    axis : int, optional
        As in `bandstop`.
    nan_policy : {"raise", "mask", "interpolate"}
        As in `bandstop`; "mask" returns NaN wherever the filter covers a sample that is not finite.

    Returns
    -------
    ndarray, shape (..., ceil(samples * fs_new / fs))
        float32 for float32, else float64.

    Raises
    ------
    SignalError
        If a rate is not positive, one is more than 10000 times the other, or `padtype` is none of these; if a sample is
        not finite under "raise".

    References
    ----------
    .. [1] J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", IEEE ISCAS, 1974.

    Examples
    --------
    >>> resample(np.ones(720), 360, 125).shape
    (250,)
    >>> resample(np.ones(2499), 249.89, 360).shape
    (3601,)
    """
    if padtype not in get_args(Pad):
        raise SignalError(f"padtype: got {padtype!r}, wanted one of {', '.join(get_args(Pad))}")
    up, down = ratio(fs, fs_new)

    def span(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        reach = 10 * max(up, down)
        centre = np.arange(-(-n * up // down)) * down
        return -((reach - centre) // up), (centre + reach) // up + 1

    def run(leads: Floats, out: Floats) -> None:
        if padtype not in LEVELS or leads.size == 0:
            _core.resample(leads, up, down, out, "constant" if padtype in LEVELS else padtype)
            return
        level = LEVELS[padtype](leads, axis=1, keepdims=True)
        _core.resample(leads - level, up, down, out, "constant")
        out += level

    return over_leads(x, run, axis=axis, nan_policy=nan_policy, span=span, samples=lambda n: -(-n * up // down))


def ratio(fs: float, fs_new: float) -> tuple[int, int]:
    """Return the factors up and down from `fs` to `fs_new`, in lowest terms."""
    fs, fs_new = rate(fs), rate(fs_new, "fs_new")
    if not (0 < fs < np.inf and 0 < fs_new < np.inf):
        raise SignalError(f"fs, fs_new: got {fs} and {fs_new}, wanted positive rates in Hz")
    exact = Fraction(fs_new) / Fraction(fs)
    if not Fraction(1, TERMS[0]) <= exact <= TERMS[0]:
        raise SignalError(f"fs_new: got {fs_new} from fs = {fs} Hz, wanted at most {TERMS[0]} times more or less")
    for most in TERMS:
        # of a ratio above 1 the numerator is the larger term
        near = exact.limit_denominator(most) if exact <= 1 else 1 / (1 / exact).limit_denominator(most)
        if abs(near / exact - 1) <= CLOSE:
            break
    return near.numerator, near.denominator
