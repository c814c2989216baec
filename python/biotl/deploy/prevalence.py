"""Where a class is common in a recording, told from how all of its beats score: a beat then needs less to be of it."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

LEAST = 30
"""Beats below which nothing is said of how they score."""
ENDS = (-9.0, 6.0)
"""Log odds beyond which a beat is as sure as can be: what lies there would only widen a group."""
NARROWEST = 0.5
ROUNDS = 60


class Prevalence(BaseModel):
    """What a class that may be common needs to be called so, in the light of its recording.

    A classifier has learnt how common a class is as well as what it looks like. Where a heart has very many beats of
    it, their log odds against the usual class are all middling, and yet far above those of its usual beats: they make
    a group of their own. Two normal distributions are fitted to the log odds of the recording's beats. Where they are
    clearly apart and the upper one holds many beats that are not unlikely to be of the class, the boundary moves from
    equal odds down to where the two cross. It never moves up, so that single beats are found as before; in
    fibrillation the log odds are one broad heap, and it stays. The order of the beats does not matter.

    Parameters
    ----------
    of, usual : str
        The class that may be common, and the one that its odds are told against; others keep their probability.
    share : float
        Least share of the upper group among the beats that are called one of the two.
    apart : float
        Least distance of the two means, in sums of the two standard deviations: two groups of one size show as two
        heaps above 1.
    level : float
        Least mean of the upper group, in log odds.
    most : float
        By how much the boundary moves at most, in log odds.

    Examples
    --------
    >>> step = Prevalence(of="S", usual="N")
    >>> raw = np.repeat([[0.0, -0.2], [0.0, -6.0]], [70, 30], axis=0).astype(np.float32)  # 70 are almost S
    >>> [int(n) for n in np.bincount(step.applied(raw, ("N", "S")).argmax(axis=1))]
    [30, 70]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    of: str
    usual: str
    share: Annotated[float, Field(gt=0, lt=1)] = 0.4
    apart: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    level: Annotated[float, Field(allow_inf_nan=False)] = -0.5
    most: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0

    def applied(self, raw: NDArray[np.float32], labels: tuple[str, ...]) -> NDArray[np.float32]:
        """Return the raw outputs of a recording's beats with the odds of the class raised, or as they are.

        Parameters
        ----------
        raw : ndarray of float32, shape (n, classes)
            Logits of all beats of a recording, or of as much of it as is known; rows that are not finite stay so.
        labels : tuple of str
            Class of each column.
        """
        usual, of = labels.index(self.usual), labels.index(self.of)
        known = np.flatnonzero(np.isfinite(raw).all(axis=1))
        logit = raw[known].astype(np.float64)
        odds = logit[:, of] - logit[:, usual]
        shift = self._shift(odds[np.isin(logit.argmax(axis=1), (usual, of))])
        if not shift:
            return raw
        out = raw.copy()
        both = np.logaddexp(logit[:, usual], logit[:, of])
        out[known, of] = both - np.logaddexp(0, -odds - shift)
        out[known, usual] = both - np.logaddexp(0, odds + shift)
        return out

    def _shift(self, odds: NDArray[np.float64]) -> float:
        """Return by how much log odds are raised, 0 where the class is not common or not apart."""
        if len(odds) < LEAST:
            return 0.0
        mean, spread, share = two_groups(np.clip(odds, *ENDS))
        if share < self.share or mean[1] < self.level or mean[1] - mean[0] < self.apart * spread.sum():
            return 0.0
        grid = np.linspace(mean[0], mean[1], 201)
        crossing = grid[np.argmax(_upper(grid, mean, spread, share) > 0)]
        return float(np.clip(-crossing, 0, self.most))


def two_groups(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Fit two normal distributions by expectation maximisation, begun from two means.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
        Numbers in any order: the answer is the same to the bit.

    Returns
    -------
    ndarray of float64, shape (2,), ndarray of float64, shape (2,), float
        Means, the lower first, standard deviations of at least `NARROWEST`, and the share of the upper.

    Examples
    --------
    >>> mean, spread, share = two_groups(np.repeat([-5.0, 1.0], [30, 10]))
    >>> mean.round(1).tolist(), spread.tolist(), round(share, 2)
    ([-5.0, 1.0], [0.5, 0.5], 0.25)
    """
    x = np.sort(x)
    mean = np.quantile(x, (0.1, 0.9))
    for _ in range(ROUNDS):
        above = x > mean.mean()
        if above.all() or not above.any():
            break
        mean = np.array([x[~above].mean(), x[above].mean()])
    held = np.asarray(x > mean.mean(), np.float64)
    spread, share = np.full(2, NARROWEST), 0.5
    for _ in range(ROUNDS):
        weight = np.stack([1 - held, held])
        total = weight.sum(axis=1) + 1e-9
        mean = weight @ x / total
        spread = np.maximum(NARROWEST, np.sqrt((weight * (x - mean[:, None]) ** 2).sum(axis=1) / total))
        share = float(np.clip(total[1] / total.sum(), 1e-9, 1 - 1e-9))
        held = 1 / (1 + np.exp(-np.clip(_upper(x, mean, spread, share), -50, 50)))
    return mean, spread, share


def _upper(
    x: NDArray[np.float64], mean: NDArray[np.float64], spread: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Return the log odds of the upper group; what lies beyond a mean is of that group, however wide the other."""
    far = -0.5 * ((x - mean[:, None]) / spread[:, None]) ** 2 - np.log(spread)[:, None]
    odds = np.log(share / (1 - share)) + far[1] - far[0]
    sure = 5.0
    odds = np.where(x >= mean[1], np.maximum(odds, sure), odds)
    return np.asarray(np.where((x <= mean[0]) & (x < mean[1]), np.minimum(odds, -sure), odds))
