"""Two runs on the same recordings, figure by figure, subject by subject."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from biotl.errors import ConfigError
from biotl.report.beside import Results, estimate, holds_for, number, told
from biotl.report.content import Card, Headline, Report, Section, Table, Text
from biotl.scoring import stored
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import Interval, between
from biotl.scoring.results import Asked


def runs(first: Path, second: Path) -> tuple[dict[str, Interval], Report]:
    """Set one finished run against another.

    Parameters
    ----------
    first, second : Path
        Run folders, each with ``answers.npz`` and ``results.json``.

    Returns
    -------
    dict of str to Interval, Report
        By figure, the first run's own model less the second's; and the page.

    Raises
    ------
    RecordError
        If a folder holds no finished run.
    ConfigError
        If the runs answer different questions, or were not tested on the same recordings.
    """
    (answered, results), (others, other) = stored.read_run(first), stored.read_run(second)
    found = differences(answered, results, others, other)
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    question = f"Which of {first} and {second} does better on the same test recordings?"
    return found, Report(f"{names[0]} against {names[1]}", question, sections(results, other, found, names))


def several(first: Path, others: Sequence[Path]) -> tuple[dict[str, dict[str, Interval]], Report]:
    """Set one finished run against each of several, on one page; raises as `runs`.

    Returns
    -------
    dict of str to dict of str to Interval, Report
        By the other run's folder, the first run's own model less its own; and the page, with all runs side by side.
    """
    pairs = {str(other): runs(first, other) for other in others}
    answered, results = stored.read_run(first)
    key, legend = results["task"]["headline"], _asked(results).measure(answered).legend
    keys = [k for k in legend if k == key or k.startswith("f1.")]
    rows = []
    for run in (first, *others):
        tree = stored.read_run(run)[1]
        model = next(iter(tree["models"]))
        row: dict[str, Any] = {"run": str(run), "model": model}
        row |= {f"{legend[k].name} ({legend[k].unit})".replace(" ()", ""): estimate(tree, model, k) for k in keys}
        if str(run) in pairs:
            apart = pairs[str(run)][0][key]
            row[f"{first} less it"] = told(apart, legend[key].unit, signed=True)
            row[f"{first} is"] = apart.verdict(legend[key].better)
        rows.append(row)
    note = f"The difference is in {legend[key].name}, over the same draws of subjects, with its 95 % interval."
    each = [
        Section(f"{first} against {name}: {section.title or 'in short'}", section.blocks)
        for name, (_, page) in pairs.items()
        for section in page.sections
    ]
    question = f"Which of {len(rows)} runs does best on the same test recordings?"
    page = Report(
        f"{first} against {len(others)} others", question, [Section("Side by side", (Table(rows, note),)), *each]
    )
    return {name: found for name, (found, _) in pairs.items()}, page


def differences(
    answered: Sequence[Answered], results: Results, others: Sequence[Answered], other: Results
) -> dict[str, Interval]:
    """Return how far one run's own model is from another's in every figure, see `runs`."""
    asked, its = ({**of["task"], "unit": None} for of in (results, other))
    if asked != its:
        raise ConfigError(f"the runs answer different questions: {_task(results)}, and {_task(other)}")
    return between(answered, others, _asked(results).measure(answered))


def sections(results: Results, other: Results, found: Mapping[str, Interval], names: tuple[str, str]) -> list[Section]:
    """Return what a comparison shows.

    Parameters
    ----------
    results, other : mapping
        ``results.json`` of the two runs.
    found : mapping of str to Interval
        Their `differences`.
    names : (str, str)
        What to call them.
    """
    key = results["task"]["headline"]
    legend, models = _asked(results).measure([]).legend, [next(iter(of["models"])) for of in (results, other)]
    rows = [
        {
            "figure": f"{of.name} ({of.unit})" if of.unit else of.name,
            names[0]: estimate(results, models[0], k),
            names[1]: estimate(other, models[1], k),
            "difference": told(found[k], of.unit, signed=True),
            f"{names[0]} is": found[k].verdict(of.better) if of.better and not isnan(found[k].value) else None,
        }
        for k, of in legend.items()
        if not _nothing(results, models[0], k) or not _nothing(other, models[1], k)
    ]
    words = found[key].verdict(legend[key].better)
    unit = legend[key].unit
    said = {"better": "better than", "worse": "worse than"}.get(words, "not shown to differ from")
    own = estimate(results, models[0], key)
    cards = (
        Card(f"{own.value if own else '–'} {unit}", f"{legend[key].name} of {names[0]}", own.interval if own else ""),
        Card(said, names[1], f"difference {told(found[key], unit, signed=True)}", words != "better"),
    )
    note = f"Difference: {names[0]} less {names[1]}, over the same draws of subjects, with its 95 % interval."
    return [
        Section(
            "",
            (Headline(cards), Text((f"{names[0]}: {holds_for(results)}", f"{names[1]}: {holds_for(other)}"), "soft")),
        ),
        Section("Figure by figure", (Table(rows, note),)),
        Section("Subject by subject", (Table(_subjects(results, other, models, names, key), f"{legend[key].name}."),)),
    ]


def _subjects(
    results: Results, other: Results, models: Sequence[str], names: tuple[str, str], key: str
) -> list[dict[str, Any]]:
    unit = results["figures"][key]["unit"]
    its = {row["subject"]: row["models"][models[1]][key] for row in other["per_subject"]}
    rows = []
    for row in results["per_subject"]:
        one, two = row["models"][models[0]][key], its[row["subject"]]
        apart = None if one is None or two is None else number(one - two, unit, signed=True)
        shown = {
            name: None if value is None else number(value, unit) for name, value in zip(names, (one, two), strict=True)
        }
        rows.append({"subject": row["subject"], **shown, "difference": apart})
    return rows


def _nothing(results: Results, model: str, key: str) -> bool:
    return results["models"][model].get(key) is None


def _asked(results: Results) -> Asked:
    task = results["task"]
    return Asked(tuple(task.get("labels", ())), task.get("name", ""), task.get("of", ""))


def _task(results: Results) -> str:
    task = results["task"]
    return ", ".join(task["labels"]) if "labels" in task else f"{task['name']} in {task['of']}"
