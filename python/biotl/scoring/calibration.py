"""Whether a probability means what it says: Brier score, expected calibration error, slope and intercept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import DRAWS, Interval, interval
from biotl.scoring.classes import ratio
from biotl.scoring.figure import Figure
from biotl.scoring.ranking import area_precision_recall, area_roc, auroc, average_precision

Array = NDArray[Any]
BINS = 10
# of probabilities: a float32 softmax saturates, and a logit must stay finite
_EDGE = 1e-6
# of quantiles of the scores of each side; areas and slopes of a draw are then within about 1e-3 of the exact ones
_QUANTILES = 257


def known(answered: Sequence[Answered]) -> tuple[Array, Array]:
    """Return class (n,) and probabilities (n, classes) of the units that have a reference, of all recordings."""
    kept = [(of.truth >= 0, of) for of in answered if of.probability is not None]
    truth = [of.truth[at] for at, of in kept]
    probability = [np.asarray(of.probability, np.float64)[at] for at, of in kept]
    return np.concatenate([np.zeros(0, np.int64), *truth]), np.concatenate(probability or [np.zeros((0, 0))])


def brier(truth: Array, probability: Array) -> float:
    """Return half the mean squared distance between probabilities (n, classes) and the truth: 0 to 1.

    Of two classes this is the Brier score of either of them.

    Examples
    --------
    >>> brier(np.array([0, 1]), np.array([[0.8, 0.2], [0.4, 0.6]]))
    0.1
    """
    return float(_figures(_sums(truth, probability))["brier"])


def ece(truth: Array, probability: Array) -> float:
    """Return the expected calibration error of the most probable class, in ten bins of equal width (Guo 2017).

    Examples
    --------
    >>> ece(np.array([0, 0, 1, 0]), np.array([[0.75, 0.25]] * 4))
    0.0
    """
    return float(_figures(_sums(truth, probability))["ece"])


def recalibration(positive: Array, probability: Array) -> tuple[float, float]:
    """Return slope and intercept of calibration of one class (Cox 1958, Steyerberg 2014).

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Whether each unit is of the class.
    probability : ndarray of float, shape (n,)
        What was said of it.

    Returns
    -------
    float, float
        The slope of the log odds (1: right; below 1: too sure) and the intercept at a slope of 1 (0: right; above 0:
        the class is more frequent than said). NaN where a class is missing or no fit exists.

    Examples
    --------
    >>> happened = np.array([True] * 6 + [False] * 4 + [True] * 4 + [False] * 6)
    >>> slope, intercept = recalibration(happened, np.repeat([0.9, 0.1], 10))  # said 90 and 10 %, came 60 and 40 %
    >>> round(slope, 3)
    0.185
    """
    x = _logit(probability)
    slope, intercept = _cox(x, np.ones(x.size), np.asarray(positive, np.float64))
    return float(slope), float(intercept)


def reliability(positive: Array, probability: Array, bins: int = BINS) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return mean probability, share of positives and count in bins of equal width; NaN in an empty bin.

    Examples
    --------
    >>> said, true, count = reliability(np.array([False, True, True]), np.array([0.2, 0.8, 0.6]), bins=2)
    >>> true, count
    (array([0., 1.]), array([1, 2]))
    """
    place = np.minimum((np.asarray(probability) * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    said, true = (np.bincount(place, weights=of, minlength=bins) for of in (probability, positive))
    return ratio(said, count), ratio(true, count), count


@dataclass(frozen=True)
class Calibration:
    """Brier score and expected calibration error of this run's own model, from sums that add up over recordings."""

    legend = {"brier": Figure("Brier score", "", "lower"), "ece": Figure("calibration error", "", "lower")}  # noqa: RUF012

    def sums(self, of: Answered, model: str) -> Array:  # noqa: ARG002
        """Return the sums of one recording."""
        return _sums(*known([of]))

    def figures(self, sums: Array) -> dict[str, Array]:
        """Read the figures of sums, shape (..., 2 + 2 bins)."""
        return _figures(sums)


@dataclass(frozen=True)
class Ranks:
    """AUROC, average precision, slope and intercept of one class, from counts at fixed scores.

    Parameters
    ----------
    index : int
        Of the class.
    edges : ndarray of float, shape (bins - 1,)
        Ascending; between them units count as tied.
    logit : ndarray of float, shape (bins,)
        The mean log odds said in each bin.
    """

    index: int
    edges: Array
    logit: Array

    legend = {  # noqa: RUF012
        "auroc": Figure("AUROC"),
        "auprc": Figure("average precision"),
        "slope": Figure("calibration slope", "", ""),
        "intercept": Figure("calibration intercept", "", ""),
    }

    def sums(self, of: Answered, model: str) -> Array:  # noqa: ARG002
        """Return positives and negatives by bin of one recording."""
        truth, probability = known([of])
        if not len(truth):
            return np.zeros(2 * len(self.logit))
        place = np.searchsorted(self.edges, probability[:, self.index], side="right")
        positive = truth == self.index
        counts = [np.bincount(place[side], minlength=len(self.logit)) for side in (positive, ~positive)]
        return np.concatenate(counts).astype(np.float64)

    def figures(self, sums: Array) -> dict[str, Array]:
        """Read the figures of sums, shape (..., 2 bins)."""
        positive, negative = np.split(sums, 2, axis=-1)
        slope, intercept = _cox(self.logit, positive + negative, positive)
        areas = {"auroc": area_roc(positive, negative), "auprc": area_precision_recall(positive, negative)}
        return {**areas, "slope": slope, "intercept": intercept}


def ranks(answered: Sequence[Answered], index: int, *, n: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """Return AUROC, average precision, slope and intercept of one class against the rest, with 95 % intervals.

    Parameters
    ----------
    answered : sequence of Answered
        With probabilities.
    index : int
        Of the class.
    n, seed : int
        See `interval`.

    Returns
    -------
    dict of str to Interval
        ``auroc``, ``auprc``, ``slope``, ``intercept``: the figures exact, their bounds from counts at 512 scores.
    """
    truth, probability = known(answered)
    if not len(truth):
        return {}
    score, positive = probability[:, index], truth == index
    sides = [score[side] for side in (positive, ~positive) if side.any()]
    edges = np.unique(np.concatenate([np.quantile(side, np.linspace(0, 1, _QUANTILES)) for side in sides]))
    place = np.searchsorted(edges, score, side="right")
    said = np.bincount(place, weights=_logit(score), minlength=len(edges) + 1)
    logit = np.nan_to_num(ratio(said, np.bincount(place, minlength=len(edges) + 1)))
    found = interval(answered, Ranks(index, edges, logit), next(iter(answered[0].answers)), n=n, seed=seed)
    slope, intercept = recalibration(positive, score)
    exact = (auroc(positive, score), average_precision(positive, score), slope, intercept)
    return {name: replace(found[name], value=value) for name, value in zip(found, exact, strict=True)}


def _logit(probability: Array) -> Array:
    p = np.clip(np.asarray(probability, np.float64), _EDGE, 1 - _EDGE)
    logit: Array = np.log(p / (1 - p))
    return logit


def _sums(truth: Array, probability: Array) -> Array:
    """Return units, the sum of their squared distances, and by bin of confidence its sum and the right answers."""
    n = len(truth)
    if not n:
        return np.zeros(2 + 2 * BINS)
    hit = np.zeros(probability.shape)
    hit[np.arange(n), truth] = 1
    confidence, right = probability.max(1), probability.argmax(1) == truth
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins = [np.bincount(place, weights=of, minlength=BINS) for of in (confidence, right)]
    return np.concatenate([[n, ((probability - hit) ** 2).sum() / 2], *bins])


def _figures(sums: Array) -> dict[str, Array]:
    n, square = sums[..., 0], sums[..., 1]
    said, right = np.split(sums[..., 2:], 2, axis=-1)
    return {"brier": ratio(square, n), "ece": ratio(np.abs(said - right).sum(-1), n)}


def _cox(x: Array, n: Array, k: Array) -> tuple[Array, Array]:
    """Fit log odds = a + b x by Newton's method, and a at b = 1; counts n and positives k have shape (..., bins)."""
    shape = n.shape[:-1]
    # from a slope of 0, where no probability is saturated and the first step is sound
    a, b, large = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    step_a = step_b = step = np.zeros(shape)
    both = (k.sum(-1) > 0) & (k.sum(-1) < n.sum(-1))
    with np.errstate(all="ignore"):  # a fit that does not exist runs off, and is NaN below
        for _ in range(60):
            p = _expit(a[..., None] + b[..., None] * x)
            w, rest = n * p * (1 - p), k - n * p
            g0, g1 = rest.sum(-1), (rest * x).sum(-1)
            h0, h1, h2 = w.sum(-1), (w * x).sum(-1), (w * x * x).sum(-1)
            det = h0 * h2 - h1 * h1
            step_a, step_b = (h2 * g0 - h1 * g1) / det, (h0 * g1 - h1 * g0) / det
            a, b = a + np.clip(step_a, -2, 2), b + np.clip(step_b, -2, 2)
            p = _expit(large[..., None] + x)
            step = (k - n * p).sum(-1) / (n * p * (1 - p)).sum(-1)
            large = large + np.clip(step, -1, 1)
            moved = np.stack([step_a, step_b, step])[..., both]
            if np.nan_to_num(np.abs(moved), nan=0.0).max(initial=0.0) < 1e-10:
                break
        # separable classes have no slope: it grows without end
        slope = np.where(both & (np.abs(step_b) < 1e-6) & (np.abs(b) < 100), b, np.nan)
        return slope[()], np.where(both & (np.abs(step) < 1e-6), large, np.nan)[()]


def _expit(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))
