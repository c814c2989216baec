"""What every report of a test says: the headline, models beside each other, what one subject carries, each subject."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biotl.report.content import Card, Estimate, Headline, Section, Table, Text
from biotl.scoring.bootstrap import FEW, Interval

Results = Mapping[str, Any]
ENOUGH = 20
"""Units of a class in the reference from which its figure says something: below, one unit moves it by 5 points."""
SHOWN = 40
"""A page shows at most so many subjects, the worst ones."""


def number(value: float | None, unit: str, *, signed: bool = False) -> str:
    """Print a figure with as many digits as its unit bears."""
    return _printed(value, _digits(value, unit), "+" if signed else "")


def _digits(value: float | None, unit: str) -> int:
    return 1 if unit == "%" or abs(value or 0) >= 10 else 2 if unit or abs(value or 0) >= 1 else 3


def _printed(value: float | None, digits: int, sign: str = "") -> str:
    if value is None or np.isnan(value):
        return "–"
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"  # no minus before a 0


def estimate(results: Results, model: str, key: str) -> Estimate | None:
    """Return a figure of a model with its interval, None where the model has no such figure."""
    figures = results["models"][model]
    if key not in figures:
        return None
    return told(figure_interval(results, model, key), results["figures"][key]["unit"])


def difference(results: Results, other: str, key: str) -> Estimate:
    """Return how far this run's own model is from another, with the interval of the difference."""
    return told(difference_interval(results, other, key), results["figures"][key]["unit"], signed=True)


def figure_interval(results: Results, model: str, key: str) -> Interval:
    """Return a figure as numbers, NaN where it is not defined."""
    return _interval(results["models"][model][key], *results["intervals"][model][key])


def difference_interval(results: Results, other: str, key: str) -> Interval:
    """Return how far this run's own model is from another as numbers, see `figure_interval`."""
    of = results["differences"][other][key]
    return _interval(of["value"], of["low"], of["high"])


def told(found: Interval, unit: str, *, signed: bool = False) -> Estimate:
    """Print a figure and its interval with the digits of the figure.

    Examples
    --------
    >>> str(told(Interval(9.96, 8.125, 12.34), "bpm"))
    '9.96 (8.12 to 12.34)'
    """
    digits = _digits(found.value, unit)
    ends = [_printed(end, digits) for end in (found.low, found.high)]
    return Estimate(number(found.value, unit, signed=signed), "" if "–" in ends else " to ".join(ends))


def verdict(results: Results, other: str) -> tuple[str, bool]:
    """Say how this run's own model stands to another in the headline figure, and whether that speaks against it."""
    key = results["task"]["headline"]
    better, found = results["figures"][key]["better"], difference_interval(results, other, key)
    if np.isnan(found.value):
        return "not comparable with", True
    if (shown := found.verdict(better)) != "no difference shown":
        return f"{shown} than", shown == "worse"
    if found.value and (found.value > 0) != (better == "higher"):
        return "not better than", True
    return "not shown to be better than", True


def strongest(results: Results) -> str | None:
    """Return the other model with the best headline figure."""
    key = results["task"]["headline"]
    sign = 1 if results["figures"][key]["better"] == "higher" else -1
    others = {name: of[key] for name, of in results["models"].items() if name in results["differences"]}
    known = {name: sign * value for name, value in others.items() if value is not None}
    return max(known, key=lambda name: known[name]) if known else None


def headline(results: Results, cards: Sequence[Card] = ()) -> Section:
    """Return the first section: the figure with its interval, the strongest baseline, one subject less, for whom.

    Parameters
    ----------
    results : mapping
        ``results.json``.
    cards : sequence of Card
        What else belongs there, such as the weakest class.
    """
    key, own = results["task"]["headline"], next(iter(results["models"]))
    name, unit = results["figures"][key]["name"], results["figures"][key]["unit"]
    found, people = estimate(results, own, key), results["bootstrap"]["subjects"]
    assert found is not None
    note = (
        f"95 % interval {found.interval}, {people} subjects"
        if found.interval
        else f"no interval, {people} subject{'s' * (people > 1)}"
    )
    made = [Card(f"{found.value} {unit}".strip(), f"{name} of {own}", note)]
    other = strongest(results)
    if other is not None:
        made.append(compared(results, other))
    for row in results["without"][:1]:
        if row["figure"] == key:
            values = {model: number(of["without"], unit) for model, of in row["models"].items()}
            rest = f"{other} without it {values[other]} {unit}" if other in values else f"with it {found.value} {unit}"
            made.append(Card(f"{values[own]} {unit}".strip(), f"{name} without subject {row['subject']}", rest))
    return Section("", (Headline((*made, *cards)), Text((holds_for(results),), "soft"), *_warnings(results)))


def compared(results: Results, other: str) -> Card:
    """Return how this run's own model stands to another in the headline figure."""
    key = results["task"]["headline"]
    unit = results["figures"][key]["unit"]
    words, bad = verdict(results, other)
    its, apart = estimate(results, other, key), difference(results, other, key)
    inside = f", {apart.interval}" if apart.interval else ""
    return Card(words, other, f"which has {its.value if its else '–'} {unit}; difference {apart.value}{inside}", bad)


