"""Classes: confusion with missed and false units, and what is read from it; here is the one macro-F1 of the package."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.scoring.answers import Answered
from biotl.scoring.figure import Figure

Array = NDArray[Any]


def confusion(truth: Array, predicted: Array, missed: Array, classes: int) -> NDArray[np.int64]:
    """Count reference by answer.

    Parameters
    ----------
    truth : ndarray of int64, shape (n,)
        Class of each unit; -1 where the reference has nothing, -2 (or less) not scored.
    predicted : ndarray of int64, shape (n,)
        Answered class; -1 an abstention.
    missed : ndarray of int64, shape (k,)
        Classes of the units of the reference that got no answer; negative ones are not scored.
    classes : int
        How many there are.

    Returns
    -------
    ndarray of int64, shape (classes + 1, classes + 1)
        The last row counts false detections, the last column missed units and abstentions.

    Examples
    --------
    >>> confusion(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]), np.array([1]), 2)
    array([[1, 1, 0],
           [0, 1, 1],
           [1, 0, 0]])
    """
    kept, missed = truth >= -1, missed[missed >= 0]
    # -1 stands for "nothing" on both sides: the last row, the last column
    pairs = (truth[kept] % (classes + 1)) * (classes + 1) + predicted[kept] % (classes + 1)
    counts = np.bincount(pairs, minlength=(classes + 1) ** 2).reshape(classes + 1, classes + 1)
    counts[:classes, classes] += np.bincount(missed, minlength=classes)
    return counts.astype(np.int64, copy=False)


def ratio(part: Any, whole: Any) -> Any:
    """Divide, NaN where there is nothing to divide by."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)[()]


