"""Windows that slide over a recording, and z-score."""

from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from biotl import _core


def windows(
    x: ArrayLike,
    size: int,
    hop: int,
    *,
    normalize: Literal["zscore"] | None = None,
    out: NDArray[np.floating[Any]] | None = None,
) -> NDArray[Any]:
    """Slide a window over each channel.

    Parameters
    ----------
    x : array_like, shape (channels, samples)
        With `normalize`, float32 stays float32 and everything else becomes float64.
    size, hop : int
        Samples of a window, and from one window to the next. Samples after the last whole window are left out.
    normalize : None or "zscore"
        None returns a read-only view of `x`, without a copy. ``zscore`` gives each window of each channel mean 0 and
        standard deviation 1; a window that is flat to the resolution of its type becomes zeros.
    out : ndarray, optional
        Where to write the normalised windows: C-contiguous, of the shape and type of the result. Fresh memory costs
        about as much as the arithmetic, so a loop over recordings gains by keeping it.

    Returns
    -------
    ndarray, shape (windows, channels, size)
        `out` if it was given.

    Raises
    ------
    SignalError
        If `size` or `hop` is below 1, or `out` does not fit.

    Examples
    --------
    >>> windows(np.arange(12.0).reshape(2, 6), 4, 2).shape
    (2, 2, 4)
    >>> windows([[1.0, 3.0, 5.0]], 2, 1, normalize="zscore").tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """
    x = np.asarray(x)
    count = _core.count_windows(x.shape[-1], size, hop)
    if normalize is None:
        if count == 0:
            return np.empty((0, x.shape[0], size), dtype=x.dtype)
        return sliding_window_view(x, size, axis=-1)[:, ::hop].transpose(1, 0, 2)
    x = np.ascontiguousarray(x, dtype=np.float32 if x.dtype == np.float32 else np.float64)
    if out is None:
        out = np.empty((count, x.shape[0], size), dtype=x.dtype)
    _core.zscore_windows(x, size, hop, out)
    return out


def zscore(x: ArrayLike, *, axis: int = -1) -> NDArray[np.floating[Any]]:
    """Give each signal mean 0 and standard deviation 1 along `axis`; flat ones become zeros.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        float32 stays float32, everything else becomes float64.
    axis : int
        The axis of samples.

    Returns
    -------
    ndarray, shape of `x`

    Examples
    --------
    >>> zscore([1.0, 3.0]).tolist(), zscore([7.0, 7.0]).tolist()
    ([-1.0, 1.0], [0.0, 0.0])
    """
    moved = np.moveaxis(np.asarray(x), axis, -1)
    samples = moved.shape[-1]
    if moved.size == 0:
        return np.empty(np.shape(x), dtype=np.float32 if moved.dtype == np.float32 else np.float64)
    whole = windows(moved.reshape(-1, samples), samples, 1, normalize="zscore")
    return np.moveaxis(whole.reshape(moved.shape), -1, axis)
