"""``results.json``: every figure of a run with its interval, as other programs read it (schema ``biotl.results/1``)."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biotl.scoring.answers import Answered, by_subject, models
from biotl.scoring.bootstrap import DRAWS, Interval, interval, paired, sums, without
from biotl.scoring.calibration import Calibration, Ranks, ranks
from biotl.scoring.classes import ClassCounts
from biotl.scoring.figure import Figure, Measure
from biotl.scoring.regression import Bounds, Errors

SCHEMA = "biotl.results/1"


@dataclass(frozen=True)
class Asked:
    """What was to be answered: one of some classes, or a value in a unit.

    Parameters
    ----------
    labels : tuple of str
        Class names; empty for a value.
    name, unit : str
        Of the value, such as ``heart rate`` in ``bpm``.
    """

    labels: tuple[str, ...] = ()
    name: str = ""
    unit: str = ""

    def measure(self, answered: Sequence[Answered]) -> ClassCounts | Errors:
        """Return the figures that every model and baseline gets."""
        if self.labels:
            return ClassCounts(self.labels)
        truth = np.concatenate([np.zeros(0), *(of.truth for of in answered)])
        known = truth[~np.isnan(truth)]
        return Errors(self.unit, float(known.mean()) if known.size else 0.0)

    @property
    def headline(self) -> str:
        """Return the figure by which models are compared."""
        return "macro_f1" if self.labels else "mae"


def results(
    answered: Sequence[Answered],
    asked: Asked,
    *,
    recipe: str,
    split: Mapping[str, Any],
    looks: int,
    refused: Sequence[str] = (),
    seed: int = 0,
    n: int = DRAWS,
    **more: Any,
) -> dict[str, Any]:
    """Score every model on the test recordings.

    Parameters
    ----------
    answered : sequence of Answered
        The test recordings, at least one.
    asked : Asked
        What was to be answered.
    recipe : str
        Its name.
    split : mapping
        ``how``, ``claim`` ("subjects never seen"), ``digest``, ``notes``: what reports say of whom this holds for; and
        ``judged`` where it was not the test recordings that were scored.
    looks : int
        How often the test recordings have been scored, this time included.
    refused : sequence of str
        Recordings that could not be answered, and why.
    seed, n : int
        Of the draws of subjects, and how many.
    **more : JSON
        What else the run has to say, such as ``thresholds``.

    Returns
    -------
    dict
        JSON, as ``results.schema.json`` beside this module describes it. Shares are in per cent, a figure that is not
        defined is None.

    Examples
    --------
    >>> span = np.array([[0, 8], [8, 16]])
    >>> people = [Answered(s, s, "window", 1.0, span, np.array([0, 1]), {"m": np.array([0, 1 - k])})
    ...           for k, s in enumerate("ab")]
    >>> split = {"how": "by subject", "claim": "subjects never seen"}
    >>> tree = results(people, Asked(("calm", "noisy")), recipe="mine", split=split, looks=1)
    >>> round(tree["models"]["m"]["macro_f1"], 1), tree["split"]["claim"]
    (73.3, 'subjects never seen')
    """
    measure, names = asked.measure(answered), models(answered)
    found = {name: interval(answered, measure, name, seed=seed, n=n) for name in names}
    legend = dict(measure.legend)
    own = names[0]
    for of, figures in _own(answered, asked, seed, n):
        legend |= figures
        found[own] |= dict(zip(figures, of.values(), strict=True))
    task = {"kind": "class", "labels": list(asked.labels)} if asked.labels else {"kind": "value"} | _named(asked)
    tree = {
        "schema": SCHEMA,
        "recipe": recipe,
        "task": {**task, "unit": answered[0].unit, "headline": asked.headline},
        "split": dict(split),
        "figures": {name: asdict(figure) for name, figure in legend.items()},
        "models": {name: {key: of.value for key, of in values.items()} for name, values in found.items()},
        "intervals": {name: {key: [of.low, of.high] for key, of in values.items()} for name, values in found.items()},
        "differences": {
            name: {key: asdict(of) for key, of in paired(answered, measure, own, name, seed=seed, n=n).items()}
            for name in names[1:]
        },
        "per_subject": _per_subject(answered, measure, names, asked),
        "without": _without(answered, measure, names, asked),
        "bootstrap": {"subjects": len(by_subject(answered)), "draws": n, "seed": seed},
        "looks": looks,
        "refused": list(refused),
        **({"confusion": _confusion(answered, measure, names)} if isinstance(measure, ClassCounts) else {}),
        **more,
    }
    done: dict[str, Any] = plain(tree)
    return done


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of ``results.json``."""
    tree: dict[str, Any] = json.loads(Path(__file__).with_name("results.schema.json").read_text())
    return tree