def holds_for(results: Results) -> str:
    """Return the sentence that says of whom the figures hold; its claim comes from the split."""
    split, looks = results["split"], results["looks"]
    times = "once" if looks == 1 else f"{looks} times"
    judged = f"Judged: {split['judged']}." if "judged" in split else f"The test recordings have been scored {times}."
    drawn = f"{results['bootstrap']['draws']:,} draws of the {results['bootstrap']['subjects']} subjects"
    return f"Holds for: {split['claim']} ({split['how']}). {judged} Intervals: {drawn}."


def models(results: Results, keys: Sequence[str]) -> Table:
    """Return one row a model: figures with intervals, the headline's difference to this run's own, the verdict."""
    key, own = results["task"]["headline"], next(iter(results["models"]))
    rows = []
    for name in results["models"]:
        row: dict[str, Any] = {"model": name}
        row |= {_titled(results, k): estimate(results, name, k) for k in keys}
        if name != own:
            row[f"difference in {results['figures'][key]['name']}"] = difference(results, name, key)
            row[f"{own} is"] = verdict(results, name)[0].removesuffix(" than").replace("comparable with", "comparable")
        rows.append(row)
    side = "below" if results["figures"][key]["better"] == "lower" else "above"
    what = f"{own} less the other, in {results['figures'][key]['name']}, over the same draws of subjects"
    return Table(rows, f"Difference: {what}; {side} 0 speaks for {own}.")


def carried(results: Results) -> Section:
    """Return what one subject carries: each figure with and without the subject that weighs most in it."""
    rows = [
        {
            "figure": _titled(results, row["figure"]),
            "subject left out": row["subject"],
            "holds of the class": f"{row['share']:.0f} %" if row["share"] is not None else None,
            **{
                f"{model}{words}": number(of[which], results["figures"][row["figure"]]["unit"])
                for model, of in row["models"].items()
                for which, words in (("with", ""), ("without", " without"))
                if model in (next(iter(results["models"])), strongest(results))
            },
        }
        for row in results["without"]
    ]
    why = (
        "The first line leaves out the subject without whom the figure is worst, the others who holds most of a class."
    )
    return Section("No single subject should carry a figure", (Text((why,), "soft"), Table(rows)) if rows else ())


def subjects(results: Results, keys: Sequence[str]) -> Section:
    """Return median and worst subject, and a row for each, this run's own model and the strongest other."""
    key, own, rows = results["task"]["headline"], next(iter(results["models"])), results["per_subject"]
    sign = 1 if results["figures"][key]["better"] == "higher" else -1
    known = sorted(
        ((row["models"][own][key], row["subject"]) for row in rows if row["models"][own][key] is not None),
        key=lambda pair: sign * pair[0],
    )
    unit, name = results["figures"][key]["unit"], results["figures"][key]["name"]
    spread: tuple[Text, ...] = ()
    if len(known) > 1:
        middle = number(float(np.median([value for value, _ in known])), unit)
        worst = f"the worst, {known[0][1]}, {number(known[0][0], unit)} {unit}"
        spread = (Text((f"{name}: the median subject has {middle} {unit}, {worst}.",)),)
    note = f"Of {own}. –: not defined."
    if len(rows) > SHOWN:
        note = f"{note} The {SHOWN} worst of {len(rows):,} subjects; all are in results.json."
        place = {subject: at for at, (_, subject) in enumerate(known)}
        rows = sorted(rows, key=lambda row: place.get(row["subject"], len(place)))[:SHOWN]
    table = [
        {"subject": row["subject"], "recordings": _recorded(row), f"{results['task']['unit']}s": row["units"]}
        | {_titled(results, k): _plain(row["models"][own][k], results["figures"][k]["unit"]) for k in keys}
        for row in rows
    ]
    return Section("Subject by subject", (*spread, Table(table, note)))


def weakest(results: Results) -> str | None:
    """Return the class with the lowest F1 of those with enough in the reference to say so; of one class nothing."""
    own, labels = next(iter(results["models"])), results["task"]["labels"]
    held = dict(zip(labels, np.array(results["confusion"][own])[: len(labels)].sum(axis=1), strict=True))
    f1 = {label: results["models"][own].get(f"f1.{label}") for label in labels}
    enough = [label for label in labels if held[label] >= ENOUGH and f1[label] is not None]
    return min(enough, key=lambda label: f1[label]) if len(enough) > 1 else None


def _interval(*bounds: float | None) -> Interval:
    value, low, high = (float("nan") if of is None else of for of in bounds)
    return Interval(value, low, high)


def _recorded(row: Mapping[str, Any]) -> int | str:
    """Return how many recordings a subject has, with the name of the only one where that is another."""
    only = row["recordings"]
    return f"1 ({only[0]})" if len(only) == 1 and only[0] != row["subject"] else len(only)


def _plain(value: float | None, unit: str) -> str | None:
    return None if value is None else number(value, unit)


def _titled(results: Results, key: str) -> str:
    of = results["figures"][key]
    return f"{of['name']} ({of['unit']})" if of["unit"] else str(of["name"])


def _warnings(results: Results) -> tuple[Text, ...]:
    people = results["bootstrap"]["subjects"]
    lines = []
    if people == 1:
        lines.append("One subject: nothing here says how the model does on another.")
    elif people < FEW:
        lines.append(f"Only {people} subjects: intervals over so few are too narrow.")
    if results["refused"]:
        lines.append(f"Refused, and in no figure: {'; '.join(results['refused'])}.")
    return (Text(tuple(lines), "warning"),) if lines else ()
