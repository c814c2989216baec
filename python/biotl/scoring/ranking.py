"""How well a score ranks: areas under the ROC and the precision-recall curve, and the curves themselves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.classes import ratio

Array = NDArray[Any]


def auroc(labels: Array, scores: Array) -> float:
    """Return the area under the ROC curve by ranks, ties counting half; NaN where one class is missing.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Positive above 0.
    scores : ndarray of float, shape (n,)
        Higher for what is more likely positive.

    Examples
    --------
    >>> auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    return float(area_roc(*_counts(labels, scores)))


def average_precision(labels: Array, scores: Array) -> float:
    """Return the area under the precision-recall curve as a step function; NaN without a positive.

    Examples
    --------
    >>> round(average_precision(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])), 4)
    0.8333
    """
    return float(area_precision_recall(*_counts(labels, scores)))


def precision_recall(labels: Array, scores: Array) -> tuple[Array, Array]:
    """Return precision and recall at every score that occurs, the highest first.

    Examples
    --------
    >>> precision, recall = precision_recall(np.array([0, 1, 1]), np.array([0.5, 0.4, 0.9]))
    >>> recall
    array([0.5, 0.5, 1. ])
    """
    positive, negative = (np.cumsum(of[::-1]) for of in _counts(labels, scores))
    return ratio(positive, positive + negative), ratio(positive, positive[-1:])


def area_roc(positive: Array, negative: Array) -> Any:
    """Return the area under the ROC curve of counts by ascending score, shape (..., scores)."""
    below = np.cumsum(negative, axis=-1) - negative / 2
    return ratio((positive * below).sum(-1), positive.sum(-1) * negative.sum(-1))


def area_precision_recall(positive: Array, negative: Array) -> Any:
    """Return the average precision of counts by ascending score, shape (..., scores)."""
    found = np.cumsum(positive[..., ::-1], axis=-1)
    called = found + np.cumsum(negative[..., ::-1], axis=-1)
    precision = np.nan_to_num(ratio(found, called))
    return ratio((positive[..., ::-1] * precision).sum(-1), positive.sum(-1))


def _counts(labels: Array, scores: Array) -> tuple[Array, Array]:
    """Count positives and negatives at each score that occurs, ascending."""
    values, place = np.unique(scores, return_inverse=True)
    positive = np.asarray(labels) > 0
    counts = [np.bincount(place[kept], minlength=len(values)).astype(np.float64) for kept in (positive, ~positive)]
    return counts[0], counts[1]
