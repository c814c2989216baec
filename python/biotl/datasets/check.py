"""What can be seen to be wrong with recordings before anything is learnt from them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from biotl.datasets.labels import Target
from biotl.datasets.manifest import Entry, wfdb_stem
from biotl.datasets.preprocessor import Preprocessor
from biotl.datasets.splits import SPLITS, Split
from biotl.errors import BiotlError
from biotl.parallel import in_threads

MISSING = 0.1
"""Share of missing samples from which a channel is worth a word."""
SIZE = 100.0
"""Times the usual span of a channel from which it is worth a word: hearts differ by ten, units by a thousand."""
_LISTED = 10  # classes by name: of hundreds nobody reads a line each


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: ``error`` stops a run, ``warning`` does not."""

    level: str
    check: str
    message: str


@dataclass(frozen=True)
class _Look:
    """What one recording holds."""

    entry: Entry
    error: BiotlError | None = None
    # name, unit, rate, share of missing samples, spread of the others
    channels: tuple[tuple[str, str, float, float, float], ...] = ()
    contents: frozenset[str] = frozenset()
    classes: Mapping[str, int] = field(default_factory=dict)


def examine_manifest(
    entries: Sequence[Entry],
    preprocessor: Preprocessor | None = None,
    split: Split | None = None,
    *,
    target: Target | None = None,
    needs: Sequence[str] = SPLITS,
    threads: int | None = None,
    done: Callable[[int], object] = lambda _: None,
) -> list[Finding]:
    """Read every recording once and say what is wrong with them together.

    Parameters
    ----------
    entries : sequence of Entry
        The recordings.
    preprocessor : Preprocessor, optional
        Whether each can be prepared is tried as well.
    split : Split, optional
        Who is in which split; without one, what the entries say themselves.
    target : Target, optional
        Its classes are counted by subject and split; needs a preprocessor.
    needs : sequence of str
        The parts of the split that the run wants recordings in.
    threads : int, optional
        Recordings at a time; by default one a core.
    done : callable
        Called with 1 after each recording.

    Returns
    -------
    list of Finding
        Files that are missing or refused; one file under two ids; one subject, or one recording by its contents, on two
        splits; classes with too few subjects; units, rates, channels and sizes that differ; channels that are flat;
        missing samples. Empty if nothing is wrong.
    """
    split_of = _split_of(entries, split)
    found = [*_two_ids(entries), *_two_splits(entries, split_of, split)]
    for which in needs if split is not None else ():
        if which not in split_of.values():
            said = f"no recording is in {which}: `biotl finetune` wants some in each part"
            found.append(Finding("warning", "split", said))

    def look(entry: Entry) -> _Look:
        try:
            return _look(entry, preprocessor, target)
        except BiotlError as error:
            return _Look(entry, error)
        finally:
            done(1)

    looks = list(in_threads(look, entries, threads))
    found += [Finding("error", "recording", f"{x.entry.id}: {x.error}") for x in looks if x.error]
    found += [*_twins(looks, split_of), *_channels([x for x in looks if x.channels])]
    if target is not None and target.labels and preprocessor is not None:
        found += _classes(looks, split_of, target.labels)
    return found


def _split_of(entries: Sequence[Entry], split: Split | None) -> dict[str, str]:
    if split is None:
        return {entry.id: entry.split for entry in entries if entry.split}
    return {part.id: which for which in SPLITS for part in split.parts[which]}


def _look(entry: Entry, preprocessor: Preprocessor | None, target: Target | None) -> _Look:
    records = entry.read(target.annotators if target else None)
    channels, contents = [], set()
    for record in records:
        for name, unit, x in zip(record.channels, record.units, record.signal, strict=True):
            good = np.isfinite(x)
            missing, spread = 1 - float(good.mean()) if len(x) else 1.0, float(np.ptp(x[good])) if good.any() else 0.0
            # the largest sample may be one artefact
            size = float(np.subtract(*np.percentile(x[good], [99, 1]))) or spread if spread else 0.0
            channels.append((name, unit, round(record.fs, 2), missing, size))
            # a channel of one value is the same in many recordings
            if spread > 0:
                contents.add(hashlib.sha256(np.ascontiguousarray(x).data).hexdigest())
    classes: dict[str, int] = {}
    try:
        if preprocessor is not None:
            prepared = preprocessor.prepare(records)
            known = target.of(entry, records, prepared, preprocessor.units(prepared)) if target else {}
            label = known.get("labels", np.zeros(0, np.int64))
            classes = {target.labels[k]: n for k, n in Counter(label[label >= 0].tolist()).items()} if target else {}
    except BiotlError as error:
        return _Look(entry, error, tuple(channels), frozenset(contents))
    return _Look(entry, None, tuple(channels), frozenset(contents), classes)


def _two_ids(entries: Iterable[Entry]) -> Iterator[Finding]:
    first: dict[object, str] = {}
    for entry in entries:
        for path in entry.files:
            before = first.setdefault(wfdb_stem(path).resolve(), entry.id)
            if before != entry.id:
                yield Finding("error", "file", f"{path} stands under two ids: {before} and {entry.id}")


