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
