"""Missing samples: where they are, what stands in for them, and what they touch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def spans(x: NDArray[Any]) -> NDArray[np.int64]:
    """Return the half-open runs of samples that are not finite, shape (n, 2).

    Examples
    --------
    >>> spans(np.array([np.nan, 1, 2, np.inf, np.nan])).tolist()
    [[0, 1], [3, 5]]
    """
    bad = np.zeros(len(x) + 2, np.int8)
    bad[1:-1] = ~np.isfinite(x)
    edge = np.diff(bad)
    return np.stack([np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)], axis=1).astype(np.int64)


def bridge(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``x``, shape (samples,), with straight lines over samples that are not finite; 0 if none is.

    Examples
    --------
    >>> bridge(np.array([1, np.nan, 3], np.float32)).tolist()
    [1.0, 2.0, 3.0]
    """
    good = np.isfinite(x)
    if good.all():
        return x
    if not good.any():
        return np.zeros_like(x)
    out = x.copy()
    out[~good] = np.interp(np.flatnonzero(~good), np.flatnonzero(good), x[good])
    return out


def near(start: NDArray[Any], stop: NDArray[Any], gaps: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of the half-open ranges, shape (n,), overlap one of the sorted ``gaps``, shape (m, 2).

    Examples
    --------
    >>> near(np.array([0, 5, 9]), np.array([5, 9, 12]), np.array([[6, 7]])).tolist()
    [False, True, False]
    """
    # a gap that ends after the range starts, and starts before it ends
    return np.asarray(np.searchsorted(gaps[:, 1], start, "right") < np.searchsorted(gaps[:, 0], stop, "left"))


def onto(
    time_s: NDArray[np.float64], x: NDArray[Any], start_s: NDArray[Any], stop_s: NDArray[Any], reach_s: float
) -> NDArray[np.float64]:
    """Return the mean of the samples in each stretch of time, or what lies on the line between its neighbours.

    Parameters
    ----------
    time_s, x : ndarray, shape (samples,)
        Ascending times in seconds, as uneven as they come, and values; those that are not finite are missing.
    start_s, stop_s : ndarray, shape (n,)
        Half-open stretches, in seconds.
    reach_s : float
        A stretch whose middle is further than this from every sample was not measured.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where nothing was measured.

    Examples
    --------
    >>> time = np.array([0.0, 1.0, 2.0, 40.0])
    >>> onto(time, np.array([1.0, 3.0, 5.0, 9.0]), np.array([0, 2, 4, 20]), np.array([2, 4, 6, 22]), 15).tolist()
    [2.0, 5.0, 5.315789473684211, nan]
    """
    good = np.isfinite(x) & np.isfinite(time_s)
    time, value = np.asarray(time_s[good], np.float64), np.asarray(x[good], np.float64)
    if not len(time):
        return np.full(len(start_s), np.nan)
    totals = np.append(0, np.cumsum(value))
    low, high = np.searchsorted(time, start_s, "left"), np.searchsorted(time, stop_s, "left")
    middle = (np.asarray(start_s, np.float64) + stop_s) / 2
    after = np.clip(np.searchsorted(time, middle), 1, max(len(time) - 1, 1))
    nearest = np.minimum(np.abs(middle - time[after - 1]), np.abs(middle - time[np.minimum(after, len(time) - 1)]))
    between = np.where(nearest <= reach_s, np.interp(middle, time, value), np.nan)
    return np.where(high > low, (totals[high] - totals[low]) / np.maximum(high - low, 1), between)
