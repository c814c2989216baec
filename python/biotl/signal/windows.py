"""Windows that slide over a recording, and z-score."""

from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, NanPolicy, as_leads, bridge, check_policy, coerce

Normalize = Literal["zscore"]


def windows(
    x: ArrayLike,
    size: int,
    hop: int,
    *,
    normalize: Normalize | None = None,
    eps: float = 0.0,
    out: Floats | None = None,
    nan_policy: NanPolicy = "raise",
) -> NDArray[Any]:
    """Slide a window over each channel.

    Parameters
    ----------
    x : array_like, shape (channels, samples)
        With `normalize`, float32 stays float32 and everything else becomes float64.
    size, hop : int
        Samples of a window, and from one window to the next. Samples after the last whole window are left out.
    normalize : None or "zscore"
        None returns a read-only view of `x`, without a copy, whatever it holds. "zscore" gives each window of each
        channel mean 0 and standard deviation 1; a window that is flat to the resolution of its type becomes zeros.
    eps : float
        Added to the standard deviation, in units of `x`, where a model was trained so.
    out : ndarray, optional
        Where to write the normalised windows: C-contiguous, of the shape and type of the result. Fresh memory costs
        about as much as the arithmetic, so a loop over recordings gains by keeping it.
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to windows with samples that are NaN or infinite: "raise" refuses them, "mask" makes them NaN,
        "interpolate" first puts a straight line between the neighbours of such samples.

    Returns
    -------
    ndarray, shape (windows, channels, size)
        `out` if it was given.

    Raises
    ------
    SignalError
        If `size` or `hop` is below 1, `x` has not two axes, `out` does not fit, or a sample is not finite under
        "raise".

    Examples
    --------
    >>> windows(np.arange(12.0).reshape(2, 6), 4, 2).shape
    (2, 2, 4)
    >>> windows([[1.0, 3.0, 5.0]], 2, 1, normalize="zscore").tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """
    array = np.asarray(x)
    if array.ndim != 2:
        raise SignalError(f"x: got {array.ndim} axes, wanted (channels, samples)")
    if size < 1 or hop < 1:
        raise SignalError(f"size, hop: got {size}, {hop}, wanted at least 1 sample each")
    check_policy(nan_policy)
    channels, samples = array.shape
    shape = (_core.count_windows(samples, size, hop), channels, size)
    if normalize is None:
        if 0 in shape:
            return np.empty(shape, dtype=array.dtype)
        return sliding_window_view(array, size, axis=-1)[:, ::hop].transpose(1, 0, 2)
    if normalize not in get_args(Normalize):
        raise SignalError(f"normalize: got {normalize!r}, wanted None or zscore")
    array = coerce(array)
    if nan_policy == "interpolate":
        bad = ~np.isfinite(array)
        array = bridge(array, bad) if bad.any() else array
    if out is None:
        out = np.empty(shape, dtype=array.dtype)
    elif out.shape != shape or out.dtype != array.dtype or not out.flags.c_contiguous or not out.flags.writeable:
        got, wanted = f"{out.dtype} {out.shape}", f"{array.dtype} {shape}"
        raise SignalError(f"out: got {got}, wanted {wanted}, C-contiguous and writeable")
    _core.zscore_windows(array, size, hop, eps, nan_policy == "mask", out)
    return out


def zscore(x: ArrayLike, *, axis: int = -1, nan_policy: NanPolicy = "raise") -> Floats:
    """Give each signal mean 0 and standard deviation 1 along `axis`; flat ones become zeros.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        float32 stays float32, everything else becomes float64.
    axis : int
        The axis of samples.
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
    moved = coerce(np.moveaxis(coerce(x), axis, -1))
    if moved.size == 0:
        return np.moveaxis(moved, -1, axis)
    whole = windows(as_leads(moved), moved.shape[-1], 1, normalize="zscore", nan_policy=nan_policy)
    return np.moveaxis(whole.reshape(moved.shape), -1, axis)
