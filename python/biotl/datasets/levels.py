"""Features by rank: how many of some steps, placed where training beats lie, a value has passed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARES = (0, 0.1, 0.3, 1, 2, 4, 7, 12, 20, 35, 50, 65, 80, 88, 93, 96, 98, 99, 99.7, 99.9, 100)
"""Per cent of the training beats below each step: dense at both ends, where the few beats lie that are not usual."""
LEVELS = len(SHARES) - 1
APART = 2e-3
"""Share of a column's range that steps are apart at least: where half of the beats have one value, such as a P wave
that is not there, the last bit of a sample must not move a beat by several levels."""


def steps(table: NDArray[Any]) -> NDArray[np.float64]:
    """Return where the steps of each column lie, shape (columns, 21).

    Parameters
    ----------
    table : ndarray, shape (m, columns)
        Features of training beats.
    """
    at = np.percentile(table.astype(np.float64), SHARES, axis=0).T
    least = APART * np.maximum(at[:, -1:] - at[:, :1], 1e-6) * np.arange(LEVELS + 1)
    return np.asarray(np.maximum.accumulate(at - least, axis=1) + least)


def levels(table: NDArray[Any], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how many steps each value has passed, 0 to 20, with the part of the step that it is in.

    Parameters
    ----------
    table : ndarray, shape (m, columns)
        Features.
    at : ndarray, shape (columns, 21)
        What `steps` gave.

    Examples
    --------
    >>> at = steps(np.arange(101.0)[:, None])
    >>> levels(np.array([[-5.0], [42.5], [200.0]]), at).ravel().tolist()
    [0.0, 9.5, 20.0]
    """
    count = np.arange(LEVELS + 1)
    found = np.empty(table.shape, np.float32)
    for k, edges in enumerate(at):
        found[:, k] = np.interp(table[:, k], edges, count)
    return found
