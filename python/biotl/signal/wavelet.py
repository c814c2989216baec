"""Discrete wavelet transform with orthogonal wavelets, and the removal of baseline wander with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, NanPolicy, as_leads, check_policy, clear, mended, rate, signal, whole


def wavedec(
    x: ArrayLike,
    *,
    wavelet: str = "db4",
    level: int,
    mode: str = "symmetric",
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> list[Floats]:
    """Decompose each signal over `level` levels.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        float32 stays float32, everything else becomes float64.
    wavelet : str
        ``db1`` to ``db10`` (Daubechies 1988), ``sym4`` to ``sym8``.
    level : int
        Number of halvings, 0 to 62, whatever the length: beyond ``log2(samples)`` every coefficient feels the ends.
    mode : str
        How the signal goes on beyond its ends: ``symmetric``, ``reflect``, ``antisymmetric``, ``antireflect``,
        ``zero``, ``constant``, ``smooth``, ``periodic`` or ``periodization``, as in PyWavelets.
    axis : int, optional
        As in `bandstop`; coefficients lie along it too.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: "raise" refuses them, "mask" makes NaN of the coefficients
        whose filters meet one, "interpolate" first bridges them by straight lines; a lead without a single finite
        sample then gives NaN.

    Returns
    -------
    list of ndarray, shapes (..., coefficients)
        Approximation, then details from coarse to fine, in the layout of ``pywt.wavedec``.

    Raises
    ------
    SignalError
        If there are no samples, or no such wavelet, mode or level; if a sample is not finite under "raise", or the
        coefficients overflow.

    References
    ----------
    .. [1] S. Mallat, "A theory for multiresolution signal decomposition", IEEE Trans. PAMI 11(7), 1989.
    .. [2] I. Daubechies, "Orthonormal bases of compactly supported wavelets", Comm. Pure Appl. Math. 41(7), 1988.

    Examples
    --------
    >>> [c.shape for c in wavedec(np.zeros((2, 360)), wavelet="db4", level=2)]
    [(2, 95), (2, 95), (2, 183)]
    """
    level = whole(level, "level", "0 to 62")
    array = signal(x, axis=axis)
    leads, lost = _mend(as_leads(array), nan_policy)
    out: list[Any] = _core.wavedec(leads, wavelet, mode, level)
    _judge(out, [leads], nan_policy, "x")
    for coefficients in out:
        coefficients[lost] = np.nan
    out = [c.reshape(*array.shape[:-1], c.shape[-1]) for c in out]
    return out if axis is None else [np.moveaxis(c, -1, axis) for c in out]


def waverec(
    coeffs: Sequence[ArrayLike],
    *,
    wavelet: str = "db4",
    mode: str = "symmetric",
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> Floats:
    """Put signals together again from the coefficients of `wavedec`.

    Parameters
    ----------
    coeffs : sequence of array_like, shapes (..., coefficients)
        Approximation, then details from coarse to fine; all float32 give float32, everything else float64.
    wavelet, mode : str
        Those of the decomposition.
    axis : int, optional
        The axis of coefficients, and of the samples returned: the last, where none is given.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to coefficients that are NaN or infinite: "raise" refuses them, "mask" makes NaN of the samples
        that have a part of one, "interpolate" first bridges them by straight lines within their level; a lead that has
        a level without a single finite coefficient then gives NaN.

    Returns
    -------
    ndarray, shape (..., samples)
        One sample longer than the signal if that had an odd number, as in PyWavelets.

    Raises
    ------
    SignalError
        If there are no coefficients, their leads differ, or the lengths of two levels do not follow from one signal;
        if a coefficient is not finite under "raise", or the samples overflow.

    Examples
    --------
    >>> x = np.sin(np.arange(100.0))
    >>> bool(np.allclose(waverec(wavedec(x, level=3)), x))
    True
    """
    # the coarsest of many leads may be few, so nothing is taken for transposed
    arrays = [signal(c, axis=-1 if axis is None else axis, name="coeffs") for c in coeffs]
    for array in arrays[1:]:
        if array.shape[:-1] != arrays[0].shape[:-1]:
            raise SignalError(f"coeffs: got leads of shape {array.shape[:-1]}, wanted {arrays[0].shape[:-1]}")
    dtype = np.float32 if all(c.dtype == np.float32 for c in arrays) else np.float64
    levels = [_mend(as_leads(c).astype(dtype, copy=False), nan_policy) for c in arrays]
    rows: list[Any] = [leads for leads, _ in levels]
    x = _core.waverec(rows, wavelet, mode)
    _judge([x], rows, nan_policy, "coeffs")
    for _, lost in levels:
        x[lost] = np.nan
    x = x.reshape(*arrays[0].shape[:-1], x.shape[-1])
    return x if axis is None else np.moveaxis(x, -1, axis)


def _mend(leads: Floats, nan_policy: NanPolicy) -> tuple[Floats, NDArray[np.bool_] | slice]:
    """Return leads as the transform takes them, where a NaN spreads as far as the filters reach, and which are lost."""
    check_policy(nan_policy)
    if nan_policy == "raise":
        return leads, slice(0)
    mended_, bad = mended(leads, "interpolate")
    if bad is None:
        return leads, slice(0)
    gone: NDArray[np.bool_] = np.logical_and.reduce(bad, axis=1)
    return (np.where(bad, np.nan, leads) if nan_policy == "mask" else mended_), gone


def _judge(out: Sequence[Floats], sources: Sequence[Floats], nan_policy: NanPolicy, name: str) -> None:
    """Raise SignalError if the transform met what is not finite, or overflowed."""
    if all(clear(part) for part in out):
        return
    if nan_policy == "raise":
        for source in sources:
            mended(source, "raise", name)
    if nan_policy != "mask" or any(np.isinf(part).any() for part in out):
        raise SignalError(f"{name}: got values whose transform overflows, wanted smaller ones")


def baseline_level(fs: float, cutoff: float) -> int:
    """Return the coarsest level whose approximation, 0 to ``fs / 2**(level + 1)`` Hz, covers all below `cutoff`.

    One level more would leave part of it: at 360 Hz and 0.5 Hz, level 9 (0 to 0.35 Hz) takes 16 dB of a wander of
    0.2 Hz, level 8 (0 to 0.70 Hz) takes 37 dB, and both leave 5 Hz as it is.

    Raises
    ------
    SignalError
        If `cutoff` is not above 0 and at most a quarter of `fs`.

    Examples
    --------
    >>> baseline_level(360.0, 0.5), baseline_level(360.0, 0.35), baseline_level(125.0, 0.5)
    (8, 9, 6)
    """
    return _core.baseline_level(rate(fs), cutoff)
