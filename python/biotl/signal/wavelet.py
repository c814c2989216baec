"""Discrete wavelet transform with orthogonal wavelets, and the removal of baseline wander with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core


def _rows(x: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Return `x` as contiguous rows of float32 or float64, and the shape of what is not samples."""
    x = np.asarray(x)
    x = np.ascontiguousarray(x, dtype=np.float32 if x.dtype == np.float32 else np.float64)
    return x.reshape(-1, x.shape[-1]), x.shape[:-1]


def wavedec(
    x: ArrayLike, *, wavelet: str = "db4", level: int, mode: str = "symmetric"
) -> list[NDArray[np.floating[Any]]]:
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

    Returns
    -------
    list of ndarray, shapes (..., coefficients)
        Approximation, then details from coarse to fine, in the layout of ``pywt.wavedec``.

    Raises
    ------
    SignalError
        If there are no samples, or no such wavelet, mode or level.

    References
    ----------
    .. [1] S. Mallat, "A theory for multiresolution signal decomposition", IEEE Trans. PAMI 11(7), 1989.
    .. [2] I. Daubechies, "Orthonormal bases of compactly supported wavelets", Comm. Pure Appl. Math. 41(7), 1988.

    Examples
    --------
    >>> [c.shape for c in wavedec(np.zeros((2, 360)), wavelet="db4", level=2)]
    [(2, 95), (2, 95), (2, 183)]
    """
    rows, shape = _rows(x)
    return [c.reshape(*shape, -1) for c in _core.wavedec(rows, wavelet, mode, level)]


def waverec(coeffs: Sequence[ArrayLike], *, wavelet: str = "db4", mode: str = "symmetric") -> NDArray[np.floating[Any]]:
    """Put signals together again from the coefficients of `wavedec`.

    Parameters
    ----------
    coeffs : sequence of array_like, shapes (..., coefficients)
        Approximation, then details from coarse to fine; all float32 give float32, everything else float64.
    wavelet, mode : str
        Those of the decomposition.

    Returns
    -------
    ndarray, shape (..., samples)
        One sample longer than the signal if that had an odd number, as in PyWavelets.

    Raises
    ------
    SignalError
        If there are no coefficients, or the lengths of two levels do not follow from one signal.

    Examples
    --------
    >>> x = np.sin(np.arange(100.0))
    >>> bool(np.allclose(waverec(wavedec(x, level=3)), x))
    True
    """
    arrays = [np.asarray(c) for c in coeffs]
    dtype = np.float32 if all(c.dtype == np.float32 for c in arrays) else np.float64
    rows: list[Any] = [np.ascontiguousarray(c, dtype=dtype).reshape(-1, c.shape[-1]) for c in arrays]
    x = _core.waverec(rows, wavelet, mode)
    return x.reshape(*arrays[0].shape[:-1], -1)


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
    return _core.baseline_level(fs, cutoff)
