"""How figures fall as recordings get worse, or as less is learnt from: one panel a kind of change."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from biotl.report.beside import told
from biotl.report.content import Figure, Section, Table, Text
from biotl.report.figures import color
from biotl.report.style import LIGHT, NARROW, canvas, style
from biotl.scoring.bootstrap import Interval

if TYPE_CHECKING:
    from matplotlib import figure as matplotlib

Curve = Mapping[str, Mapping[str, Interval]]
"""By level as it is printed, such as ``12 dB``, from mild to strong; then by model."""


def section(
    curves: Mapping[str, Curve],
    figure: str,
    unit: str = "%",
    notes: Sequence[str] = (),
    title: str = "As recordings get worse",
) -> Section:
    """Return the section of a stress test, or of what fewer training subjects give.

    Parameters
    ----------
    curves : mapping of str to Curve
        By kind of change, such as ``electrode motion`` or ``share of the training subjects``.
    figure : str
        What is shown, such as ``macro-F1``.
    unit : str
        Of the figure.
    notes : sequence of str
        How the change was made, where the noise is from, and whether anything was learnt or chosen anew.
    title : str
        Of the section.
    """
    drawn = [
        Figure(partial(panel, kind, curve, f"{figure} ({unit})"), f"{figure} under {kind}, by level and model")
        for kind, curve in curves.items()
    ]
    rows = [
        {"change": kind, "level": level} | {name: told(of, unit) for name, of in models.items()}
        for kind, curve in curves.items()
        for level, models in curve.items()
    ]
    if not rows:
        return Section(title, ())
    why = f"{figure} with its 95 % interval over subjects."
    return Section(title, (Text((why, *notes), "soft"), *drawn, Table(rows)))


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
            axis.plot(place, [of.value for of in found], color=color(k), marker="o", ms=4, label=name)
        axis.set_xticks(place, list(curve))
        axis.set(ylabel=axis_name, title=kind, ylim=(0, None))
        axis.spines["left"].set_color(LIGHT["soft"])
        figure.legend(loc="outside upper left", ncols=1)
    return figure