def _two_splits(entries: Iterable[Entry], split_of: Mapping[str, str], split: Split | None) -> Iterator[Finding]:
    if split is not None and "same subjects" in split.claim:
        return
    splits: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        if entry.subject and entry.id in split_of:
            splits[entry.subject].setdefault(split_of[entry.id], entry.id)
    for subject, of in splits.items():
        if len(of) > 1:
            where = " and ".join(f"in {which} ({name})" for which, name in of.items())
            yield Finding("error", "subjects", f"subject {subject} is {where}; keep each subject in one split")


def _twins(looks: Iterable[_Look], split_of: Mapping[str, str]) -> Iterator[Finding]:
    first: dict[str, Entry] = {}
    told: set[tuple[str, str]] = set()
    for look in looks:
        for content in sorted(look.contents):
            before = first.setdefault(content, look.entry)
            pair = (before.id, look.entry.id)
            if before.id == look.entry.id or pair in told:
                continue
            told.add(pair)
            splits = [split_of.get(name, "") for name in pair]
            text = f"{pair[0]} and {pair[1]} hold the same signal"
            if splits[0] != splits[1]:
                yield Finding(
                    "error", "twins", f"{text}, in {splits[0] or 'no split'} and in {splits[1] or 'no split'}"
                )
            elif before.subject != look.entry.subject:
                yield Finding("error", "twins", f"{text}, of subjects {before.subject} and {look.entry.subject}")
            else:
                yield Finding("warning", "twins", text)


def _channels(looks: Sequence[_Look]) -> Iterator[Finding]:
    """Yield what differs from what most recordings hold, channel by channel."""
    for place, check, what in ((1, "units", "unit"), (2, "rates", "rate in Hz")):
        held: dict[str, Counter[object]] = defaultdict(Counter)
        example: dict[tuple[str, object], str] = {}
        for look in looks:
            for channel in look.channels:
                held[channel[0]][channel[place]] += 1
                example.setdefault((channel[0], channel[place]), look.entry.id)
        for name, counts in held.items():
            if len(counts) > 1:
                listed = ", ".join(f"{v or 'none'} in {n} ({example[name, v]})" for v, n in counts.most_common(4))
                yield Finding("warning", check, f"channel {name}: {what} {listed}")
    names = Counter(name for look in looks for name in {channel[0] for channel in look.channels})
    for name, n in names.items():
        if len(looks) / 2 < n < len(looks):
            lacks = [look.entry.id for look in looks if name not in {channel[0] for channel in look.channels}]
            yield Finding("warning", "channels", f"channel {name}: {len(lacks)} recordings lack it, {_some(lacks)}")
    gaps = [f"{x.entry.id} {c[0]} {c[3]:.0%}" for x in looks for c in x.channels if c[3] > MISSING]
    if gaps:
        yield Finding("warning", "gaps", f"samples are missing in {len(gaps)} channels: {_some(gaps)}")
    flat = [f"{x.entry.id} {c[0]}" for x in looks for c in x.channels if c[3] < 1 and not c[4]]
    if flat:
        yield Finding("warning", "flat", f"one value throughout in {len(flat)} channels: {_some(flat)}")
    yield from _sizes(looks)


def _sizes(looks: Sequence[_Look]) -> Iterator[Finding]:
    """Yield channels far larger or smaller than others of their name and unit: a gain or unit that is wrong."""
    held: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for look in looks:
        for name, unit, _, _, size in look.channels:
            if size:
                held[name, unit].append((size, look.entry.id))
    for (name, unit), sizes in held.items():
        usual = float(np.median([size for size, _ in sizes]))
        ratios = ((id_, size / usual) for size, id_ in sizes)
        odd = [f"{id_} {float(f'{ratio:.1g}'):g} times" for id_, ratio in ratios if not 1 / SIZE < ratio < SIZE]
        if odd:
            text = f"channel {name} spans {usual:.3g} {unit} in most recordings".replace("  ", " ")
            yield Finding("warning", "size", f"{text}, {_some(odd)} as much: is the unit or the gain right?")


def _classes(looks: Sequence[_Look], split_of: Mapping[str, str], labels: Sequence[str]) -> Iterator[Finding]:
    """Yield classes that too few people have: of one person a model learns the person."""
    for which in ("train", "test") if split_of else ("",):
        within = [x for x in looks if split_of.get(x.entry.id, "") == which]
        scarce = []
        for label in labels:
            people = {x.entry.subject or x.entry.id for x in within if label in x.classes}
            n = sum(x.classes.get(label, 0) for x in within)
            if len(people) < 2:
                who = f"of one subject, {next(iter(people))}" if people else "of nobody"
                scarce.append(Finding("warning", "classes", f"class {label}: {n} examples in {which or 'all'}, {who}"))
        yield from scarce[:_LISTED]
        if more := scarce[_LISTED:]:
            yield Finding("warning", "classes", f"{len(more)} more classes are of one subject or nobody in {which}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
