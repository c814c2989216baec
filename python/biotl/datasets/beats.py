"""Reference beats: WFDB symbols to classes, detected R peaks to reference beats, and the score per class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.records import Annotations

AAMI = ("N", "S", "V", "F", "Q")
"""Class names of ANSI/AAMI EC57, in order of their index."""
BINARY = ("normal", "abnormal")
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""WFDB's symbols of beats (WFDB Applications Guide, "Annotation codes"); the rest are rhythm, noise, waves, notes."""
# EC57:2012 and, for the escape beats e, j, n that it calls S and everybody who scores MIT-BIH calls N, de Chazal et al.
# 2004 and Llamedo and Martinez 2011; r is a PVC on a T wave, B an unspecified block, ? a beat of the learning phase.
AAMI_CLASSES: dict[str, str] = {
    symbol: name
    for name, symbols in zip(AAMI, ("NLRBejn", "AaJS", "VEr", "F", "/fQ?"), strict=True)
    for symbol in symbols
}
"""AAMI class of each beat symbol of WFDB."""


@dataclass(frozen=True)
class Beats:
    """Reference beats of a recording.

    Parameters
    ----------
    sample : ndarray of int64, shape (n,)
        Sample index of each beat at the record's rate.
    label : ndarray of int64, shape (n,)
        Index of its class, -2 for a beat of a symbol that is in no class: it is there, and not scored.
    unscored : ndarray of int64, shape (m, 2)
        Half-open sample ranges of ventricular flutter, where no beat is marked and no detection is false.
    """

    sample: NDArray[np.int64]
    label: NDArray[np.int64]
    unscored: NDArray[np.int64]


def reference_beats(annotations: Annotations, classes: Mapping[str, str] = AAMI_CLASSES) -> Beats:
    """Keep the beats of an annotation file: rhythm, noise and flutter marks are not beats.

    Parameters
    ----------
    annotations : Annotations
        Such as ``record.annotations["atr"]``.
    classes : mapping of str to str
        Class of each symbol, of any number of classes, in the order of their indices; ANSI/AAMI EC57:2012 by default.
        A symbol in it is a beat, whatever WFDB calls it.

    Returns
    -------
    Beats
        Of the 112,647 marks of the MIT-BIH Arrhythmia Database 109,494 are beats.

    Examples
    --------
    >>> marks = Annotations(np.array([9, 40, 70]), np.array(["+", "N", "V"]), ("", "", ""), *[np.zeros(3, np.int8)] * 3)
    >>> reference_beats(marks).label
    array([0, 2])
    >>> reference_beats(marks, {"V": "ectopic"}).label
    array([-2,  0])
    """
    names = tuple(dict.fromkeys(classes.values()))
    index = {symbol: names.index(name) for symbol, name in classes.items()}
    label = np.array([index.get(s, -2 if s in BEATS else -1) for s in annotations.symbol.tolist()], np.int64)
    start = annotations.sample[annotations.symbol == "["]
    stop = annotations.sample[annotations.symbol == "]"]
    # a flutter that the recording ends in has no closing bracket
    ends = [next(iter(stop[stop > a]), np.iinfo(np.int64).max) for a in start]
    unscored = np.array(list(zip(start, ends, strict=True)), np.int64).reshape(-1, 2)
    return Beats(annotations.sample[label != -1].astype(np.int64), label[label != -1], unscored)


def binary(label: NDArray[Any]) -> NDArray[np.int64]:
    """Return 0 for AAMI class N, 1 for any other, and leave -1 (no beat) as it is."""
    return np.asarray(np.minimum(label, 1), np.int64)


def match(reference: NDArray[Any], detected: NDArray[Any], tolerance: int) -> NDArray[np.int64]:
    """Pair detected with reference beats one to one, the closest pairs first.

    Parameters
    ----------
    reference, detected : ndarray of int64, shape (n,) and (m,)
        Ascending sample indices at one rate.
    tolerance : int
        Largest distance of a pair in samples; EC57 takes 150 ms.

    Returns
    -------
    ndarray of int64, shape (m,)
        Index into ``reference`` of each detection, -1 where it has none.

    Examples
    --------
    >>> match(np.array([100, 400]), np.array([98, 103, 700]), 54)
    array([ 0, -1, -1])
    """
    low = np.searchsorted(reference, np.asarray(detected) - tolerance, side="left")
    high = np.searchsorted(reference, np.asarray(detected) + tolerance, side="right")
    pairs = sorted(
        (abs(int(reference[r]) - int(detected[d])), d, r)
        for d in range(len(detected))
        for r in range(int(low[d]), int(high[d]))
    )
    found = np.full(len(detected), -1, np.int64)
    taken: set[int] = set()
    for _, d, r in pairs:
        if found[d] < 0 and r not in taken:
            found[d] = r
            taken.add(r)
    return found