def plain(tree: Any) -> Any:
    """Return JSON that every parser takes: NumPy numbers as Python's, and None for what is not finite."""
    if isinstance(tree, Mapping):
        return {str(key): plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [plain(value) for value in tree]
    if hasattr(tree, "tolist"):
        return plain(tree.tolist())
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def _named(asked: Asked) -> dict[str, str]:
    return {"name": asked.name, "of": asked.unit}


Extra = tuple[dict[str, Interval], Mapping[str, Figure]]


def _own(answered: Sequence[Answered], asked: Asked, seed: int, n: int) -> list[Extra]:
    """Return the figures that only this run's model has: of its probabilities, or of its bounds."""
    own = models(answered)[0]
    if asked.labels and all(of.probability is not None for of in answered):
        found: list[Extra] = [(interval(answered, Calibration(), own, seed=seed, n=n), Calibration.legend)]
        for index, label in enumerate(asked.labels):
            legend = {f"{k}.{label}": Figure(f"{f.name} of {label}", f.unit, f.better) for k, f in Ranks.legend.items()}
            found.append((ranks(answered, index, seed=seed, n=n), legend))
        return found
    if not asked.labels and all(of.low is not None and of.high is not None for of in answered):
        bounds = Bounds(asked.unit)
        return [(interval(answered, bounds, own, seed=seed, n=n), bounds.legend)]
    return []


def _confusion(answered: Sequence[Answered], measure: ClassCounts, names: Sequence[str]) -> dict[str, Any]:
    return {
        name: measure.score(sums(answered, measure, name).sum(axis=0)).confusion.astype(int).tolist() for name in names
    }


def _per_subject(
    answered: Sequence[Answered], measure: Measure, names: Sequence[str], asked: Asked
) -> list[dict[str, Any]]:
    keys = (
        ["macro_f1", "accuracy", *(f"f1.{label}" for label in asked.labels)] if asked.labels else list(measure.legend)
    )
    figures = {name: measure.figures(sums(answered, measure, name)) for name in names}
    return [
        {
            "subject": subject,
            "recordings": [of.id for of in recordings],
            "units": sum(len(of.truth) for of in recordings),
            "models": {name: {key: of[key][row] for key in keys} for name, of in figures.items()},
        }
        for row, (subject, recordings) in enumerate(by_subject(answered).items())
    ]


def _without(
    answered: Sequence[Answered], measure: Measure, names: Sequence[str], asked: Asked
) -> list[dict[str, Any]]:
    """Leave out the subject without whom the headline is worst, and of each class whoever holds most of it."""
    people = list(by_subject(answered))
    if len(people) < 2:
        return []
    apart = {name: without(answered, measure, name) for name in names}
    whole = {name: measure.figures(sums(answered, measure, name).sum(axis=0)) for name in names}
    sign = -1 if measure.legend[asked.headline].better == "higher" else 1
    moved = sign * apart[names[0]][asked.headline]
    chosen = [(asked.headline, int(np.nanargmax(moved)), None)] if not np.isnan(moved).all() else []
    if isinstance(measure, ClassCounts):
        held = measure.score(sums(answered, measure, names[0])).held
        for k, label in enumerate(asked.labels):
            if held[:, k].any():
                most = int(held[:, k].argmax())
                chosen.append((f"f1.{label}", most, 100 * held[most, k] / held[:, k].sum()))
    return [
        {
            "figure": figure,
            "subject": people[row],
            "share": share,
            "models": {name: {"with": whole[name][figure], "without": apart[name][figure][row]} for name in names},
        }
        for figure, row, share in chosen
    ]
