"""Steps of a sequence: means, the last known value, a first-order response, a linear map of the past, boosting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.baselines.learners import Boosting, Learner, Mean, Ridge, answer

Array = NDArray[Any]
MEMORIES = (0, 3, 10, 30, 100)
"""Time constants in steps of the running means that `table` holds of each channel."""
LEAF = 100
"""Rows that a leaf of the boosted trees holds at least: neighbouring steps say nearly the same."""


def table(sequence: Array, *, before: Array | None = None, user: int = 0) -> NDArray[np.float64]:
    """Return one row a step: each channel, running means of its past, and how far the sequence has come.

    Parameters
    ----------
    sequence : ndarray, shape (channels, steps)
        NaN where a step is missing; it is taken as the step before.
    before : ndarray, shape (steps,), optional
        What is known of the target at each step, NaN where nothing is.
    user : int
        Whose it is, from 1; 0 is a stranger.

    Returns
    -------
    ndarray of float64, shape (steps, len(MEMORIES) * channels + 3)
        No row sees a later step. The last two columns are the newest value of `before`, 0 where there is none yet, and
        the user.
    """
    x = np.asarray(sequence, np.float64)
    steps = x.shape[1]
    held = np.maximum.accumulate(np.where(np.isfinite(x), np.arange(steps), 0), axis=1)
    x = np.nan_to_num(np.take_along_axis(x, held, axis=1))
    columns = [_running_mean(x, memory) for memory in MEMORIES]
    known = np.zeros(steps) if before is None else np.nan_to_num(newest(before))
    return np.concatenate([*columns, np.arange(steps)[None] / 100.0, known[None], np.full((1, steps), user)]).T


def newest(values: Array) -> NDArray[np.float64]:
    """Return for each step the newest value so far, NaN before the first.

    Examples
    --------
    >>> newest(np.array([np.nan, 60.0, np.nan, 64.0]))
    array([nan, 60., 60., 64.])
    """
    x = np.asarray(values, np.float64)
    held = np.maximum.accumulate(np.where(np.isnan(x), -1, np.arange(len(x))))
    return np.where(held >= 0, x[held], np.nan)


def run(train: Sequence[tuple[Array, Array]], test: Sequence[Array], *, seed: int = 0) -> dict[str, list[Array]]:
    """Answer values by means, a first-order response, ridge regression and boosting on tables.

    Parameters
    ----------
    train : sequence of (ndarray (steps, features), ndarray of float (steps,))
        `table` and the target of each step; NaN ones are left out.
    test : sequence of ndarray, shape (steps, features)
        Tables to answer.
    seed : int
        Of the trees.

    Returns
    -------
    dict of str to list of ndarray of float, shape (steps,)
        ``mean``, ``mean of the user`` where users are known, ``first-order response``, ``ridge regression``,
        ``gradient boosting``, and ``persistence`` where something is known before: the newest known value, and the mean
        while there is none.
    """
    learners: dict[str, Learner] = {
        "mean": Mean(),
        "mean of the user": _UserMean(),
        "first-order response": _FirstOrder(),
        "ridge regression": _Without(Ridge()),
        "gradient boosting": _Without(Boosting(classes=False, leaf=LEAF, seed=seed)),
    }
    if not any((rows[:, -1] > 0).any() for rows, _ in train):
        del learners["mean of the user"]
    found = answer(learners, train, test)
    if any((rows[:, -2] > 0).any() for rows in test):
        mean = found["mean"]
        found["persistence"] = [np.where(rows[:, -2] > 0, rows[:, -2], of) for rows, of in zip(test, mean, strict=True)]
    return found


class _Without:
    """A learner that is not told who it is, nor what was known before."""

    def __init__(self, of: Learner) -> None:
        self.of = of

    def fit(self, table: Array, target: Array) -> None:
        """Learn from the features."""
        self.of.fit(table[:, :-2], target)

    def predict(self, table: Array) -> Array:
        """Answer by the features."""
        return self.of.predict(table[:, :-2])


class _UserMean:
    """The mean of each user's training values; of a stranger the mean of all."""

    def fit(self, table: Array, target: Array) -> None:
        """Average."""
        self.all = float(np.mean(target))
        users = table[:, -1].astype(np.int64)
        self.of = {user: float(target[users == user].mean()) for user in np.unique(users[users > 0]).tolist()}

    def predict(self, table: Array) -> Array:
        """Return the user's mean for every row."""
        return np.array([self.of.get(int(user), self.all) for user in table[:, -1]])


class _FirstOrder:
    """A line through a running mean of the first channel, that of `MEMORIES` which fits the training values best."""

    def fit(self, table: Array, target: Array) -> None:
        """Try each memory."""
        channels = (table.shape[1] - 3) // len(MEMORIES)
        fits = []
        for column in range(0, channels * len(MEMORIES), channels):
            x = np.stack([np.ones(len(table)), table[:, column]], axis=1)
            line = np.linalg.lstsq(x, target, rcond=None)[0]
            fits.append((float(np.square(x @ line - target).sum()), column, line))
        _, self.column, self.line = min(fits, key=lambda fit: fit[0])

    def predict(self, table: Array) -> Array:
        """Answer by the line."""
        return np.asarray(self.line[0] + self.line[1] * table[:, self.column])


def _running_mean(x: Array, memory: int) -> Array:
    if not memory:
        return x
    keep, out = np.exp(-1 / memory), np.empty_like(x)
    state = x[:, 0]
    for step in range(x.shape[1]):
        state = keep * state + (1 - keep) * x[:, step]
        out[:, step] = state
    return out
