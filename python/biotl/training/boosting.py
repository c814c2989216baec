"""Boosted trees that tell beats apart: a table of beats from recordings and their copies, its weights, the fit."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.joined import CLASS_POWER, FALSE, RAREST, SUBJECT_POWER
from biotl.errors import MissingExtraError, TrainingError
from biotl.models.trees import Trees, from_sklearn
from biotl.training.beat_rows import KINDS, MAKES, Heart, Kind, Rows, Table, heart_rows

FALSE_COUNT = 0.25
"""What made-up beats count, to a class of as many: at full weight beats of 209 (S) and 203 (V) were taken for made-up
ones, at a quarter no more of the made-up ones are called ventricular."""


def joined(rows: Sequence[Rows], learnt: Container[int]) -> tuple[Table, NDArray[np.int64], NDArray[np.float64]]:
    """Return the table to learn from: features, classes and weights.

    A class counts as the fourth root of its beats, made-up ones a quarter of that, and within a class a subject as the
    tenth root of its own: neither the usual beat nor the subject with the most ectopic ones decides.
    """
    rows = [of for of in rows if of.label in learnt]
    counts: dict[tuple[int, str], float] = {}
    for of in rows:
        key = of.label, of.subject
        counts[key] = counts.get(key, 0) + of.weight * len(of.table)
    total, spread = (
        {c: sum(n**power for (k, _), n in counts.items() if k == c) for c, _ in counts} for power in (1, SUBJECT_POWER)
    )
    counted = {c: n**CLASS_POWER / spread[c] * (FALSE_COUNT if c == FALSE else 1) for c, n in total.items()}
    weight = np.concatenate(
        [
            np.full(len(of.table), of.weight * counts[of.label, of.subject] ** (SUBJECT_POWER - 1) * counted[of.label])
            for of in rows
        ]
    )
    classes = np.concatenate([np.full(len(of.table), max(of.label, 0)) for of in rows])
    return np.concatenate([of.table for of in rows]), classes, weight / weight.mean()


def learnable(hearts: Sequence[Heart], classes: int) -> list[int]:
    """Return the classes that there are enough beats of to learn."""
    held = np.sum([np.bincount(heart.label[heart.label >= 0], minlength=classes) for heart in hearts], axis=0)
    return [int(c) for c in np.flatnonzero(held >= RAREST)]


def fit_trees(
    hearts: Sequence[Heart],
    labels: Sequence[str],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3),
    kinds: Mapping[str, Kind] = KINDS,
) -> Trees:
    """Fit an ensemble of boosted trees (scikit-learn) on recordings and their copies.

    Parameters
    ----------
    hearts : sequence of Heart
        Training recordings.
    labels : sequence of str
        Class names, the usual beat first; where one is ``S``, copies with supraventricular beats and with fibrillation
        are learnt from too.
    seeds : sequence of int
        One model each, on copies of its own; their raw outputs are averaged.
    kinds : mapping of str to Kind
        What is learnt from; others than all of it are for ablation.

    Raises
    ------
    TrainingError
        If the recordings hold one class only.
    MissingExtraError
        If scikit-learn is not installed.
    """
    return Lessons.of(hearts, labels, seeds=seeds, kinds=kinds).fit()


@dataclass(frozen=True)
class Lessons:
    """What recordings teach each model of an ensemble: made once, learnt from as a whole or without some subjects."""

    hearts: Sequence[Heart]
    labels: Sequence[str]
    rows: Mapping[int, Sequence[Rows]]

    @classmethod
    def of(
        cls, hearts: Sequence[Heart], labels: Sequence[str], *, seeds: Sequence[int], kinds: Mapping[str, Kind] = KINDS
    ) -> "Lessons":
        """Make the copies of each seed; see `fit_trees`."""
        if len(learnable(hearts, len(labels))) < 2:
            held = ", ".join(
                f"{sum(int((h.label == k).sum()) for h in hearts)} {name}" for k, name in enumerate(labels)
            )
            wanted = f"two classes of {RAREST} beats or more: label more recordings"
            raise TrainingError(f"training: got {held}, wanted {wanted}")
        rows = {}
        for turn, seed in enumerate(seeds):
            make = MAKES[turn % len(MAKES)]
            rows[seed] = [of for heart in hearts for of in heart_rows(heart, labels, seed=seed, make=make, kinds=kinds)]
        return cls(hearts, labels, rows)

    def fit(self, without: Container[str] = (), *, models: int | None = None) -> Trees:
        """Fit on all subjects but those, the first so many models of the ensemble or all; see `fit_trees`."""
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ImportError:
            raise MissingExtraError("scikit-learn", "train") from None
        known = (FALSE, *self.learnt(without))
        fitted = []
        for seed, rows in list(self.rows.items())[:models]:
            table, classes, weight = joined([of for of in rows if of.subject not in without], known)
            model = HistGradientBoostingClassifier(
                learning_rate=0.15,
                max_iter=60,
                max_leaf_nodes=15,
                max_bins=63,
                max_features=0.3,
                l2_regularization=1.0,
                early_stopping=False,
                random_state=seed,
            )
            fitted.append(model.fit(table, classes, sample_weight=weight))
        return from_sklearn(fitted, len(self.labels))

    def learnt(self, without: Container[str] = ()) -> list[int]:
        """Return the classes that the others hold enough beats of."""
        return learnable([heart for heart in self.hearts if heart.subject not in without], len(self.labels))

    def groups(self, n: int) -> list[set[str]]:
        """Deal the subjects to n groups of a like share of beats that are not the usual ones."""
        other: dict[str, int] = {}
        for heart in self.hearts:
            other[heart.subject] = other.get(heart.subject, 0) + int((heart.label > 0).sum())
        ordered = sorted(other, key=lambda subject: (-other[subject], subject))
        return [set(ordered[k::n]) for k in range(min(n, len(ordered)))]


def probabilities(raw: NDArray[Any]) -> NDArray[np.float64]:
    """Softmax of raw outputs, shape (n, classes)."""
    e = np.exp(raw.astype(np.float64) - raw.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
