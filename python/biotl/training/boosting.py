"""Boosted trees that tell beats apart: a table of beats from recordings and their copies, its weights, the fit."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.beat_copies import (
    FEWEST,
    SHARES,
    with_fibrillation,
    with_noise,
    with_premature,
    with_prevalence,
)
from biotl.datasets.beat_features import FEATURES, beat_features
from biotl.datasets.beat_measures import BeatMeasures, measure_beats
from biotl.datasets.joined import CLASS_POWER, FALSE, RAREST, SUBJECT_POWER
from biotl.errors import MissingExtraError, TrainingError
from biotl.models.trees import Trees, from_sklearn

Table = NDArray[np.float32]


@dataclass(frozen=True)
class Heart:
    """A training recording.

    Parameters
    ----------
    subject : str
        Who was recorded.
    x : ndarray of float32, shape (leads, samples)
        ECG without gaps.
    fs : float
        Rate in Hz.
    rpeaks : ndarray of int64, shape (m,)
        Detected R peaks in samples.
    label : ndarray of int64, shape (m,)
        Class of each, negative where it is not learnt from; class 0 is the usual beat.
    """

    subject: str
    x: NDArray[np.float32]
    fs: float
    rpeaks: NDArray[np.int64]
    label: NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """How much a kind of copy counts, and how many of its usual and other beats (of each class) are learnt from."""

    weight: float
    usual: int
    other: int


# Weights and counts were chosen in leave-patients-out folds of DS1 (`benches/beats.py folds`). A recording holds
# thousands of usual beats that say the same, so most are left out; the rest count for them.
KINDS = {
    "whole": Kind(1.0, 200, 400),
    "one lead": Kind(0.7, 100, 150),
    "prevalence": Kind(0.35, 40, 60),
    "premature": Kind(0.15, 30, 30),
    "premature prevalence": Kind(0.15, 25, 40),
    "fibrillation": Kind(0.5, 60, 50),
    "fibrillation prevalence": Kind(0.3, 25, 40),
    "noise": Kind(0.3, 50, 50),
}
FALSE_COUNT = 0.25
"""What made-up beats count, to a class of as many: at full weight beats of 209 (S) and 203 (V) were taken for made-up
ones, at a quarter no more of the made-up ones are called ventricular."""
COPY_BEATS = 900


@dataclass(frozen=True)
class Make:
    """What a model of an ensemble goes without: kinds of copies, and columns of the table by name."""

    kinds: tuple[str, ...]
    columns: tuple[str, ...] = ()


# Two makes take turns, since each errs where the other does not, and in the folds the two together do better than two
# of either. With premature copies more of class S is found where it is common, without them less is called so in sinus
# arrhythmia; the columns of scatter and of swiftness save false V in fibrillation, and cost S and V in two patients.
MAKES = (
    Make(("noise",)),
    Make(
        ("premature", "premature prevalence"),
        (
            *("before_to_spread", "change_to_usual", "local_persistence", "before_to_shortest"),
            *(
                f"{name}_{end}"
                for name in ("qrs_likeness_shifted", "qrs_shift", "qrs_swiftness", "qrs_swiftness_change")
                for end in ("low", "high")
            ),
        ),
    ),
)


def copies(
    heart: Heart, labels: Sequence[str], rng: np.random.Generator, kinds: Container[str] = KINDS
) -> Iterator[tuple[str, Table, NDArray[np.int64]]]:
    """Yield the tables of a recording and of its copies: kind, features, classes.

    Copies teach what one database cannot: that a lead may be missing, that ectopic beats may be the usual ones, that
    every heart may have early beats, and that in fibrillation neither an early beat nor a missing P wave is ectopic.
    """
    beats = measure_beats(heart.x, heart.rpeaks, heart.fs)
    yield "whole", beat_features(beats), heart.label
    if len(heart.x) > 1:
        for lead in range(len(heart.x)):
            yield "one lead", beat_features(beats.leads(lead)), heart.label
    yield from _prevalence("prevalence", beats, heart.label, len(labels), 4, rng)
    made_of = {"noise": with_noise}
    if "S" in labels:
        made_of |= {"fibrillation": with_fibrillation, "premature": with_premature}
    for kind, make in made_of.items():
        if kind not in kinds:
            continue
        for _ in range(2):
            a = int(rng.integers(max(1, len(heart.rpeaks) - COPY_BEATS)))
            part = slice(a, a + COPY_BEATS)
            peaks = heart.rpeaks[part]
            first = max(0, int(peaks[0] - heart.fs))
            last = int(peaks[-1] + heart.fs)
            x, new, label = make(heart.x[:, first:last], peaks - first, heart.fs, heart.label[part], rng)
            made = measure_beats(x, new, heart.fs)
            for leads in {tuple(range(len(x))), *((lead,) for lead in range(len(x)))}:
                yield kind, beat_features(made.leads(*leads)), label
            if kind != "noise":
                yield from _prevalence(f"{kind} prevalence", made, label, len(labels), 2, rng)


def _prevalence(
    kind: str, beats: BeatMeasures, label: NDArray[np.int64], classes: int, n: int, rng: np.random.Generator
) -> Iterator[tuple[str, Table, NDArray[np.int64]]]:
    """Yield `n` copies for each class that there is enough of, each with a share and leads of its own."""
    width = beats.qrs.shape[1]
    for of in range(1, classes):
        # fusion is no rhythm of its own: it comes where two meet
        if (label == of).sum() < FEWEST or of > 2:
            continue
        for _ in range(n):
            share = float(np.exp(rng.uniform(*np.log(SHARES))))
            made, new = with_prevalence(beats, label, of, share, 500, rng)
            one = (int(rng.integers(width)),)
            yield kind, beat_features(made.leads(*(range(width) if rng.random() < 0.5 else one))), new


@dataclass(frozen=True)
class Rows:
    """Beats of one class of one subject, from one copy: ``weight`` is what each counts."""

    subject: str
    label: int
    table: Table
    weight: float


def heart_rows(
    heart: Heart, labels: Sequence[str], *, seed: int, make: Make, kinds: Mapping[str, Kind] = KINDS
) -> list[Rows]:
    """Return what is learnt from one recording and its copies; it depends on no other recording.

    A column that the make goes without is 0 throughout.

    What a detector made up is learnt as the usual beat: it has to be called something, and a false ventricular beat
    weighs more than a false usual one.
    """
    rng = np.random.default_rng([seed, *heart.subject.encode()])
    rows = []
    kinds = {name: kind for name, kind in kinds.items() if name not in make.kinds}
    blank = [FEATURES.index(name) for name in make.columns]
    for kind, table, label in copies(heart, labels, rng, kinds):
        if (limits := kinds.get(kind)) is None:
            continue
        for c in range(FALSE, len(labels)):
            found = np.flatnonzero(label == c)
            most = limits.usual if c == 0 else limits.other
            kept = rng.choice(found, most, replace=False) if len(found) > most else found
            if len(kept):
                learnt = table[kept]
                learnt[:, blank] = 0
                rows.append(Rows(heart.subject, c, learnt, len(found) / len(kept) * limits.weight))
    return rows


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
