"""How a finished run does on its test recordings as these get worse: the panels of its report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.changes import Change, Changed, beginning, changes
from biotl.datasets.manifest import Entry
from biotl.datasets.splits import Split
from biotl.deploy.evaluate import evaluate_entries
from biotl.deploy.predictor import Predictor
from biotl.errors import ConfigError, RecordError
from biotl.recipes import report
from biotl.recipes.recipe import entries
from biotl.recipes.registry import find, load
from biotl.records import Record
from biotl.report.robustness import Panels, keep
from biotl.scoring.answers import Answered, models
from biotl.scoring.bootstrap import Interval, interval
from biotl.scoring.classes import ClassCounts
from biotl.scoring.figure import Figure

TITLE = "As recordings get worse"
FEWEST = 0.01
"""Share of the beats below which a class has no line of its own."""


def stress(run: Path, noise: Path, *, minutes: float | None = None) -> Panels:
    """Answer the test recordings of a run again, changed in every way that `changes` knows, and report it.

    Nothing is learnt or chosen anew.

    Parameters
    ----------
    run : Path
        A finished run of beats.
    noise : Path
        Folder of NSTDB's ``bw``, ``em`` and ``ma``.
    minutes : float, optional
        Of each recording so many minutes from its beginning are answered; by default all of it, some thirty times.

    Returns
    -------
    Panels
        What was found, which is in ``robustness.json`` and ``report.html`` now.

    Raises
    ------
    RecordError
        If there is no finished run, or no noise.
    ConfigError
        If the run answers no beats.
    """
    path = run / "results.json"
    if not path.is_file():
        raise RecordError(
            str(run), "results", "none", "the figures of a finished run", "finish it with `biotl finetune`"
        )
    tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if tree["task"]["unit"] != "beat":
        raise ConfigError(f"stress: got a run that answers each {tree['task']['unit']}, wanted one of beats")
    config = load(run / "config.resolved.yaml")
    parts = Split.from_json((run / "split.json").read_text(encoding="utf-8")).parts["test"]
    if any(part.start > 0 or part.stop < 1 for part in parts):
        raise ConfigError(
            "stress: got a split that judges stretches of recordings, wanted whole ones: split by subject"
        )
    wanted = {part.id for part in parts}
    test = [entry for entry in entries(config) if entry.id in wanted]
    target = find(config.recipe).target(config, test)
    predictor = Predictor(run / "model.onnx")

    @cache
    def answer(change: Change) -> dict[str, Interval]:
        answered, refused, _ = evaluate_entries(predictor, [_changed(entry, change, minutes) for entry in test], target)
        if refused:
            raise refused[0]
        share = interval(answered, Share(), models(answered)[0])
        return lines(answered, tree["task"]["labels"]) | share

    # every kind begins with the recordings as they are, which are answered once
    curves = {
        kind: {level: answer(change) for level, change in levels.items()} for kind, levels in changes(noise).items()
    }
    part = "the test recordings" if minutes is None else f"the first {minutes:g} minutes of each test recording"
    found = Panels(
        TITLE,
        "F1",
        "%",
        (
            f"The model as it is, on {part}; nothing was learnt or chosen anew. Noise: NSTDB's bw, em and "
            "ma, and a hum of 50 Hz, on every lead throughout, at the ratio of the noise stress test.",
            "A beat that is not answered, since the signal around it is too poor, counts as missed; answered is the "
            "share of beats that were. Leads keep their names where they are swapped: quality is judged on the first.",
            f"Part of look {tree['looks']} at the test recordings: the model that was scored then.",
        ),
        curves,
    )
    keep(run, found)
    report.again(run)
    return found


@dataclass(frozen=True)
class Share:
    """How many of the beats that were found got an answer; see `biotl.scoring.bootstrap.Measure`."""

    legend: Mapping[str, Figure] = field(default_factory=lambda: {"answered": Figure("answered", "%")})

    def sums(self, of: Answered, model: str) -> NDArray[np.float64]:
        """Return the beats that were answered, and all."""
        said = of.answers[model]
        return np.array([(said >= 0).sum(), len(said)], np.float64)

    def figures(self, sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return the share in per cent."""
        return {"answered": 100 * sums[..., 0] / np.maximum(sums[..., 1], 1)}


def _changed(entry: Entry, change: Change, minutes: float | None) -> Entry:
    if minutes is None:
        return Changed.of(entry, change)

    def both(record: Record) -> Record:
        return change(beginning(record, minutes=minutes))

    return Changed.of(entry, both)


def lines(answered: Sequence[Answered], labels: Sequence[str]) -> dict[str, Interval]:
    """Return macro-F1 and F1 of each class that is not rare, in per cent, of the model that answered."""
    measure = ClassCounts(tuple(labels))
    found = interval(answered, measure, models(answered)[0])
    truth = np.concatenate([*(of.truth for of in answered), *(of.missed for of in answered)])
    often = [label for k, label in enumerate(labels) if (truth == k).mean() >= FEWEST]
    return {"macro-F1": found["macro_f1"], **{label: found[f"f1.{label}"] for label in often}}


def told(found: Panels) -> list[dict[str, Any]]:
    """Return one row a level: its figures."""
    return [
        {"change": kind, "level": level} | {name: round(of.value, 1) for name, of in figures.items()}
        for kind, levels in found.curves.items()
        for level, figures in levels.items()
    ]
