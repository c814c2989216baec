"""Samples of several stores as one data set, in which neither the usual class nor one person decides."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.labels import NOT_SCORED
from biotl.datasets.samples import Samples
from biotl.datasets.transforms import IGNORED

CLASS_POWER, SUBJECT_POWER = 0.25, 0.1
"""A class counts as the fourth root of its labels, and within it a subject as the tenth root of its own: chosen for the
boosted trees (`biotl.training.boosting.joined`), in leave-patients-out folds of DS1."""
FALSE = -1
"""Label of a beat that the detector made up."""
RAREST = 20
"""Labels of a class below which it is not learnt, and never answered by trees: DS1 holds 8 beats that are Q."""


class Joined:
    """Samples one after another; with ``classes`` each label of beats has a weight in ``weight``, float32.

    A beat that the detector made up is then learnt as the usual one, class 0: it has to be called something.

    Parameters
    ----------
    of : sequence of Samples
        Of one preprocessor and target.
    classes : int
        How many there are; 0 leaves samples as they are.
    """

    def __init__(self, of: Sequence[Samples], classes: int = 0) -> None:
        self.of, self.classes = tuple(of), classes
        self._ends = np.cumsum([len(one) for one in self.of])
        self._weights = weights(self.of, classes) if classes else {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Joined, (self.of, self.classes)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _place(self, index: int) -> tuple[Samples, int]:
        k = int(np.searchsorted(self._ends, index, side="right"))
        return self.of[k], index - int(self._ends[k]) + len(self.of[k])

    def _weighed(self, sample: dict[str, NDArray[Any]], samples: Samples, i: int) -> dict[str, NDArray[Any]]:
        if not self.classes:
            return sample
        id_, unit = samples.where(i)[0], sample["unit"]
        label = np.append(samples.store.targets(id_)["labels"], NOT_SCORED)[unit]
        label = np.where(label == FALSE, 0, label)
        weight = self._weights[samples.store.subjects[id_]]
        sample["labels"] = np.where(label < 0, IGNORED, label)
        sample["weight"] = np.where(label < 0, 0, weight[label]).astype(np.float32)
        return sample

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        """Return a sample; see `Samples`."""
        samples, i = self._place(index)
        return self._weighed(samples[i], samples, i)

    def draw(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Return a sample changed by every transform."""
        samples, i = self._place(index)
        return self._weighed(samples.draw(i, rng), samples, i)

    @property
    def subjects(self) -> list[str]:
        """Who each sample is of."""
        return [subject for one in self.of for subject in one.subjects]

    @property
    def labels(self) -> list[NDArray[np.int64]] | None:
        """Classes of the units of each recording."""
        return [label for one in self.of for label in one.labels or ()] or None

    @property
    def fitted_on(self) -> tuple[str, ...]:
        """The subjects that the preprocessor was fitted on."""
        return tuple(dict.fromkeys(subject for one in self.of for subject in one.fitted_on))

    @property
    def digest(self) -> str:
        """The sha256 of everything that samples are cut from."""
        return hashlib.sha256("".join(one.digest for one in self.of).encode()).hexdigest()


def weights(of: Sequence[Samples], classes: int) -> dict[str, NDArray[np.float64]]:
    """Return by subject the weight of each class, shape (classes,), 1 on average over the labels."""
    counts: dict[str, NDArray[Any]] = {}
    for samples in of:
        for part, label in zip(samples.parts, samples.labels or (), strict=True):
            subject = samples.store.subjects[part.id]
            usual = np.where(label == FALSE, 0, label)
            held = np.bincount(usual[usual >= 0], minlength=classes)
            counts[subject] = counts.get(subject, np.zeros(classes)) + held
    table = np.stack(list(counts.values()))
    total = table.sum(axis=0)
    each = np.where(table > 0, np.maximum(table, 1) ** (SUBJECT_POWER - 1), 0)
    spread = (each * table).sum(axis=0)
    weight = each * np.divide(total**CLASS_POWER, spread, out=np.zeros(classes), where=total >= RAREST)
    return dict(zip(counts, weight * (total.sum() / (weight * table).sum()), strict=True))
