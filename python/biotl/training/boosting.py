"""Boosted trees that tell beats apart: a table of beats from recordings and their copies, its weights, the fit."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.beat_copies import with_fibrillation, with_premature, with_prevalence
from biotl.datasets.beat_features import beat_features
from biotl.datasets.beat_measures import BeatMeasures, measure_beats
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
}
COPY_BEATS = 900
FEWEST = 5
"""Beats of a class below which a recording is not copied with more of them."""
EVERY_OTHER = ("premature", "premature prevalence")
"""Kinds that every other model of an ensemble goes without: with them it finds more beats of class S where these are
many, without them it calls fewer so in sinus arrhythmia, and in the folds the two together do better than either."""
RAREST = 20
"""Beats of a class below which it is not learnt, and never answered: DS1 holds 8 that are Q."""
SHARES = (0.03, 0.85)


def copies(
    heart: Heart, labels: Sequence[str], rng: np.random.Generator, kinds: Container[str] = KINDS
) -> Iterator[tuple[str, Table, NDArray[np.int64]]]:
    """Yield the tables of a recording and of its copies: kind, features, classes.

    Copies teach what one database cannot: that a lead may be missing, that ectopic beats may be the usual ones, that
    every heart may have early beats, and that in fibrillation neither an early beat nor a missing P wave is ectopic.
    """
    early = labels.index("S") if "S" in labels else None
    beats = measure_beats(heart.x, heart.rpeaks, heart.fs)
    yield "whole", beat_features(beats), heart.label
    if len(heart.x) > 1:
        for lead in range(len(heart.x)):
            yield "one lead", beat_features(beats.leads(lead)), heart.label
    yield from _prevalence("prevalence", beats, heart.label, len(labels), 4, rng)
    if early is None:
        return
    for kind, make in (("fibrillation", with_fibrillation), ("premature", with_premature)):
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


def beat_rows(
    hearts: Sequence[Heart], labels: Sequence[str], *, seed: int, kinds: Mapping[str, Kind] = KINDS
) -> tuple[Table, NDArray[np.int64], NDArray[np.float64]]:
    """Return the table to learn from: features, classes and weights.

    A class counts as the fourth root of its beats, and within a class a subject as the tenth root of its own: neither
    the usual beat nor the subject with the most ectopic ones decides.
    """
    tables, classes, groups = [], [], []
    counts: dict[tuple[int, str], float] = {}
    held = np.sum([np.bincount(heart.label[heart.label >= 0], minlength=len(labels)) for heart in hearts], axis=0)
    learnt = np.flatnonzero(held >= RAREST).tolist()
    if len(learnt) < 2:
        got = ", ".join(f"{n} {name}" for name, n in zip(labels, held.tolist(), strict=True))
        raise TrainingError(f"training: got {got}, wanted two classes of {RAREST} beats or more: label more recordings")
    for heart in hearts:
        rng = np.random.default_rng([seed, *heart.subject.encode()])
        for kind, table, label in copies(heart, labels, rng, kinds):
            if (limits := kinds.get(kind)) is None:
                continue
            for c in learnt:
                rows = np.flatnonzero(label == c)
                if not len(rows):
                    continue
                most = limits.other if c else limits.usual
                kept = rng.choice(rows, most, replace=False) if len(rows) > most else rows
                each = len(rows) / len(kept) * limits.weight
                counts[c, heart.subject] = counts.get((c, heart.subject), 0) + each * len(kept)
                tables.append(table[kept])
                classes.append(np.full(len(kept), c))
                groups.append((c, heart.subject, each, len(kept)))
    total = {c: sum(n for (of, _), n in counts.items() if of == c) for c, _ in counts}
    spread = {c: sum(n**0.1 for (of, _), n in counts.items() if of == c) for c, _ in counts}
    weights = [
        np.full(n, each * counts[c, subject] ** -0.9 / spread[c] * total[c] ** 0.25) for c, subject, each, n in groups
    ]
    weight = np.concatenate(weights)
    return np.concatenate(tables), np.concatenate(classes), weight / weight.mean()


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
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        raise MissingExtraError("scikit-learn", "train") from None
    models = []
    for turn, seed in enumerate(seeds):
        learnt = {name: kind for name, kind in kinds.items() if turn % 2 == 0 or name not in EVERY_OTHER}
        table, classes, weight = beat_rows(hearts, labels, seed=seed, kinds=learnt)
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
        models.append(model.fit(table, classes, sample_weight=weight))
    return from_sklearn(models, len(labels))


def probabilities(raw: NDArray[Any]) -> NDArray[np.float64]:
    """Softmax of raw outputs, shape (n, classes)."""
    e = np.exp(raw.astype(np.float64) - raw.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
