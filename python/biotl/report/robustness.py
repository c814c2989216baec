"""How figures fall as recordings get worse, or as less is learnt from: one panel a kind of change."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biotl.errors import RecordError
from biotl.records.atomic import write_text
from biotl.report.beside import told
from biotl.report.content import Figure, Section, Table, Text
from biotl.report.figures import color
from biotl.report.style import LIGHT, NARROW, canvas, style
from biotl.scoring.bootstrap import Interval

if TYPE_CHECKING:
    from matplotlib import figure as matplotlib

Curve = Mapping[str, Mapping[str, Interval]]
"""By level as it is printed, such as ``12 dB``, from mild to strong; then by model."""


ROBUSTNESS = "robustness.json"
"""What the file of a run folder is called that holds what was tried on a finished run."""
CROWDED = 40
"""Letters of all levels together that fit below a narrow figure side by side."""


@dataclass(frozen=True)
class Panels:
    """One section: what was done to recordings, or with how many subjects was learnt.

    Parameters
    ----------
    title : str
        Of the section.
    figure, unit : str
        What is shown, such as ``macro-F1`` in ``%``.
    notes : tuple of str
        How the change was made, where the noise is from, and whether anything was learnt or chosen anew.
    curves : mapping of str to Curve
        By kind of change, such as ``electrode motion`` or ``share of the training subjects``.
    """

    title: str
    figure: str
    unit: str
    notes: tuple[str, ...]
    curves: Mapping[str, Curve]


def keep(run: Path, panels: Panels) -> None:
    """Write panels into a run folder, in place of those of the same title."""
    kept = [of for of in read(run) if of.title != panels.title]
    write_text(run / ROBUSTNESS, json.dumps([asdict(of) for of in (*kept, panels)], indent=1))


def read(run: Path) -> list[Panels]:
    """Return what was tried on a finished run, nothing where nothing was."""
    path = run / ROBUSTNESS
    if not path.is_file():
        return []
    try:
        return [
            Panels(
                of["title"],
                of["figure"],
                of["unit"],
                tuple(of["notes"]),
                {
                    kind: {
                        level: {name: Interval(**told) for name, told in models.items()}
                        for level, models in curve.items()
                    }
                    for kind, curve in of["curves"].items()
                },
            )
            for of in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(str(path), "panels", type(error).__name__, "what `biotl evaluate --stress` writes") from None


def section(panels: Panels) -> Section:
    """Return the section of a stress test, or of what fewer training subjects give."""
    drawn = [
        Figure(
            partial(panel, kind, curve, f"{panels.figure} ({panels.unit})"),
            f"{panels.figure} under {kind}, by level and model",
        )
        for kind, curve in panels.curves.items()
    ]
    rows = [
        {"change": kind, "level": level} | {name: told(of, panels.unit) for name, of in models.items()}
        for kind, curve in panels.curves.items()
        for level, models in curve.items()
    ]
    if not rows:
        return Section(panels.title, ())
    why = f"{panels.figure} with its 95 % interval over subjects."
    return Section(panels.title, (Text((why, *panels.notes), "soft"), *drawn, Table(rows)))


def panel(kind: str, curve: Curve, axis_name: str) -> "matplotlib.Figure":
    """Draw one kind of change: a line a model, its interval shaded."""
    names = list(dict.fromkeys(name for models in curve.values() for name in models))
    place = np.arange(len(curve))
    with style():
        figure = canvas(NARROW, 3.2 + 0.2 * len(names))
        axis = figure.subplots()
        for k, name in enumerate(names):
            found = [models.get(name, Interval(np.nan, np.nan, np.nan)) for models in curve.values()]
            axis.fill_between(
                place, [of.low for of in found], [of.high for of in found], color=color(k), alpha=0.15, lw=0
            )
            # colors come again after a few lines: those are dashed
            line = "-" if all(color(k) != color(i) for i in range(k)) else "--"
            axis.plot(place, [of.value for of in found], line, color=color(k), marker="o", ms=4, label=name)
        crowded = sum(map(len, curve)) > CROWDED
        axis.set_xticks(place, list(curve), rotation=25 if crowded else 0, ha="right" if crowded else "center")
        axis.set(ylabel=axis_name, title=kind, ylim=(0, None))
        axis.spines["left"].set_color(LIGHT["soft"])
        figure.legend(loc="outside upper left", ncols=1)
    return figure
