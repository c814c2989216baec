"""Who is learnt from and who is judged: a split as data, and the check that nobody is in two of its parts."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from biotl.config import Section
from biotl.datasets.de_chazal import NOTES, de_chazal
from biotl.datasets.manifest import Entry
from biotl.errors import ConfigError, RecordError

SPLITS = ("train", "validation", "test")
NEVER_SEEN = "subjects never seen"
LATER = "later recordings of the same subjects"
UNKNOWN_PEOPLE = "recordings never seen; who was recorded is not known"


def check_leakage(lists: Mapping[str, Sequence[str]], subjects: Mapping[str, str]) -> None:
    """Refuse a split that holds one subject in two of its parts.

    Parameters
    ----------
    lists : mapping of str to sequence of str
        Record names by split: train, validation, test.
    subjects : mapping of str to str
        Subject of each record.

    Raises
    ------
    ConfigError
        Naming the subject, its records and their splits.

    Examples
    --------
    >>> check_leakage({"train": ["201"], "test": ["202"]}, {"201": "201", "202": "201"})
    Traceback (most recent call last):
    biotl.errors.ConfigError: split: subject 201 is in train (201) and in test (202); keep each subject in one split
    """
    seen: dict[str, tuple[str, str]] = {}
    for which, records in lists.items():
        for record in records:
            before, first = seen.setdefault(subjects[record], (which, record))
            if before != which:
                raise ConfigError(
                    f"split: subject {subjects[record]} is in {before} ({first}) and in {which} ({record}); "
                    "keep each subject in one split"
                )


def folds(records: Sequence[str], n: int, *, seed: int) -> list[tuple[str, ...]]:
    """Deal records into ``n`` groups of nearly one size, in an order drawn from ``seed``."""
    order = np.random.default_rng(seed).permutation(len(records))
    return [tuple(records[i] for i in sorted(order[k::n])) for k in range(n)]


@dataclass(frozen=True)
class Part:
    """A recording, or the stretch of it from ``start`` to ``stop``, in shares of its duration."""

    id: str
    start: float = 0.0
    stop: float = 1.0


class SplitConfig(Section):
    """How recordings are dealt to train, validation and test.

    Parameters
    ----------
    by : str
        ``subject``: subjects are drawn; ``time``: of each subject the earlier recordings are learnt from and the later
        ones judged; ``de_chazal``: the published split of the MIT-BIH Arrhythmia Database; ``fasttrack``: of 70
        subjects that are drawn 50 are learnt from (8 of them chosen by) and 20 judged; otherwise the column of the
        manifest that says train, validation or test.
    shares : tuple of 3 float
        Of subjects or of time, for train, validation and test.
    folds : int, optional
        With ``subject``: cross-validation with so many groups of subjects; group ``fold`` is the test, the next one the
        validation.
    fold : int
        Which.
    validation : tuple of str
        Subjects (``de_chazal``: records) to choose by, instead of drawing them.
    """

    by: str = "split"
    shares: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (
        0.7,
        0.15,
        0.15,
    )
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: Annotated[int, Field(ge=0)] = 0
    validation: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _shares_and_folds_fit(self) -> "SplitConfig":
        if abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares: got a sum of {sum(self.shares):g}, wanted 1")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold: got {self.fold}, wanted less than the {self.folds} folds")
        if self.folds is not None and self.by != "subject":
            raise ValueError(
                f"folds: got {self.folds} with by: {self.by}, wanted by: subject, whose subjects they group"
            )
        if self.validation and self.by not in ("subject", "fasttrack", "de_chazal"):
            raise ValueError(f"validation: got subjects with by: {self.by}, wanted by: subject or de_chazal")
        return self

    @property
    def column(self) -> str:
        """The column of a manifest that says train, validation or test."""
        return "split" if self.by in _MAKERS else self.by


@dataclass(frozen=True)
class Split:
    """Who is in which split, and what may be claimed of figures on it.

    Parameters
    ----------
    parts : mapping of str to tuple of Part
        ``train``, ``validation`` and ``test``.
    subjects : mapping of str to str
        Subject of each recording.
    how : str
        How it was made, in a sentence.
    claim : str
        What the test recordings are to the model: reports print it and nothing of their own.
    notes : tuple of str
        What a reader has to know beside.
    """

    parts: Mapping[str, tuple[Part, ...]]
    subjects: Mapping[str, str]
    how: str
    claim: str
    notes: tuple[str, ...] = ()

    def ids(self, which: str) -> tuple[str, ...]:
        """Return the recordings of one of them."""
        return tuple(part.id for part in self.parts[which])

    @property
    def digest(self) -> str:
        """The sha256 of its contents."""
        return hashlib.sha256(json.dumps(self._tree(), sort_keys=True).encode()).hexdigest()

    def _tree(self) -> dict[str, Any]:
        lists = {which: [[p.id, p.start, p.stop] for p in self.parts[which]] for which in SPLITS}
        about = {"how": self.how, "claim": self.claim, "notes": list(self.notes)}
        return {"format": "biotl.split/1", "parts": lists, "subjects": dict(self.subjects), **about}

    def to_json(self) -> str:
        """Return it as text, with the sha256 of its contents."""
        return json.dumps({**self._tree(), "sha256": self.digest}, indent=1)

    @classmethod
    def from_json(cls, text: str, source: str = "split.json") -> "Split":
        """Read what `to_json` wrote.

        Raises
        ------
        RecordError
            If it is no split, or its contents do not give its sha256.
        """
        try:
            tree = json.loads(text)
            lists = {which: tuple(Part(*part) for part in tree["parts"][which]) for which in SPLITS}
            split = cls(lists, tree["subjects"], tree["how"], tree["claim"], tuple(tree["notes"]))
            stated = tree["sha256"]
        except (ValueError, TypeError, KeyError) as error:
            got = f"{type(error).__name__}: {error}"
            raise RecordError(source, "split", got, "what `biotl split` writes") from None
        if split.digest != stated:
            raise RecordError(source, "sha256", split.digest, str(stated), "the file was changed; make the split again")
        return split


def make_split(entries: Sequence[Entry], config: SplitConfig, *, seed: int) -> Split:
    """Deal recordings to train, validation and test.

    Parameters
    ----------
    entries : sequence of Entry
        The recordings.
    config : SplitConfig
        How.
    seed : int
        Of what is drawn.

    Returns
    -------
    Split
        Each split in the order of ``entries``.

    Raises
    ------
    ConfigError
        If a subject would be in two splits, a split that is asked for stays empty, or the recordings are not those that
        a published split is made of.

    Examples
    --------
    >>> people = [Entry(str(k), (), f"p{k // 2}") for k in range(20)]
    >>> split = make_split(people, SplitConfig(by="subject"), seed=0)
    >>> [len(split.parts[which]) for which in SPLITS], split.claim
    ([12, 4, 4], 'subjects never seen')
    """
    known = all(entry.subject for entry in entries)
    # who is not known is taken for somebody else, and the claim says so
    entries = [entry if entry.subject else replace(entry, subject=f"unknown of {entry.id}") for entry in entries]
    subjects = {entry.id: entry.subject for entry in entries}
    lists, how, notes = _MAKERS.get(config.by, _by_column)(entries, config, seed)
    parts = {which: tuple(_part(item) for item in lists[which]) for which in SPLITS}
    used = {part.id for of in parts.values() for part in of}
    if config.by == "time":
        return Split(parts, {k: s for k, s in subjects.items() if k in used}, how, LATER, notes)
    check_leakage({which: [part.id for part in of] for which, of in parts.items()}, subjects)
    claim = NEVER_SEEN if known else UNKNOWN_PEOPLE
    return Split(parts, {k: s for k, s in subjects.items() if k in used}, how, claim, notes)


_Made = tuple[Mapping[str, Sequence[Any]], str, tuple[str, ...]]


def _part(item: str | Part) -> Part:
    return item if isinstance(item, Part) else Part(item)


def _by_column(entries: Sequence[Entry], config: SplitConfig, _seed: int) -> _Made:
    lists = {which: [entry.id for entry in entries if entry.split == which] for which in SPLITS}
    # pretraining needs no test: what a command needs it asks for itself
    if not lists["train"] or not (lists["validation"] or lists["test"]):
        which = "validation and no test" if lists["train"] else "train"
        raise ConfigError(
            f"data.split.by: the column {config.by!r} holds no {which}, wanted train, validation and test; "
            "data.split.by=subject draws them"
        )
    return lists, f"by the column {config.by!r} of the manifest", ()


def _by_subject(entries: Sequence[Entry], config: SplitConfig, seed: int) -> _Made:
    people = list(dict.fromkeys(entry.subject for entry in entries))
    if strange := [name for name in config.validation if name not in people]:
        raise ConfigError(f"data.split.validation: got {', '.join(strange)}, wanted subjects of the recordings")
    free = [name for name in people if name not in config.validation]
    if config.folds is not None:
        if len(free) < config.folds:
            raise ConfigError(f"data.split.folds: got {config.folds}, wanted at most the {len(free)} subjects")
        groups = folds(free, config.folds, seed=seed)
        chosen = {"test": groups[config.fold]}
        if not config.validation and config.folds > 2:
            chosen["validation"] = groups[(config.fold + 1) % config.folds]
        how = f"group {config.fold + 1} of {config.folds} groups of subjects drawn with seed {seed}"
    else:
        order = [free[i] for i in np.random.default_rng(seed).permutation(len(free))]
        train, validation, test = config.shares
        shares = (train + validation, 0.0, test) if config.validation else config.shares
        stop = _counts(len(order), shares)
        chosen = {"validation": tuple(order[stop[0] : stop[1]]), "test": tuple(order[stop[1] :])}
        how = "subjects drawn with seed {} for {:.0%} train, {:.0%} validation, {:.0%} test".format(
            seed, *config.shares
        )
    chosen["validation"] = (*chosen.get("validation", ()), *config.validation)
    split_of = {name: which for which, names in chosen.items() for name in names}
    lists = {which: [e.id for e in entries if split_of.get(e.subject, "train") == which] for which in SPLITS}
    _refuse_empty(lists, config, f"{len(people)} subjects")
    return lists, how, ()


def _fasttrack(entries: Sequence[Entry], config: SplitConfig, seed: int) -> _Made:
    """Draw 70 subjects; the documented fast track leaves none to choose by and then asks for them: here 8 of the 50."""
    people = list(dict.fromkeys(entry.subject for entry in entries))
    drawn = {people[i] for i in np.random.default_rng(seed).permutation(len(people))[:70]}
    shares = config.model_copy(update={"by": "subject", "shares": (42 / 70, 8 / 70, 20 / 70)})
    lists, how, notes = _by_subject([entry for entry in entries if entry.subject in drawn], shares, seed)
    return lists, f"{len(drawn)} of {len(people)} subjects, {how.removeprefix('subjects ')}", notes


def _counts(n: int, shares: Sequence[float]) -> tuple[int, int]:
    """Where train and validation end among ``n``; each with a share gets one at the least, if there are enough."""
    wanted = [0 if share == 0 else max(1, round(share * n)) for share in shares[1:]]
    train = max(n - sum(wanted), min(n, 1))
    return train, min(n, train + wanted[0])


def _by_time(entries: Sequence[Entry], config: SplitConfig, _seed: int) -> _Made:
    lists: dict[str, list[Part]] = {which: [] for which in SPLITS}
    whole = 0
    for subject in dict.fromkeys(entry.subject for entry in entries):
        own = sorted((e for e in entries if e.subject == subject), key=lambda e: (e.when, e.id))
        if len(own) > 1 and not all(entry.when for entry in own):
            raise ConfigError(
                f"data.split.by: time needs a column 'time' for {subject}, who has {len(own)} recordings, and "
                f"{next(e.id for e in own if not e.when)} has none"
            )
        if len(own) >= 3:
            a, b = _counts(len(own), config.shares)
            for which, group in zip(SPLITS, (own[:a], own[a:b], own[b:]), strict=True):
                lists[which] += [Part(entry.id) for entry in group]
            continue
        whole += 1
        bounds = np.cumsum((0.0, *config.shares)).round(9).clip(0, 1).tolist()
        for entry in own:  # one or two recordings: each is cut
            for which, low, high in zip(SPLITS, bounds[:-1], bounds[1:], strict=True):
                if high > low:
                    lists[which].append(Part(entry.id, low, high))
    _refuse_empty(lists, config, f"{len(entries)} recordings")
    notes = (f"{whole} subjects have one or two recordings, which are cut in time.",) if whole else ()
    return lists, "of each subject the earlier recordings train, the later ones test", notes


def _refuse_empty(lists: Mapping[str, Sequence[Any]], config: SplitConfig, held: str) -> None:
    for which, share in zip(SPLITS, config.shares, strict=True):
        if share > 0 and not lists[which] and (config.folds is None or which != "validation"):
            raise ConfigError(f"data.split: {held} leave none for {which}; give more, or another share")


def _published(entries: Sequence[Entry], config: SplitConfig, _seed: int) -> _Made:
    lists = de_chazal(config.validation)
    there = {entry.id for entry in entries}
    found = {which: [name for name in of if name in there] for which, of in lists.items()}
    missing = [name for of in lists.values() for name in of if name not in there]
    if len(missing) == sum(map(len, lists.values())):
        raise ConfigError(
            "data.split.by: de_chazal is a split of the MIT-BIH Arrhythmia Database, and none of its records is here; "
            "data.split.by=subject draws one of your own"
        )
    notes = (*NOTES, f"Not here: {', '.join(missing)}.") if missing else NOTES
    return found, "de Chazal et al. (2004): learnt and chosen on DS1, judged on DS2", notes


_MAKERS: dict[str, Callable[[Sequence[Entry], SplitConfig, int], _Made]] = {
    "split": _by_column,
    "subject": _by_subject,
    "time": _by_time,
    "fasttrack": _fasttrack,
    "de_chazal": _published,
}
