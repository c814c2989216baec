"""Steps of a sequence: the mean, the last known value, and a linear map of the recent past of the inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.baselines.learners import Mean, Ridge, answer

Array = NDArray[Any]
MEMORIES = (0, 3, 10, 30, 100)
"""Time constants in steps of the running means that `table` holds of each channel."""


def table(sequence: Array) -> NDArray[np.float64]:
    """Return one row a step: each channel, running means of its past, and how far the sequence has come.

    Parameters
    ----------
    sequence : ndarray, shape (channels, steps)
        NaN where a step is missing; it is taken as the step before.

    Returns
    -------
    ndarray of float64, shape (steps, len(MEMORIES) * channels + 1)
        No row sees a later step.
    """
    x = np.asarray(sequence, np.float64)
    steps = x.shape[1]
    held = np.maximum.accumulate(np.where(np.isfinite(x), np.arange(steps), 0), axis=1)
    x = np.nan_to_num(np.take_along_axis(x, held, axis=1))
    columns = [_running_mean(x, memory) for memory in MEMORIES]
    return np.concatenate([*columns, np.arange(steps)[None] / 100.0]).T


def persistence(target: Array, horizon: int) -> NDArray[np.float64]:
    """Return for each step the newest known target of at least ``horizon`` steps before.

    Parameters
    ----------
    target : ndarray of float, shape (steps,)
        NaN where it is not known.
    horizon : int
        In steps, at least 1; steps before the first known target take NaN, an abstention.

    Examples
    --------
    >>> persistence(np.array([60.0, np.nan, 64.0, 65.0]), 1)
    array([nan, 60., 60., 64.])
    """
    t = np.asarray(target, np.float64)
    held = np.maximum.accumulate(np.where(np.isnan(t), -1, np.arange(len(t))))
    newest = np.where(held >= 0, t[held], np.nan)
    return np.concatenate([np.full(min(horizon, len(t)), np.nan), newest[: max(len(t) - horizon, 0)]])


def run(
    train: Sequence[tuple[Array, Array]],
    test: Sequence[Array],
    *,
    horizon: int = 0,
    past: Sequence[Array] = (),
) -> dict[str, list[Array]]:
    """Answer values by mean and by ridge regression on tables, and by persistence where a horizon lies ahead.

    Parameters
    ----------
    train : sequence of (ndarray (steps, features), ndarray of float (steps,))
        `table` and the target of each step; NaN ones are left out.
    test : sequence of ndarray, shape (steps, features)
        Tables to answer.
    horizon : int
        How many steps ahead the target lies; 0 leaves persistence out, which would then know the answer.
    past : sequence of ndarray of float, shape (steps,)
        Targets of the test sequences, of which persistence sees what lies ``horizon`` steps back.

    Returns
    -------
    dict of str to list of ndarray of float, shape (steps,)
        ``mean``, ``ridge regression``, ``persistence``.
    """
    found = answer({"mean": Mean(), "ridge regression": Ridge()}, train, test)
    if horizon > 0:
        found["persistence"] = [persistence(target, horizon) for target in past]
    return found


def _running_mean(x: Array, memory: int) -> Array:
    if not memory:
        return x
    keep, out = np.exp(-1 / memory), np.empty_like(x)
    state = x[:, 0]
    for step in range(x.shape[1]):
        state = keep * state + (1 - keep) * x[:, step]
        out[:, step] = state
    return out
