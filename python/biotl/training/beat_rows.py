"""What a recording teaches boosted trees: tables of its beats and of its copies, few of each kind."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from biotl.datasets.joined import FALSE

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
