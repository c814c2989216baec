"""Reference beats: WFDB symbols to classes, and detected R peaks to reference beats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.records import Annotations

AAMI = ("N", "S", "V", "F", "Q")
"""Class names of ANSI/AAMI EC57, in order of their index."""
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
CLASSES: dict[str, dict[str, str]] = {
    "aami": AAMI_CLASSES,
    "ec57": AAMI_CLASSES | dict.fromkeys("ejn", "S"),
    "binary": {symbol: "normal" if name == "N" else "abnormal" for symbol, name in AAMI_CLASSES.items()},
}
"""Maps by name: AAMI's as the literature has them; with the escape beats e, j, n as S, as EC57 and WFDB's ``bxb`` do;
normal against abnormal."""


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