def mean_defined(values: Array) -> Any:
    """Return the mean along the last axis over the values that are defined; NaN if none is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))


@dataclass(frozen=True)
class ClassScore:
    """What is read from a confusion, or from a stack of them.

    A figure that is not defined is NaN: sensitivity of a class that the reference lacks, PPV of one never answered,
    F1 where it is neither.

    Parameters
    ----------
    labels : tuple of str
        Class names.
    confusion : ndarray, shape (..., classes + 1, classes + 1)
        See `confusion`. Missed and false units are forgiven by no score.

    Examples
    --------
    >>> score = ClassScore(("N", "V"), confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1]), 2))
    >>> score.sensitivity, score.ppv, float(score.macro_f1)
    (array([0.5, 0.5]), array([1. , 0.5]), 0.5833333333333333)
    """

    labels: tuple[str, ...]
    confusion: Array

    @property
    def right(self) -> Any:
        """Units of each class answered as such, shape (..., classes)."""
        return np.diagonal(self.confusion, axis1=-2, axis2=-1)[..., :-1]

    @property
    def held(self) -> Any:
        """Units of each class in the reference, shape (..., classes)."""
        return self.confusion.sum(-1)[..., :-1]

    @property
    def answered(self) -> Any:
        """Units answered as each class, shape (..., classes)."""
        return self.confusion.sum(-2)[..., :-1]

    @property
    def false_alarms(self) -> Any:
        """Units wrongly answered as each class, those where the reference has nothing included."""
        return self.answered - self.right

    @property
    def sensitivity(self) -> Any:
        """Share of each class that is found as such."""
        return ratio(self.right, self.held)

    @property
    def specificity(self) -> Any:
        """Share of what is not of a class that is not answered as it."""
        other = self._all - self.held
        return ratio(other - self.false_alarms, other)

    @property
    def ppv(self) -> Any:
        """Share of the answers of each class that are right."""
        return ratio(self.right, self.answered)

    @property
    def f1(self) -> Any:
        """Harmonic mean of sensitivity and PPV."""
        return ratio(2 * self.right, self.held + self.answered)

    @property
    def class_mcc(self) -> Any:
        """Matthews correlation of each class against the rest; 0 where it is not defined, as scikit-learn has it."""
        held, answered, whole = (np.asarray(of, np.float64) for of in (self.held, self.answered, self._all))
        spread = np.sqrt(held * (whole - held) * answered * (whole - answered))
        return np.nan_to_num(ratio(self.right * whole - held * answered, spread))

    @property
    def macro_f1(self) -> Any:
        """Mean F1 over the classes that the reference holds; NaN where it holds none.

        An answer of a class that the reference lacks costs the class that it should have been; `false_alarms` counts
        it, and no mean over classes does. This is the macro-F1 by which stages and thresholds are chosen and which
        reports print.
        """
        return mean_defined(np.where(self.held > 0, self.f1, np.nan))

    @property
    def micro_f1(self) -> Any:
        """F1 of all classes together: the accuracy, where nothing is missed and nothing false."""
        return ratio(2 * self.right.sum(-1), self.held.sum(-1) + self.answered.sum(-1))

    @property
    def accuracy(self) -> Any:
        """Share of the units of the reference that are found as what they are."""
        return ratio(self.right.sum(-1), self.held.sum(-1))

    @property
    def balanced_accuracy(self) -> Any:
        """Mean sensitivity over the classes that the reference holds."""
        return mean_defined(self.sensitivity)

    @property
    def g_mean(self) -> Any:
        """Geometric mean of the sensitivities of the classes that the reference holds."""
        held = self.held > 0
        return ratio(np.where(held, self.sensitivity, 1.0).prod(-1) ** ratio(1, held.sum(-1)), held.any(-1))

    @property
    def mcc(self) -> Any:
        """Matthews correlation of all classes together (Gorodkin 2004); missed and false units are a class apart."""
        t, p = (self.confusion.sum(axis).astype(np.float64) for axis in (-1, -2))
        whole = t.sum(-1)
        hits = np.trace(self.confusion, axis1=-2, axis2=-1)
        spread = np.sqrt((whole**2 - (p**2).sum(-1)) * (whole**2 - (t**2).sum(-1)))
        return np.nan_to_num(ratio(hits * whole - (t * p).sum(-1), spread))[()]

    def unheld(self) -> list[str]:
        """Say of one confusion what macro-F1 is over, and which classes it leaves out though they were answered."""
        rows = list(zip(self.labels, self.held, self.false_alarms, strict=True))
        absent = [label for label, held, _ in rows if not held]
        wrongly = [f"{int(n):,} as {label}" for label, held, n in rows if n and not held]
        lines = ["Macro-F1 is the mean over the classes that the reference holds."]
        if absent:
            lines.append(f"It holds no {', no '.join(absent)}: how well such are found is not known.")
        if wrongly:
            lines.append(f"False alarms of classes that the reference does not hold, in no mean: {', '.join(wrongly)}.")
        return lines

    def table(self) -> list[dict[str, Any]]:
        """Return one row a class of one confusion: units held and wrongly answered, Se, PPV and F1 in per cent."""
        columns = (self.held, 100 * self.sensitivity, 100 * self.ppv, 100 * self.f1, self.false_alarms)
        return [
            {"class": name, "units": int(n), "Se": float(se), "PPV": float(ppv), "F1": float(f1), "false": int(false)}
            for name, n, se, ppv, f1, false in zip(self.labels, *columns, strict=True)
        ]

    @property
    def _all(self) -> Any:
        return self.confusion.sum((-1, -2))[..., None]


def score(truth: Array, predicted: Array, missed: Array, labels: Sequence[str]) -> ClassScore:
    """Count one set of answers, see `confusion`.

    Examples
    --------
    >>> score(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([], int), ("N", "V")).accuracy
    np.float64(0.6666666666666666)
    """
    return ClassScore(tuple(labels), confusion(truth, predicted, missed, len(labels)))


@dataclass(frozen=True)
class ClassCounts:
    """Figures of decided classes, from counts that add up over recordings.

    Parameters
    ----------
    labels : tuple of str
        Class names.
    """

    labels: tuple[str, ...]

    @property
    def legend(self) -> dict[str, Figure]:
        """Return what each figure is called and counted in."""
        names = ("macro-F1", "accuracy", "balanced accuracy", "G-mean", "micro-F1")
        keys = ("macro_f1", "accuracy", "balanced_accuracy", "g_mean", "micro_f1")
        whole = {key: Figure(name, "%") for key, name in zip(keys, names, strict=True)}
        each = {
            "se": Figure("sensitivity of", "%"),
            "sp": Figure("specificity of", "%"),
            "ppv": Figure("PPV of", "%"),
            "f1": Figure("F1 of", "%"),
            "mcc": Figure("Matthews correlation of"),
            "false_alarms": Figure("false alarms of", "per hour", "lower"),
        }
        named = {
            f"{key}.{label}": Figure(f"{of.name} {label}", of.unit, of.better)
            for key, of in each.items()
            for label in self.labels
        }
        return {**whole, "mcc": Figure("Matthews correlation"), **named}

    def sums(self, of: Answered, model: str) -> Array:
        """Return the confusion of one recording, flat, and its hours."""
        counts = confusion(of.truth, of.answers[model], of.missed, len(self.labels))
        return np.append(counts.ravel().astype(np.float64), of.hours)

    def figures(self, sums: Array) -> dict[str, Array]:
        """Read the figures of sums, shape (..., (classes + 1)^2 + 1)."""
        s = self.score(sums)
        whole = [100 * of for of in (s.macro_f1, s.accuracy, s.balanced_accuracy, s.g_mean, s.micro_f1)]
        each = [100 * of for of in (s.sensitivity, s.specificity, s.ppv, s.f1)]
        each += [s.class_mcc, ratio(s.false_alarms, sums[..., -1:])]
        named = [column[..., k] for column in each for k in range(len(self.labels))]
        return dict(zip(self.legend, [*whole, s.mcc, *named], strict=True))

    def score(self, sums: Array) -> ClassScore:
        """Return the confusion that sums hold, as a score."""
        side = len(self.labels) + 1
        return ClassScore(self.labels, sums[..., :-1].reshape(*sums.shape[:-1], side, side))
