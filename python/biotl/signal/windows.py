"""Windows that slide over a recording, and z-score."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import (
    Floats,
    NanPolicy,
    along,
    as_leads,
    bridge,
    check_policy,
    clear,
    mended,
    not_finite,
    real,
    signal,
    whole,
)

Normalize = Literal["zscore"]


def windows(
    x: ArrayLike,
    size: int,
    hop: int,
    *,
    normalize: Normalize | None = None,
    eps: float = 0.0,
    out: Floats | None = None,
    axis: int | None = None,
    nan_policy: NanPolicy = "raise",
) -> NDArray[Any]:
    """Slide a window over each channel.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        With `normalize`, float32 stays float32 and everything else becomes float64.
    size, hop : int
        Samples of a window, and from one window to the next. Samples after the last whole window are left out.
    normalize : None or "zscore"
        None returns a read-only view of `x`, without a copy. "zscore" gives each window of each channel mean 0 and
        standard deviation 1; a window that is flat to the resolution of its type becomes zeros.
    eps : float
        Added to the standard deviation, in units of `x`, where a model was trained so.
    out : ndarray, optional
        Where to write the normalised windows: C-contiguous, of the shape and type of the result. Fresh memory costs
        about as much as the arithmetic, so a loop over recordings gains by keeping it.
    axis : int, optional
        The axis of samples of `x`: the last, where none is given; then what is clearly (samples, leads) is refused.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to windows with samples that are NaN or infinite: "raise" refuses them, "mask" makes them NaN (in a
        copy), "interpolate" first puts a straight line between the neighbours of such samples; a channel without a
        single finite sample is NaN under both.

    Returns
    -------
    ndarray, shape (windows, ..., size)
        (windows, channels, size) for (channels, samples); `out` if it was given.

    Raises
    ------
    SignalError
        If `size` or `hop` is below 1, `x` holds no real numbers or is a scalar, `out` does not fit or is given without
        `normalize`, `eps` is negative, or a window holds a sample that is not finite under "raise".

    Examples
    --------
    >>> windows(np.arange(12.0).reshape(2, 6), 4, 2).shape
    (2, 2, 4)
    >>> windows([[1.0, 3.0, 5.0]], 2, 1, normalize="zscore").tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """
    size, hop = whole(size, "size", "at least 1 sample", least=1), whole(hop, "hop", "at least 1 sample", least=1)
    check_policy(nan_policy)
    if normalize is None:
        if out is not None:
            raise SignalError(
                "out: got an array without normalize, wanted None: windows as they are share memory with x"
            )
        return _views(x, size, hop, axis, nan_policy)
    if normalize not in get_args(Normalize):
        raise SignalError(f"normalize: got {normalize!r}, wanted None or zscore")
    if not 0 <= eps < np.inf:
        raise SignalError(f"eps: got {eps}, wanted 0 or more")
    array = signal(x, axis=axis)
    leads, lost = as_leads(array), None
    if nan_policy == "interpolate":
        leads, bad = mended(leads, nan_policy)
        lost = None if bad is None else bad.all(axis=1)
    shape = (_core.count_windows(array.shape[-1], size, hop), *array.shape[:-1], size)
    if out is None:
        out = _core.empty(shape, array.dtype)
    elif out.shape != shape or out.dtype != array.dtype or not out.flags.c_contiguous or not out.flags.writeable:
        got, wanted = f"{out.dtype} {out.shape}", f"{array.dtype} {shape}"
        raise SignalError(f"out: got {got}, wanted {wanted}, C-contiguous and writeable")
    elif np.may_share_memory(out, array):
        raise SignalError("out: got memory of x, wanted an array of its own")
    flat = out.reshape(shape[0], len(leads), size)
    _core.zscore_windows(leads, size, hop, eps, nan_policy == "mask", flat)
    flat[:, slice(0) if lost is None else lost] = np.nan
    return out


def _views(x: ArrayLike, size: int, hop: int, axis: int | None, nan_policy: NanPolicy) -> NDArray[Any]:
    """Return the windows as they are, a view of `x` unless a sample is not finite."""
    array = along(real(x), axis)
    leads, bad = as_leads(array), None
    if not clear(array):
        bad = ~np.isfinite(leads)
        array = bridge(leads, bad).reshape(array.shape)
    if array.shape[-1] < size or array.size == 0:
        count = _core.count_windows(array.shape[-1], size, hop)
        return np.empty((count, *array.shape[:-1], size), dtype=array.dtype)
    view = np.moveaxis(sliding_window_view(array, size, axis=-1)[..., ::hop, :], -2, 0)
    if bad is None:
        return view
    held: NDArray[np.bool_] = np.logical_or.reduce(sliding_window_view(bad, size, axis=-1)[:, ::hop], axis=-1).T
    if nan_policy == "raise":
        if held.any():
            window, lead = np.argwhere(held)[0]
            at = window * hop + int(np.argmax(bad[lead, window * hop :]))
            raise not_finite(leads[lead, at], at)
        return view
    lost = held if nan_policy == "mask" else held & bad.all(axis=1)
    if not lost.any():
        return view
    out = view.copy()
    out[lost.reshape(out.shape[:-1])] = np.nan
    return out


def zscore(x: ArrayLike, *, axis: int | None = None, nan_policy: NanPolicy = "raise") -> Floats:
    """Give each signal mean 0 and standard deviation 1 along `axis`; flat ones become zeros.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        float32 stays float32, everything else becomes float64.
    axis : int, optional
        The axis of samples: the last, where none is given; then what is clearly (samples, leads) is refused.
    nan_policy : {"raise", "mask", "interpolate"}
        As in `windows`, a signal being one window.

    Returns
    -------
    ndarray, shape of `x`

    Raises
    ------
    SignalError
        If a sample is not finite under "raise", or `x` is a scalar.

    Examples
    --------
    >>> zscore([1.0, 3.0]).tolist(), zscore([7.0, 7.0]).tolist()
    ([-1.0, 1.0], [0.0, 0.0])
    """
    moved = signal(x, axis=axis)
    if moved.size:
        rows = windows(as_leads(moved), moved.shape[-1], 1, normalize="zscore", axis=-1, nan_policy=nan_policy)
        moved = rows.reshape(moved.shape)
    return moved if axis is None else np.moveaxis(moved, -1, axis)