@dataclass(frozen=True)
class BeatLabels:
    """What the reference says of each detected beat.

    Parameters
    ----------
    label : ndarray of int64, shape (m,)
        Class of each detected beat; -1 for a false detection, -2 for one inside flutter or of no class (not scored).
    missed : ndarray of int64, shape (k,)
        Classes of the reference beats that no detection met.
    """

    label: NDArray[np.int64]
    missed: NDArray[np.int64]


def label_beats(reference: Beats, detected: NDArray[Any], fs: float, *, tolerance_s: float = 0.15) -> BeatLabels:
    """Give each detected beat the class of the reference beat it meets within ``tolerance_s``."""
    found = match(reference.sample, detected, round(tolerance_s * fs))
    label = np.where(found >= 0, np.append(reference.label, -1)[found], -1)
    for a, b in reference.unscored:
        label[(found < 0) & (detected >= a) & (detected < b)] = -2
    missed = np.delete(reference.label, found[found >= 0])
    return BeatLabels(label.astype(np.int64), missed[missed >= 0])


@dataclass(frozen=True)
class BeatScore:
    """Confusion of beats, and what is read from it.

    Parameters
    ----------
    labels : tuple of str
        Class names.
    confusion : ndarray of int64, shape (classes + 1, classes + 1)
        Reference by prediction; the last row counts false detections, the last column missed beats, which no score
        forgives.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]

    @property
    def sensitivity(self) -> NDArray[np.float64]:
        """Share of the reference beats of each class found as such, shape (classes,); 0 where there is none."""
        return self._share(self.confusion.sum(axis=1)[:-1])

    @property
    def ppv(self) -> NDArray[np.float64]:
        """Share of the predictions of each class that are right, shape (classes,); 0 where there is none."""
        return self._share(self.confusion.sum(axis=0)[:-1])

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of sensitivity and PPV, shape (classes,)."""
        return self._share((self.confusion.sum(axis=0) + self.confusion.sum(axis=1))[:-1] / 2)

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that the reference holds; 0 where it holds none."""
        held = self.confusion.sum(axis=1)[:-1] > 0
        return float(self.f1[held].sum() / max(held.sum(), 1))

    @property
    def accuracy(self) -> float:
        """Share of the reference beats that are found as what they are."""
        return float(np.trace(self.confusion[:-1, :-1]) / max(self.confusion[:-1].sum(), 1))

    def _share(self, of: NDArray[Any]) -> NDArray[np.float64]:
        right = np.diag(self.confusion)[:-1]
        return np.asarray(np.divide(right, of, out=np.zeros(len(right)), where=of > 0))

    def table(self) -> list[dict[str, float | str]]:
        """Return one row a class: beats, sensitivity, PPV and F1 in per cent."""
        counts = self.confusion.sum(axis=1)[:-1]
        return [
            {"class": name, "beats": int(n), "Se": 100 * se, "PPV": 100 * ppv, "F1": 100 * f1}
            for name, n, se, ppv, f1 in zip(self.labels, counts, self.sensitivity, self.ppv, self.f1, strict=True)
        ]


def score(
    label: NDArray[Any], predicted: NDArray[Any], missed: NDArray[Any], labels: tuple[str, ...] = AAMI
) -> BeatScore:
    """Count beats by class.

    Parameters
    ----------
    label : ndarray of int64, shape (n,)
        Reference class of each detected beat; -1 a false detection, -2 not scored.
    predicted : ndarray of int64, shape (n,)
        Predicted class of each detected beat.
    missed : ndarray of int64, shape (k,)
        Reference classes of the beats that were not detected.
    labels : tuple of str
        Class names.

    Examples
    --------
    >>> result = score(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]), np.array([1]), BINARY)
    >>> result.sensitivity, result.ppv
    (array([0.5, 0.5]), array([0.5, 0.5]))
    """
    n = len(labels)
    confusion = np.zeros((n + 1, n + 1), np.int64)
    kept = label > -2
    # -1 indexes the last row: a detection that no reference beat answers for
    np.add.at(confusion, (label[kept], predicted[kept]), 1)
    np.add.at(confusion[:, n], missed, 1)
    return BeatScore(labels, confusion)
