"""The report of beats as the first recipes give it, as sections; goes when the one driver makes its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.report import figures
from biotl.report.content import Card, Estimate, Figure, Headline, Pairs, Report, Section, Table, Text
from biotl.report.strips import Trace, strip
from biotl.report.training import training


@dataclass(frozen=True)
class Strip:
    """Some seconds of a recording with what was predicted of each beat."""

    record: str
    start_s: float
    fs: float
    signal: NDArray[np.float32]
    time_s: NDArray[np.float64]
    label: tuple[str, ...]
    truth: tuple[str, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class ReportContent:
    """A finished run."""

    title: str
    question: str
    headline: Sequence[tuple[str, str, str]]
    labels: tuple[str, ...]
    scores: Mapping[str, Sequence[Mapping[str, Any]]]
    macro_f1: Mapping[str, float]
    confusion: NDArray[np.int64]
    per_record: Sequence[Mapping[str, Any]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    strips: Sequence[Strip] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)
    limits: Sequence[str] = ()


def report(of: ReportContent) -> Report:
    """Return the sections of a run."""
    table = [
        {"class": row["class"], "beats": row["beats"]}
        | {f"F1 % of {name}": Estimate(f"{_of(rows, row['class'])['F1']:.1f}") for name, rows in of.scores.items()}
        for row in next(iter(of.scores.values()))
        if row["beats"]
    ]
    rows = [{k: Estimate(f"{v:.1f}") if isinstance(v, float) else v for k, v in row.items()} for row in of.per_record]
    shown = [
        Figure(
            partial(
                strip,
                Trace("ECG", "mV", s.fs, s.signal),
                s.start_s,
                list(zip(s.time_s.tolist(), s.label, s.truth or s.label, strict=True)),
            ),
            s.caption,
            s.caption,
        )
        for s in of.strips
    ]
    confusion = Figure(partial(figures.confusion_matrix, of.confusion, of.labels, "beat"), "Confusion matrix")
    sections = [
        Section("", (Headline(tuple(Card(*card) for card in of.headline)),)),
        Section("Examples", tuple(shown)),
        Section("How well, by class", (Table(table),)),
        Section("Where it errs", (confusion,)),
        Section("Recording by recording", (Table(rows),)),
        training(of.history),
        Section("Data", (Pairs(of.data),)),
        Section("Settings", (Pairs(of.settings),)),
        Section("Lineage", (Pairs(of.lineage),)),
        Section("What this does not show", (Text(tuple(of.limits)),)),
    ]
    return Report(of.title, of.question, sections)


def _of(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(row for row in rows if row["class"] == name)
