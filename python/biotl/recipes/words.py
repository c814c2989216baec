"""What a report says of a run in words: what was asked, of whom and of which recordings, and what it does not show."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biotl.datasets.labels import BeatClass, Target
from biotl.datasets.splits import Split
from biotl.recipes.recipe import Ready, Recipe, RunConfig
from biotl.report.beside import estimate, weakest

SOURCES = {
    "mitdb": "MIT-BIH Arrhythmia Database (Moody and Mark 2001)",
    "ludb": "Lobachevsky University Database (Kalyakulina et al. 2020)",
    "qtdb": "QT Database (Laguna et al. 1997)",
}
OF_DATA = {
    "mitdb": (
        "47 people recorded between 1975 and 1979 on one kind of recorder.",
        "Record 213 holds 93 % of the fusion beats and record 232 75 % of the supraventricular ones: the report shows "
        "each class's figure without the subject that dominates it.",
    )
}
LIMITS = (
    "The figures are of these recordings: another hospital, lead or device can differ by more than the intervals.",
    "It is no medical device.",
)


@dataclass(frozen=True)
class Words:
    """What a report cannot know by itself: what was asked, of which data, and what the answer does not cover."""

    title: str
    question: str
    data: Mapping[str, str]
    limits: Sequence[str]


def words(recipe: Recipe, config: RunConfig, split: Split, target: Target) -> Words:
    """Return the words of a report: of these recordings, this split and this reference, and of no others."""
    data = config.data
    source = (
        SOURCES.get(data.adapter, data.adapter) if data.manifest is None else f"the recordings of {data.manifest.name}"
    )
    people = len({split.subjects[part.id] for part in split.parts["test"]})
    return Words(
        title=f"{Path(config.run).name}: {config.model.name} on {source}",
        question=recipe.question.format(people=people, labels=_listed(target.labels)),
        data={
            "recordings": source,
            "split": " ".join([f"{split.how}; {split.claim}.", *split.notes]),
            "reference": recipe.reference,
            **({"classes": _mapped(target.classes)} if isinstance(target, BeatClass) else {}),
        },
        limits=(*(OF_DATA.get(data.adapter, ()) if data.manifest is None else ()), *recipe.limits, *LIMITS),
    )


def _listed(labels: Sequence[str], most: int = 12) -> str:
    return ", ".join(labels[:most]) + (f" and {len(labels) - most} more" if len(labels) > most else "")


def _mapped(classes: Mapping[str, str]) -> str:
    """Return which symbols of the annotations make each class."""
    of = {name: " ".join(symbol for symbol, its in classes.items() if its == name) for name in classes.values()}
    return "; ".join(f"{name}: {symbols}" for name, symbols in of.items())


def _joined(names: Iterable[str]) -> str:
    """Return names as a reader lists them: ``PPG, ACC_X and ACC_Y``."""
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def facts(ready: Ready, tree: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader has to know before any figure: for whom and what it is, and what it is not for."""
    own, task, spec = next(iter(tree["models"])), tree["task"], ready.preprocessor.spec
    leads = Counter(_joined(ready.store.about(part.id).get("leads", {}).values()) for part in ready.parts("test"))
    key = task["headline"]
    unit = tree["figures"][key]["unit"]
    found = {
        "meant for": ready.recipe.use,
        "not meant for": "diagnosis, alarms or treatment (it is no medical device); people, leads and recorders unlike "
        "those it was judged on",
        "who was judged": f"{len(tree['per_subject'])} subjects; {ready.split.claim}",
        "leads judged": "; ".join(f"{lead} ({n})" for lead, n in leads.most_common()) if any(leads) else "",
        "rate": f"{spec.fs:g} Hz; recordings of another rate are resampled",
        tree["figures"][key]["name"]: f"{estimate(tree, own, key)} {unit}".strip(),
    }
    if "labels" in task and (worst := weakest(tree)):
        found["weakest class"] = f"{worst}: F1 {estimate(tree, own, f'f1.{worst}')} %"
    return {name: text for name, text in found.items() if text}
