"""The figures of a run: every model's answers beside the baselines', as results.json, predictions.csv and a table."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from biotl.datasets.splits import Split
from biotl.deploy.decision import Classes, Decision, Value
from biotl.recipes.recipe import Ready
from biotl.recipes.units import truths, within
from biotl.records.atomic import write_text
from biotl.scoring.answers import Answered
from biotl.scoring.results import Asked


def beside(ready: Ready, answered: Sequence[Answered]) -> list[Answered]:
    """Add the answers of the baselines, which learn from the training recordings, to those on the test recordings."""
    recipe, preprocessor = ready.recipe, ready.preprocessor
    tables: dict[str, list[Any]] = {"train": [], "test": []}
    for name, of in tables.items():
        for part in ready.parts(name):
            prepared = ready.store[part.id]
            inside = within(part, preprocessor.units(prepared), prepared.samples)
            of.append((recipe.table(preprocessor, prepared)[inside], truths(ready.store.targets(part.id))[inside]))
    test = [rows for rows, _ in tables["test"]]
    found = recipe.baselines(tables["train"], test, labels=ready.target.labels, seed=ready.config.seed)
    return [
        replace(of, answers={**of.answers, **{name: told[k] for name, told in found.items()}})
        for k, of in enumerate(answered)
    ]


def predictions(path: Path, answered: Sequence[Answered], labels: Sequence[str]) -> None:
    """Write one row a unit: where it is, the reference, and every model's answer."""
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    names = list(answered[0].answers)
    own = [f"p_{label}" for label in labels] if labels else ["low", "high"]
    table.writerow(["record", "subject", "sample", "stop", "reference", *names, *own])

    def said(value: float) -> str:
        if labels:
            return labels[int(value)] if value >= 0 else ""
        return f"{value:.6g}" if value == value else ""  # nothing for NaN

    for of in answered:
        for k, (start, stop) in enumerate(of.span.tolist()):
            told = [said(of.truth[k]), *(said(of.answers[name][k]) for name in names)]
            extra = [f"{p:.4f}" for p in of.probability[k]] if of.probability is not None else []
            bounds = [said(end[k]) for end in (of.low, of.high) if end is not None]
            table.writerow([of.id, of.subject, start, stop, *told, *extra, *bounds])
    write_text(path, rows.getvalue())


def rows(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a model of results.json: the figures that decide, the first with its interval."""
    task = tree["task"]
    chosen = ["mae", "rmse", "r2"]
    if task["kind"] == "class":
        chosen = ["macro_f1", "accuracy", *(f"f1.{label}" for label in task["labels"])]
    found = []
    for name, values in tree["models"].items():
        row: dict[str, Any] = {"model": name}
        for key in chosen:
            if values.get(key) is None:
                continue
            figure = tree["figures"][key]
            column = f"{figure['name']} {figure['unit']}".strip()
            n = digits(column)
            row[column] = round(values[key], n)
            if key == chosen[0]:
                low, high = tree["intervals"][name][key]
                row["95 % interval"] = "-" if low is None else f"{low:.{n}f} to {high:.{n}f}"
        found.append(row)
    return found


def digits(column: str) -> int:
    """Return how many digits the figures of a column of `rows` have, as those of its interval."""
    return 1 if column.endswith("%") else 2


def asked_of(decision: Decision) -> Asked:
    """Return what was to be answered."""
    if isinstance(decision, Classes):
        return Asked(labels=decision.labels)
    return Asked(name=decision.name, unit=decision.unit) if isinstance(decision, Value) else Asked()


def stated(split: Split) -> dict[str, Any]:
    """Return what figures on a split may be said to hold for."""
    return {"how": split.how, "claim": split.claim, "digest": split.digest, "notes": list(split.notes)}


def look(folder: Path) -> int:
    """Count one more look at the test recordings, and return how many there were from this run folder."""
    path = folder / "looks.json"
    looks = 1 + (json.loads(path.read_text())["looks"] if path.is_file() else 0)
    write_text(path, json.dumps({"looks": looks}))
    return looks
