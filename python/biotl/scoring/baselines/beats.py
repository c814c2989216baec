"""Beats: the majority, a rule on RR intervals, and gradient boosting on RR and shape."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.features import BEAT_FEATURES, FEATURES, SEGMENT_FEATURES
from biotl.scoring.baselines.learners import Boosting, Learner, Majority, answer
from biotl.scoring.classes import ClassScore

_RR = 6
Array = NDArray[Any]


def table(arrays: Mapping[str, Array]) -> NDArray[np.float32]:
    """Return one row a beat: its features, the RR features of two beats on each side, and its P, QRS and T samples.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of a prepared recording of m beats, as `biotl.datasets.sentences.Sentence` describes them: ``rpeaks`` and, of
        each segment, ``wave``, ``beat``, ``features`` and ``patches``.

    Returns
    -------
    ndarray of float32, shape (m, 83)
        Columns: `BEAT_FEATURES`, 4 x 6 RR features of the neighbours, 3 x 16 samples in median QRS heights.
    """
    beats, wave, beat, patches = len(arrays["rpeaks"]), arrays["wave"], arrays["beat"], arrays["patches"]
    own = np.zeros((beats, len(BEAT_FEATURES)), np.float32)
    rows = np.flatnonzero(wave == 1)
    own[beat[rows]] = arrays["features"][rows, len(SEGMENT_FEATURES) : len(FEATURES)]
    around = np.pad(own[:, :_RR], ((2, 2), (0, 0)))
    columns = [own, *(around[2 + shift : 2 + shift + beats] for shift in (-2, -1, 1, 2))]
    for kind in range(3):
        rows = np.flatnonzero(wave == kind)
        samples = np.zeros((beats, (patches.shape[2] + 1) // 2), np.float32)
        samples[beat[rows]] = patches[rows, 0, ::2]
        columns.append(samples)
    return np.concatenate(columns, axis=1)


class RRRule:
    """A beat that comes early is not the usual one; which it is depends on whether a pause follows.

    Early and pause are RR intervals before and after the beat over the local median. The usual class is the most
    frequent one; the two thresholds and the class of either kind of early beat are those that give the best macro-F1
    on the beats it is fitted to. In AAMI's classes these are supraventricular without and ventricular with a pause.

    Parameters
    ----------
    classes : int
        How many there are, in any order.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def fit(self, table: Array, target: Array) -> None:
        """Choose thresholds and classes on a grid."""
        k, names = self.classes, tuple(map(str, range(self.classes)))
        usual = int(np.bincount(target, minlength=k).argmax())
        others = [c for c in range(k) if c != usual] or [usual]
        choices = np.array([(usual, plain, pause) for plain, pause in product(others, others)])
        answers = np.eye(k, dtype=np.int64)[choices]  # (choices, kind of rhythm, class)
        best = -1.0
        for early, pause in product(np.log2(np.arange(0.7, 0.98, 0.02)), np.log2(np.arange(0.9, 1.4, 0.05))):
            rhythm = self._rhythm(table, (float(early), float(pause)))
            counts = np.bincount(target * 3 + rhythm, minlength=3 * k).reshape(k, 3)
            found = ClassScore(names, np.pad(counts @ answers, ((0, 0), (0, 1), (0, 1)))).macro_f1
            if found.max() > best:
                best, self.thresholds = float(found.max()), (float(early), float(pause))
                self.answers = choices[found.argmax()]

    def predict(self, table: Array) -> Array:
        """Apply the rule."""
        return np.asarray(self.answers[self._rhythm(table, self.thresholds)], np.int64)

    def _rhythm(self, table: Array, thresholds: tuple[float, float]) -> Array:
        """Return 0 for a beat in time, 1 for an early one, 2 for an early one with a pause after it."""
        early, pause = table[:, 0] < thresholds[0], table[:, 1] > thresholds[1]
        return np.where(early, np.where(pause, 2, 1), 0)


def run(
    train: Sequence[tuple[Array, Array]], test: Sequence[Array], *, labels: Sequence[str], seed: int = 0
) -> dict[str, list[Array]]:
    """Fit every baseline on some recordings and answer others, see `answer`.

    Parameters
    ----------
    train : sequence of (ndarray (m, 83), ndarray of int64 (m,))
        `table` and the class of each beat; negative ones are left out.
    test : sequence of ndarray, shape (m, 83)
        Tables to answer.
    labels : sequence of str
        Class names, any number in any order.
    seed : int
        Of the boosting.

    Returns
    -------
    dict of str to list of ndarray of int64
        ``majority``, ``RR rule``, ``gradient boosting``.
    """
    made: dict[str, Learner] = {
        "majority": Majority(),
        "RR rule": RRRule(len(labels)),
        "gradient boosting": Boosting(classes=True, seed=seed),
    }
    return answer(made, train, test)
