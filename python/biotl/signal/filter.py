"""Recursive filters: Butterworth and Chebyshev II of any order, and the notch, zero-phase or causal."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, NanPolicy, around, over_leads, rate, whole

Kind = Literal["butter", "cheby2"]


def bandstop(
    x: ArrayLike,
    fs: float,
    *,
    low: float,
    high: float,
    order: int = 4,
    kind: Kind = "butter",
    rs: float = 20.0,
    causal: bool = False,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Remove the band from `low` to `high`, without shifting the waveform in time.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The signal; never written to.
    fs : float
        Sampling rate, Hz.
    low, high : float
        Edges, Hz: -3 dB points of one pass of a Butterworth filter (-6 dB forward and backward), ends of the stop band
        of a Chebyshev II filter.
    order : int
        Order of the prototype as in `scipy.signal.butter`: a band filter has `order` second-order sections.
    kind : {"butter", "cheby2"}
        Butterworth [1]_ or Chebyshev type II.
    rs : float
        Attenuation of the stop band of a Chebyshev II filter, dB.
    causal : bool
        Run once, forward from rest, instead of forward and backward with the ends extended oddly as
        `scipy.signal.sosfiltfilt` does.
    axis : int, optional
        The axis of samples: the last, where none is given; then what is clearly (samples, leads) is refused.
    nan_policy : {"raise", "mask", "interpolate"}
        "raise" refuses samples that are not finite; "interpolate" bridges them by straight lines; "mask" bridges
        them and returns NaN over the impulse response around them, until a thousandth of it is left.

    Returns
    -------
    ndarray, shape (..., samples)
        float32 for float32, else float64. An empty signal gives an empty result.

    Raises
    ------
    SignalError
        If a parameter is out of its range, a sample is not finite under "raise", or a zero-phase signal is no longer
        than the extension (3 times the number of taps: 27 samples for the default).

    Notes
    -----
    Band-stops of order 6 and more over most of the spectrum lie beyond double precision: SciPy and this filter each lie
    1e-4 off the result in more digits from 0.6 to 208 Hz at 500 Hz and order 8, 3e-8 from 0.03 to 10.5 Hz at 30 Hz and
    order 6.

    References
    ----------
    .. [1] S. Butterworth, "On the theory of filter amplifiers", Wireless Engineer 7, 1930.

    Examples
    --------
    >>> t = np.arange(3600) / 360
    >>> hum = np.sin(2 * np.pi * 55 * t)
    >>> bool(np.abs(bandstop(hum, 360, low=50, high=60)[360:-360]).max() < 1e-3)
    True
    """
    sos = design(order, fs, low=low, high=high, stop=True, kind=kind, rs=rs)
    return _run(x, sos, causal=causal, axis=axis, nan_policy=nan_policy)


def bandpass(
    x: ArrayLike,
    fs: float,
    *,
    low: float,
    high: float,
    order: int = 4,
    kind: Kind = "butter",
    rs: float = 20.0,
    causal: bool = False,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Keep the band from `low` to `high`; everything else as in `bandstop`.

    Examples
    --------
    >>> bandpass(np.ones(1000), 360, low=0.5, high=40).shape
    (1000,)
    """
    sos = design(order, fs, low=low, high=high, kind=kind, rs=rs)
    return _run(x, sos, causal=causal, axis=axis, nan_policy=nan_policy)


def highpass(
    x: ArrayLike,
    fs: float,
    *,
    cutoff: float,
    order: int = 4,
    kind: Kind = "butter",
    rs: float = 20.0,
    causal: bool = False,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Keep what is above `cutoff` (Hz); everything else as in `bandstop`.

    Examples
    --------
    >>> bool(np.abs(highpass(np.ones(1000), 360, cutoff=0.5)).max() < 1e-9)
    True
    """
    sos = design(order, fs, low=cutoff, kind=kind, rs=rs)
    return _run(x, sos, causal=causal, axis=axis, nan_policy=nan_policy)


def lowpass(
    x: ArrayLike,
    fs: float,
    *,
    cutoff: float,
    order: int = 4,
    kind: Kind = "butter",
    rs: float = 20.0,
    causal: bool = False,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Keep what is below `cutoff` (Hz); everything else as in `bandstop`.

    Examples
    --------
    >>> bool(np.abs(lowpass(np.ones(1000), 360, cutoff=40) - 1).max() < 1e-9)
    True
    """
    sos = design(order, fs, high=cutoff, kind=kind, rs=rs)
    return _run(x, sos, causal=causal, axis=axis, nan_policy=nan_policy)


def notch(
    x: ArrayLike,
    fs: float,
    *,
    freq: float,
    q: float = 30.0,
    causal: bool = False,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Remove one frequency, `freq` (Hz), over a -3 dB width of ``freq / q``; everything else as in `bandstop`.

    One section, as `scipy.signal.iirnotch` (S. J. Orfanidis, "Introduction to Signal Processing", 1996, 11.3).

    Examples
    --------
    >>> notch(np.ones(1000, np.float32), 360, freq=60).dtype
    dtype('float32')
    """
    return _run(x, _core.design_notch(freq, q, rate(fs)), causal=causal, axis=axis, nan_policy=nan_policy)


def design(
    order: int,
    fs: float,
    *,
    low: float | None = None,
    high: float | None = None,
    stop: bool = False,
    kind: str,
    rs: float,
) -> NDArray[np.float64]:
    """Return the sections, shape (n, 6), as SciPy writes them; no `low` makes a low-pass, no `high` a high-pass."""
    if kind not in ("butter", "cheby2"):
        raise SignalError(f"kind: got {kind!r}, wanted 'butter' or 'cheby2'")
    order = whole(order, "order", "at least 1", least=1)
    return _core.design_sos(order, rate(fs), low=low, high=high, stop=stop, rs=rs if kind == "cheby2" else None)


def sections(name: str, fs: float, **options: Any) -> NDArray[np.float64]:
    """Return the sections of a filter of this module by its name and options, as it is called with them.

    Examples
    --------
    >>> sections("notch", 360, freq=60.0).shape
    (1, 6)
    """
    if name == "notch":
        return _core.design_notch(options["freq"], options.get("q", 30.0), rate(fs))
    edges = {"lowpass": ("", "cutoff"), "highpass": ("cutoff", "")}.get(name, ("low", "high"))
    low, high = (options[edge] if edge else None for edge in edges)
    kind, rs = options.get("kind", "butter"), options.get("rs", 20.0)
    return design(options.get("order", 4), fs, low=low, high=high, stop=name == "bandstop", kind=kind, rs=rs)


def _run(x: ArrayLike, sos: NDArray[np.float64], *, causal: bool, axis: int | None, nan_policy: NanPolicy) -> Floats:
    def span(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        reach = _core.sos_reach(sos)
        return around(reach, 0 if causal else reach)(n)

    kernel = _core.sosfilt if causal else _core.sosfiltfilt
    return over_leads(
        x, lambda leads, out: kernel(leads, sos, out), axis=axis, nan_policy=nan_policy, span=span, recursive=True
    )
