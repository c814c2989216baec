"""What the beats of each window say of it: the measures of `biotl.datasets.beat_features`, pooled over the window."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.beat_features import FEATURES
from biotl.datasets.preprocessor import Prepared, State
from biotl.errors import ConfigError

POOLS = ("mean", "highest", "lowest", "spread")
COLUMNS = (*(f"{name}_{pool}" for pool in POOLS for name in FEATURES), "beats")
"""Columns of `pool`."""
REACH = 5.0
"""Standard deviations: what lies further out says no more than that it does, and must not rule a sum."""


def pool(
    features: NDArray[np.float32], at_s: NDArray[np.float64], start_s: NDArray[np.float64], length_s: float
) -> NDArray[np.float32]:
    """Pool measures of beats over windows.

    Parameters
    ----------
    features : ndarray of float32, shape (m, columns)
        Of each beat.
    at_s : ndarray of float64, shape (m,)
        Where each R peak lies, in seconds, ascending.
    start_s : ndarray of float64, shape (n,)
        Where each window begins, in seconds.
    length_s : float
        How long the windows are.

    Returns
    -------
    ndarray of float32, shape (n, 4 columns + 1)
        Mean, highest, lowest and standard deviation of each column, see `COLUMNS`, and the number of beats; a window
        without beats is 0 throughout.

    Examples
    --------
    >>> pool(np.array([[1.0], [3.0]], np.float32), np.array([0.5, 1.5]), np.array([0.0, 2.0]), 2.0).tolist()
    [[2.0, 3.0, 1.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    pooled = np.zeros((len(start_s), 4 * features.shape[1] + 1), np.float32)
    first, last = np.searchsorted(at_s, start_s), np.searchsorted(at_s, start_s + length_s)
    for row, a, b in zip(pooled, first, last, strict=True):
        if b > a:
            of = features[a:b]
            row[:] = np.concatenate([of.mean(0), of.max(0), of.min(0), of.std(0), [b - a]])
    return pooled


def fit_beats(training: Iterable[Prepared]) -> State:
    """Return mean and standard deviation of each column over the windows of training recordings, as JSON."""
    table = np.concatenate([prepared.arrays["beats"] for prepared in training]).astype(np.float64)
    return {"beats": {"mean": table.mean(0).tolist(), "std": table.std(0).tolist()}}


def scaled(row: NDArray[np.float32], state: State) -> NDArray[np.float32]:
    """Return columns with mean 0 and standard deviation 1 over the training windows, within `REACH`.

    Raises
    ------
    ConfigError
        If there is no state.
    """
    if "beats" not in state:
        raise ConfigError("spec.beats: got a preprocessor that was not fitted; fit it on training data")
    mean, std = (np.asarray(state["beats"][key]) for key in ("mean", "std"))
    return np.asarray(np.clip((row - mean) / np.where(std > 1e-6, std, 1), -REACH, REACH), np.float32)
