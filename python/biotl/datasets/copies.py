"""Training recordings made anew: another lead first, other rhythms, noise; recordings, which any recipe can read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.beat_copies import (
    FEWEST,
    SHARES,
    N,
    S,
    V,
    prevalent,
    retime,
    with_fibrillation,
    with_noise,
    with_premature,
)
from biotl.datasets.beats import AAMI_CLASSES, reference_beats
from biotl.datasets.changes import Changed, with_leads
from biotl.datasets.gaps import bridge
from biotl.datasets.manifest import Entry
from biotl.records import Annotations, Record

Signal = NDArray[np.float32]
Made = tuple[Signal, NDArray[np.int64], NDArray[np.int64]]
BEATS = 600
"""Beats of a copy: enough for what is usual in a recording, and a quarter of half an hour."""
EVEN = 3
"""Copies of a recording whose share of a class is drawn evenly, beside the one where few is as likely as many: half of
them are hearts whose usual beat is ectopic, of which DS1 holds none."""
ONE_LEAD = 0.3
"""Chance that a copy has one lead only, as half of all Holter recordings may."""


@dataclass(frozen=True)
class Copy:
    """A change of a recording with annotated beats; see `KINDS` and `biotl.datasets.beat_copies`.

    Parameters
    ----------
    kind : str
        One of `KINDS`; a number after it tells copies of one kind apart.
    annotator : str
        Whose beats are read, and written for the copy: beats that nothing can be learnt from are left out.
    classes : mapping of str to str
        Class of each symbol.
    seed : int
        With the name of the recording, of everything random.
    """

    kind: str
    annotator: str = "atr"
    classes: Mapping[str, str] = field(default_factory=lambda: AAMI_CLASSES)
    seed: int = 0

    def __call__(self, record: Record) -> Record:
        """Return the copy; a recording of few beats comes back with its leads in another order."""
        rng = np.random.default_rng([self.seed, *self.kind.encode(), *record.name.encode()])
        if rng.random() < 0.5 or self.kind == "other lead":
            record = with_leads(record, order=(1, 0))
        if rng.random() < ONE_LEAD:
            record = with_leads(record, order=(0,))
        beats = reference_beats(record.annotations[self.annotator], self.classes)
        x = np.stack([bridge(lead) for lead in record.signal])
        first = int(rng.integers(max(1, len(beats.sample) - BEATS)))
        part = slice(first, first + BEATS)
        if len(beats.sample[part]) < BEATS // 2:
            return record
        kind = self.kind.rstrip(" 0123456789")
        if kind in ("more S", "more V"):
            of = S if kind == "more S" else V
            even = kind != self.kind
            share = float(rng.uniform(*SHARES) if even else np.exp(rng.uniform(*np.log(SHARES))))
            made = with_share(x, beats.sample, record.fs, beats.label, of, share, BEATS, rng)
        else:
            peaks = beats.sample[part]
            low, high = max(0, int(peaks[0] - record.fs)), int(peaks[-1] + record.fs)
            made = KINDS[kind](x[:, low:high], peaks - low, record.fs, beats.label[part], rng)
        names = tuple(dict.fromkeys(self.classes.values()))
        symbols = {k: next(s for s, name in self.classes.items() if name == names[k]) for k in range(len(names))}
        return replace(record, signal=made[0], annotations={self.annotator: _marks(*made[1:], symbols)})


def as_it_is(
    x: Signal, rpeaks: NDArray[np.int64], _fs: float, label: NDArray[np.int64], _rng: np.random.Generator
) -> Made:
    """Return a stretch as it is."""
    return x, rpeaks, label


def with_share(
    x: Signal,
    rpeaks: NDArray[np.int64],
    fs: float,
    label: NDArray[np.int64],
    of: int,
    share: float,
    size: int,
    rng: np.random.Generator,
) -> Made:
    """Put the beats of a recording together anew, so that a share of them is of one class.

    Each beat keeps its P wave and the interval before it; see `biotl.datasets.beat_copies.with_prevalence`.
    """
    rr = np.diff(rpeaks, prepend=rpeaks[0])
    ahead = np.minimum(0.26 * fs, 0.45 * np.append(rr[1:2], rr[1:])).astype(np.int64)
    cut = np.maximum(rpeaks - ahead, 0)
    stop = np.append(cut[1:], x.shape[1])
    index = prevalent(label, of, share, size, rng)
    index = index[(index > 0) & (index < len(rpeaks) - 1)]
    parts, peaks, at = [], [], 0
    level: NDArray[Any] = x[:, cut[index[0]]]
    for i in index:
        own = x[:, cut[i] : stop[i]]
        # a piece begins where the one before ended, and finds back to its own level: no step, a little wander
        part = own + (level - own[:, 0])[:, None] * np.linspace(1, 0, own.shape[1])
        level = part[:, -1]
        parts.append(part)
        peaks.append(at + rpeaks[i] - cut[i])
        at += part.shape[1]
    joined, found = np.concatenate(parts, axis=1).astype(np.float32), np.array(peaks, np.int64)
    return (*retime(joined, found, fs, rr[index] / fs, np.ones(len(index))), label[index])


KINDS: dict[str, Callable[..., Made]] = {
    "other lead": as_it_is,
    "more S": with_share,
    "more V": with_share,
    "premature": with_premature,
    "fibrillation": with_fibrillation,
    "whole fibrillation": partial(with_fibrillation, whole=1.0),
    "paroxysm": partial(with_fibrillation, whole=0.0),  # a part of it, from a fifth to four fifths
    "noise": with_noise,
}
"""What a copy is made by. Every second one has its leads in another order, and ``other lead`` always."""


def copies(
    entries: Sequence[Entry], counts: Sequence[Mapping[str, int]], labels: Sequence[str], like: Copy
) -> list[Entry]:
    """Return the copies of training recordings.

    Parameters
    ----------
    entries : sequence of Entry
        Training recordings.
    counts : sequence of mapping of str to int
        Beats of each class that each of them holds.
    labels : sequence of str
        Class names, the usual beat first. Rhythms are copied only where they are AAMI's.
    like : Copy
        Annotator, classes and seed.
    """
    found: list[Entry] = []
    for entry, held in zip(entries, counts, strict=True):
        kinds = ["other lead", "noise"]
        if list(labels[:3]) == ["N", "S", "V"]:
            kinds += ["premature", "fibrillation", "whole fibrillation", *(f"paroxysm {k}" for k in (1, 2))]
            enough = [f"more {name}" for name in "SV" if held[name] >= FEWEST]
            kinds += [*enough, *(f"{kind} {k}" for kind in enough for k in range(EVEN))]
        for kind in kinds:
            change = replace(like, kind=kind)
            found.append(replace(Changed.of(entry, change), id=f"{entry.id} {kind}"))
    return found


def _marks(sample: NDArray[np.int64], label: NDArray[np.int64], symbols: Mapping[int, str]) -> Annotations:
    known = label >= N
    n = int(known.sum())
    zero: Any = np.zeros(n, np.int8)
    symbol = np.array([symbols[int(k)] for k in label[known]], dtype=np.str_)
    return Annotations(sample[known].astype(np.int64), symbol, ("",) * n, zero, zero, zero)
