"""What a model of beats must beat: the majority, a rule on RR intervals, and gradient boosting on RR and shape."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.beats import AAMI, score
from biotl.datasets.features import BEAT_FEATURES, SEGMENT_FEATURES
from biotl.datasets.sentences import Sentence
from biotl.errors import MissingExtraError

_RR = 6
_NO_BEATS = np.zeros(0, np.int64)


def beat_table(sentence: Sentence) -> NDArray[np.float32]:
    """Return one row a beat: its features, the RR features of two beats on each side, and its P, QRS and T samples.

    Parameters
    ----------
    sentence : Sentence
        A prepared recording of m beats.

    Returns
    -------
    ndarray of float32, shape (m, 83)
        Columns: `BEAT_FEATURES`, 4 x 6 RR features of the neighbours, 3 x 16 samples in median QRS heights.
    """
    beats = len(sentence.rpeaks)
    own = np.zeros((beats, len(BEAT_FEATURES)), np.float32)
    rows = np.flatnonzero(sentence.wave == 1)
    own[sentence.beat[rows]] = sentence.features[rows, len(SEGMENT_FEATURES) :]
    around = np.pad(own[:, :_RR], ((2, 2), (0, 0)))
    columns = [own, *(around[2 + shift : 2 + shift + beats] for shift in (-2, -1, 1, 2))]
    for wave in range(3):
        rows = np.flatnonzero(sentence.wave == wave)
        samples = np.zeros((beats, (sentence.patches.shape[2] + 1) // 2), np.float32)
        samples[sentence.beat[rows]] = sentence.patches[rows, 0, ::2]
        columns.append(samples)
    return np.concatenate(columns, axis=1)


class Baseline(Protocol):
    """Anything that learns from a table of beats."""

    def fit(self, table: NDArray[np.float32], label: NDArray[np.int64]) -> None:
        """Learn from `beat_table` rows and their classes."""

    def predict(self, table: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class of each row."""


class Majority:
    """The most frequent class, always."""

    def fit(self, table: NDArray[np.float32], label: NDArray[np.int64]) -> None:  # noqa: ARG002
        """Count."""
        self.label = int(np.bincount(label).argmax())

    def predict(self, table: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the one class for every row."""
        return np.full(len(table), self.label, np.int64)


class RRRule:
    """A premature beat is ectopic: ventricular where a pause follows, supraventricular where none does.

    Premature and pause are RR intervals before and after the beat over the local median, against two thresholds that
    give the best macro-F1 on the beats it is fitted to.
    """

    def __init__(self, classes: int = len(AAMI)) -> None:
        self.classes = classes

    def fit(self, table: NDArray[np.float32], label: NDArray[np.int64]) -> None:
        """Choose the thresholds on a grid."""
        names = AAMI[: self.classes]

        def macro_f1(thresholds: tuple[float, float]) -> float:
            return score(label, self._apply(table, thresholds), _NO_BEATS, names).macro_f1

        grid = product(np.log2(np.arange(0.7, 0.98, 0.02)), np.log2(np.arange(0.9, 1.4, 0.05)))
        self.thresholds = max(((float(a), float(b)) for a, b in grid), key=macro_f1)

    def predict(self, table: NDArray[np.float32]) -> NDArray[np.int64]:
        """Apply the rule."""
        return self._apply(table, self.thresholds)

    def _apply(self, table: NDArray[Any], thresholds: tuple[float, float]) -> NDArray[np.int64]:
        premature, pause = table[:, 0] < thresholds[0], table[:, 1] > thresholds[1]
        ectopic = np.where(pause, min(2, self.classes - 1), 1)
        return np.where(premature, ectopic, 0).astype(np.int64)


class Boosting:
    """Histogram gradient boosting (scikit-learn), classes weighted by the inverse square root of their frequency."""

    def __init__(self, seed: int = 0) -> None:
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ImportError:
            raise MissingExtraError("scikit-learn", "train") from None
        self.model = HistGradientBoostingClassifier(
            max_iter=100,
            max_bins=63,
            max_leaf_nodes=15,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed,
        )

    def fit(self, table: NDArray[np.float32], label: NDArray[np.int64]) -> None:
        """Fit the trees."""
        frequency = np.bincount(label)[label] / len(label)
        self.model.fit(table, label, sample_weight=1 / np.sqrt(frequency))

    def predict(self, table: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the most probable class of each row."""
        return np.asarray(self.model.predict(table), np.int64)


def run_baselines(
    train: Sequence[tuple[Sentence, NDArray[np.int64]]], test: Sequence[Sentence], *, classes: int, seed: int = 0
) -> dict[str, list[NDArray[np.int64]]]:
    """Fit every baseline on one set of recordings and predict the beats of another.

    Parameters
    ----------
    train : sequence of (Sentence, ndarray of int64, shape (m,))
        Recordings and the class of each beat; beats with a negative class are left out.
    test : sequence of Sentence
        The recordings to judge.
    classes : int
        5 for AAMI, 2 for normal and abnormal.
    seed : int
        Of the boosting.

    Returns
    -------
    dict of str to list of ndarray of int64
        By baseline, the class of each beat of each test recording.
    """
    table = np.concatenate([beat_table(sentence) for sentence, _ in train])
    label = np.concatenate([label for _, label in train])
    table, label = table[label >= 0], label[label >= 0]
    tables = [beat_table(sentence) for sentence in test]
    made: dict[str, Baseline] = {"majority": Majority(), "rr_rule": RRRule(classes), "boosting": Boosting(seed)}
    found = {}
    for name, baseline in made.items():
        baseline.fit(table, label)
        found[name] = [baseline.predict(rows) for rows in tables]
    return found
