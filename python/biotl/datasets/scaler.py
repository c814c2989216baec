"""Mean and spread of each channel over the training recordings, as state that travels with a model."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.preprocessor import Prepared, State, fitted_on
from biotl.datasets.spec import Channel
from biotl.errors import ConfigError

FLAT = 1e-6
"""Spread over size: below it a channel holds one value to the resolution of float32."""


def fit_scaler(training: Iterable[Prepared], channels: Sequence[Channel], names: Sequence[str], *, axis: int) -> State:
    """Return mean and standard deviation of each channel over what was measured in training recordings.

    Parameters
    ----------
    training : iterable of Prepared
        Whose ``signal`` holds channels along one axis and samples along the other, NaN where nothing was measured.
    channels : sequence of Channel
        In order.
    names : sequence of str
        The recordings, of which a count and a digest are kept.
    axis : int
        The axis of samples.

    Returns
    -------
    dict
        JSON: ``scaler`` with ``mean`` and ``std``, and ``fitted_on``; empty where no channel needs it.
    """
    if all(channel.normalizer != "training" for channel in channels):
        return {}
    n, total, squares = (np.zeros(len(channels)) for _ in range(3))
    origin: NDArray[np.float64] | None = None
    for prepared in training:
        x = np.asarray(prepared.arrays["signal"], np.float64)
        seen = np.isfinite(x)
        here = seen.sum(axis)
        first = np.where(seen, x, 0).sum(axis) / np.maximum(here, 1)
        # sums about a value near the mean: those of raw counts around 1e6 would lose the spread
        origin = first if origin is None else np.where(n > 0, origin, first)
        x = np.where(seen, x - np.expand_dims(origin, axis), 0)
        n, total, squares = n + here, total + x.sum(axis), squares + np.square(x).sum(axis)
    if origin is None:
        raise ConfigError("fit: got no training recording, wanted one at least")
    mean = total / np.maximum(n, 1)
    std = np.sqrt(np.maximum(squares / np.maximum(n, 1) - mean**2, 0))
    return {"scaler": {"mean": (mean + origin).tolist(), "std": std.tolist()}, "fitted_on": fitted_on(names)}


def normalize(x: NDArray[Any], mean: Any, std: Any) -> NDArray[np.float32]:
    """Return ``(x - mean) / std`` as float32, 0 where the spread is none."""
    spread = np.asarray(std, np.float64)
    flat = spread <= FLAT * np.abs(mean)
    centred = x - mean
    scaled: NDArray[np.float32] = np.empty(np.shape(centred), np.float32)
    np.divide(centred, np.where(flat, 1, spread), out=scaled, casting="same_kind")
    if np.any(flat):
        np.copyto(scaled, np.where(np.isfinite(x), 0, x), where=flat, casting="same_kind")
    return scaled


def by_training(x: NDArray[Any], channels: Sequence[Channel], state: State, *, axis: int) -> NDArray[np.float32]:
    """Scale the channels whose normalizer is ``training``; the others stay as they are.

    Raises
    ------
    ConfigError
        If there is such a channel, and no state.
    """
    rows = np.array([channel.normalizer == "training" for channel in channels])
    if not rows.any():
        return np.asarray(x, np.float32)
    if "scaler" not in state:
        raise ConfigError("normalizer: got training, and a preprocessor that was not fitted; fit it on training data")
    mean, std = (np.expand_dims(np.array(state["scaler"][key]), axis) for key in ("mean", "std"))
    return np.where(np.expand_dims(rows, axis), normalize(x, mean, std), x).astype(np.float32)


def by_itself(x: NDArray[Any], *, axis: int = -1) -> NDArray[np.float32]:
    """Give ``x`` mean 0 and standard deviation 1 along an axis, over what is finite; flat ones become 0.

    Examples
    --------
    >>> by_itself(np.array([[1.0, 3.0, np.nan], [7.0, 7.0, 7.0]])).tolist()
    [[-1.0, 1.0, nan], [0.0, 0.0, 0.0]]
    """
    seen = np.isfinite(x)
    n = np.maximum(seen.sum(axis, keepdims=True), 1)
    # one array in double precision at a time: of a channel of a day it is 160 MiB
    mean = np.where(seen, x, np.float64(0)).sum(axis, keepdims=True) / n
    centred = x - mean
    centred[~seen] = 0
    std = np.sqrt(np.square(centred, out=centred).sum(axis, keepdims=True) / n)
    del centred, seen
    return normalize(x, mean, std)
