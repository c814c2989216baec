"""What a trainer reads: prepared recordings cut into samples, with their targets, changed by seeded transforms."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.preprocessor import Prepared, Preprocessor
from biotl.datasets.splits import Part, Split
from biotl.datasets.store import Store
from biotl.datasets.transforms import IGNORED, Transform
from biotl.errors import ConfigError

_KEPT = 32  # recordings; of an hour of ECG the tokens are 0.2 MB


class Samples:
    """The samples of some recordings of a store.

    A sample is what `Preprocessor.inputs` gives, with the targets of its units: ``labels`` int64, -100 where nothing is
    scored, or ``target`` float32 and ``mask`` bool. Of a recording that takes part with a stretch only, the samples
    that read nothing beyond it are taken. Samples pickle small: the folder of the store, and what to take from it.

    Parameters
    ----------
    store : Store
        Prepared recordings.
    preprocessor : Preprocessor
        Fitted; of the spec of the store.
    parts : sequence of Part
        Which recordings, in this order; those that the store refused are left out.
    transforms : sequence of Transform
        Applied in order when a sample is drawn.

    Raises
    ------
    ConfigError
        If store and preprocessor are of different specs.
    """

    def __init__(
        self, store: Store, preprocessor: Preprocessor, parts: Sequence[Part], *, transforms: Sequence[Transform] = ()
    ) -> None:
        store.spec.compare(preprocessor.spec, got="store", wanted="preprocessor")
        self.store, self.preprocessor, self.transforms = store, preprocessor, tuple(transforms)
        self.parts = tuple(part for part in parts if part.id in store)
        self._chosen = [self._cuts_of(part) for part in self.parts]
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._ends = np.cumsum([len(chosen) for chosen in self._chosen])

    def _cuts_of(self, part: Part) -> Sequence[int]:
        if (part.start, part.stop) == (0.0, 1.0):
            return range(self.store.cuts(part.id))
        prepared = self.store[part.id]
        low, high = part.start * prepared.samples, part.stop * prepared.samples
        spans = [self.preprocessor.reads(prepared, cut) for cut in self.preprocessor.cuts(prepared)]
        return [i for i, (start, stop) in enumerate(spans) if low <= start and stop <= high]

    def _complete(self, id_: str) -> Prepared:
        """Return a recording as `inputs` likes it best; the last few are kept, so that memory stays flat."""
        if id_ not in self._kept:
            self._kept[id_] = self.preprocessor.complete(self.store[id_])
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[id_]

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.store, self.preprocessor, self.parts, self.transforms)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        """Return a sample, changed by the transforms that are always there, with random numbers of the index alone."""
        rng = np.random.default_rng(index)
        sample = self._plain(index)
        for transform in self.transforms:
            sample = transform(sample, rng) if transform.always else sample
        return sample

    def draw(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Return a sample changed by every transform."""
        sample = self._plain(index)
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample

    def collate(self, samples: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """Stack samples; of sequences without the steps that are padding in all of them."""
        return stack(samples)

    def where(self, index: int) -> tuple[str, int]:
        """Return the recording of a sample, and the index of its cut."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        r = int(np.searchsorted(self._ends, index, side="right"))
        return self.parts[r].id, self._chosen[r][index - int(self._ends[r]) + len(self._chosen[r])]

    def metadata(self, index: int) -> dict[str, Any]:
        """Return what is known of a sample beside its arrays.

        Returns
        -------
        dict of str to Any
            ``subject``, ``recording``, ``start_s``; of windows ``quality`` and ``confidence``, where gates and target
            give them.
        """
        id_, k = self.where(index)
        prepared = self.store[id_]
        start = self.preprocessor.reads(prepared, self.preprocessor.cuts(prepared)[k])[0] / prepared.fs
        every = {**prepared.arrays, **self.store.targets(id_)}
        known: dict[str, Any] = {"subject": self.store.subjects[id_], "recording": id_, "start_s": start}
        return known | {name: float(every[name][k]) for name in ("quality", "confidence") if name in every}

    def _plain(self, index: int) -> dict[str, NDArray[Any]]:
        id_, k = self.where(index)
        prepared = self._complete(id_)
        sample = self.preprocessor.inputs(prepared, self.preprocessor.cuts(prepared)[k])
        return {**sample, **spread(sample["unit"], self.store.targets(id_))}

    @cached_property
    def subjects(self) -> list[str]:
        """Who each sample is of."""
        return [
            self.store.subjects[part.id]
            for part, of in zip(self.parts, self._chosen, strict=True)
            for _ in range(len(of))
        ]

    @property
    def labels(self) -> list[NDArray[np.int64]] | None:
        """Classes of the units of each recording; nothing where the target is no class."""
        if not self.parts or "labels" not in self.store.targets(self.parts[0].id):
            return None
        return [self.store.targets(part.id)["labels"] for part in self.parts]

    @property
    def fitted_on(self) -> tuple[str, ...]:
        """The subjects that the preprocessor was fitted on."""
        subjects = self.store.subjects
        return tuple(dict.fromkeys(subjects[name] for name in self.preprocessor.fitted_on if name in subjects))

    @cached_property
    def digest(self) -> str:
        """The sha256 of everything that samples are cut from."""
        held = [[part.id, part.start, part.stop, self.store.content(part.id)] for part in self.parts]
        tree = [self.preprocessor.spec.digest(), self.preprocessor.state, self.store.target, held]
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


class Some:
    """A few of the samples of a data set, drawn by a seed: to try a run in minutes."""

    def __init__(self, samples: Samples, most: int, *, seed: int) -> None:
        self.samples, self.most, self.seed = samples, most, seed
        n = len(samples)
        self.index = np.sort(np.random.default_rng(seed).permutation(n)[:most])
        self.subjects = [samples.subjects[i] for i in self.index.tolist()]
        self.fitted_on, self.digest = samples.fitted_on, samples.digest

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Some, seed=self.seed), (self.samples, self.most)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        """Return a sample; see `Samples`."""
        return self.samples[int(self.index[index])]

    def draw(self, index: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Return a sample changed by every transform."""
        return self.samples.draw(int(self.index[index]), rng)

    def collate(self, samples: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """Stack samples; see `stack`."""
        return stack(samples)


def _open(store: Store, preprocessor: Preprocessor, parts: Sequence[Part], transforms: Sequence[Transform]) -> Samples:
    return Samples(store, preprocessor, parts, transforms=transforms)


def fit(store: Store, preprocessor: Preprocessor, parts: Sequence[Part], *, seed: int) -> Preprocessor:
    """Fit a preprocessor on training recordings, and of those that take part with a stretch on that stretch alone."""
    held = [part for part in parts if part.id in store]

    def seen(part: Part) -> Prepared:
        prepared = store[part.id]
        if (part.start, part.stop) == (0.0, 1.0):
            return prepared
        return preprocessor.stretch(prepared, round(part.start * prepared.samples), round(part.stop * prepared.samples))

    return preprocessor.fit((seen(part) for part in held), names=[part.id for part in held], seed=seed)


def split_samples(
    store: Store, preprocessor: Preprocessor, split: Split, *, transforms: Sequence[Transform] = ()
) -> dict[str, Samples]:
    """Return the samples of train, validation and test; the latter two with those transforms that are always there.

    Raises
    ------
    ConfigError
        If one recording is in two splits under two ids, by its contents.
    """
    first: dict[str, tuple[str, str]] = {}
    for which, parts in split.parts.items():
        for part in parts:
            if part.id in store and store.cuts(part.id):
                before, other = first.setdefault(store.content(part.id), (which, part.id))
                if before != which and other != part.id:
                    raise ConfigError(
                        f"split: {other} in {before} and {part.id} in {which} hold the same signal; keep one, or "
                        "both in one split"
                    )
    always = [transform for transform in transforms if transform.always]
    return {
        which: Samples(store, preprocessor, parts, transforms=transforms if which == "train" else always)
        for which, parts in split.parts.items()
    }


def stack(samples: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Stack samples field by field; sequences, which have ``valid``, as long as the longest of them.

    Examples
    --------
    >>> one = {"valid": np.array([True, False, False]), "unit": np.array([4, -1, -1]), "user": np.array(1)}
    >>> two = {"valid": np.array([True, True, False]), "unit": np.array([5, 6, -1]), "user": np.array(2)}
    >>> {name: of.tolist() for name, of in stack([one, two]).items()}
    {'valid': [[True, False], [True, True]], 'unit': [[4, -1], [5, 6]], 'user': [1, 2]}
    """
    fields = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    if "valid" not in fields:
        return fields
    longest = int(fields["valid"].sum(1).max())
    return {name: of[:, :longest] if of.ndim > 1 else of for name, of in fields.items()}


def spread(unit: NDArray[np.int64], targets: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Lay what is known of each unit out over the positions that answer it.

    Examples
    --------
    >>> spread(np.array([-1, 1, 0]), {"labels": np.array([3, -2])})
    {'labels': array([-100, -100,    3])}
    """
    if "labels" in targets:
        label = np.append(targets["labels"], IGNORED)[unit]
        return {"labels": np.where(label < 0, IGNORED, label)}
    if "target" in targets:
        target, mask = np.append(targets["target"], np.float32(0))[unit], np.append(targets["mask"], False)[unit]
        return {"target": np.asarray(target), "mask": np.asarray(mask)}
    return {}
