"""Figures of any run: intervals of models beside each other, confusion, curves, values against their reference."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biotl.report.style import LIGHT, NARROW, SERIES, canvas, short, style
from biotl.scoring.bootstrap import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]


def color(index: int) -> str:
    """Return the colour of a series."""
    return LIGHT[SERIES[index % len(SERIES)]]


def forest(
    groups: Mapping[str, Mapping[str, Interval]], axis_name: str, *, top: float | None = None, colors: int = 0
) -> "Figure":
    """Draw figures or differences with their intervals, models beside each other.

    Parameters
    ----------
    groups : mapping of str to mapping of str to Interval
        By line, such as a class; then by model, this run's own first.
    axis_name : str
        What the figures are, with unit.
    top : float, optional
        Where the axis ends, such as 100 for per cent; then, and for what is never negative, it begins at 0.
    colors : int
        The colour of the first model: 1 where this run's own is left out, as in differences to it.
    """
    names = list(dict.fromkeys(name for of in groups.values() for name in of))
    with style():
        figure = canvas(NARROW, 0.2 * len(groups) * (len(names) + 1.1) + 1.0 + 0.22 * len(names))
        axis = figure.subplots()
        for row, of in enumerate(groups.values()):
            for k, name in enumerate(names):
                if (found := of.get(name)) is None or np.isnan(found.value):
                    continue
                y = row + (k - (len(names) - 1) / 2) * 0.8 / len(names)
                hue, own = color(k + colors), k + colors == 0
                axis.plot([found.low, found.high], [y, y], color=hue, linewidth=2, solid_capstyle="butt")
                axis.plot(found.value, y, "o" if own else "s", color=hue, ms=6 if own else 4.5)
        for k, name in enumerate(names, colors):
            axis.plot([], [], "s" if k else "o", color=color(k), label=short(name, 40), linestyle="-", ms=5)
        axis.set_yticks(range(len(groups)), ["\n".join(map(short, line.split("\n"))) for line in groups])
        axis.set_ylim(len(groups) - 0.45, -0.55)
        axis.grid(visible=False, axis="y")
        axis.tick_params(axis="y", length=0)
        for row in range(1, len(groups)):
            axis.axhline(row - 0.5, color=LIGHT["line"], linewidth=0.8)
        if any(of.low < 0 or of.value < 0 for group in groups.values() for of in group.values()):
            axis.axvline(0, color=LIGHT["ink"], linewidth=1)
        else:
            axis.set_xlim(left=0, right=top)
        axis.set_xlabel(axis_name)
        figure.legend(loc="outside upper left", ncols=1)
    return figure


def confusion_matrix(confusion: Array, labels: Sequence[str], unit: str) -> "Figure":
    """Draw reference by answer, shaded by the share of each reference class.

    Parameters
    ----------
    confusion : ndarray of int, shape (classes + 1, classes + 1)
        The last row counts false detections, the last column missed units. A class that never occurs is left out, and
        so are false and missed where there are none.
    labels : sequence of str
        Class names.
    unit : str
        Such as ``beat``.
    """
    met = [i for i in range(len(labels)) if confusion[i].any() or confusion[:, i].any()]
    names = [short(labels[i], 10) for i in met]
    rows = [*met, -1] if confusion[-1].any() else met
    columns = [*met, -1] if confusion[:, -1].any() else met
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    with style(**{"axes.grid": False}):
        figure = canvas(max(NARROW, 0.57 * len(columns) + 0.9), 0.46 * len(rows) + 0.95)
        axis = figure.subplots()
        for y, i in enumerate(rows):
            for x, j in enumerate(columns):
                if (i, j) == (-1, -1):
                    continue
                fill = LIGHT["accent"] if i == j else LIGHT["wrong"] if i >= 0 else LIGHT["grey"]
                strength = float(share[i, j]) if i >= 0 else 0.0
                axis.fill([x - 0.5, x + 0.5, x + 0.5, x - 0.5], [y - 0.5, y - 0.5, y + 0.5, y + 0.5], fill,
                          alpha=round(0.06 + 0.94 * strength, 3), linewidth=0)  # fmt: skip
                ink, weight = LIGHT["paper" if strength > 0.6 else "ink"], "bold" if i == j else "normal"
                axis.text(x, y, f"{confusion[i, j]:,}", ha="center", va="center", color=ink, fontweight=weight)
        for k in range(1, max(len(rows), len(columns))):
            axis.axhline(k - 0.5, color=LIGHT["paper"], linewidth=2)
            axis.axvline(k - 0.5, color=LIGHT["paper"], linewidth=2)
        axis.set_xticks(range(len(columns)), [*names, "missed"][: len(columns)])
        axis.set_yticks(range(len(rows)), [*names, f"no {unit}"][: len(rows)])
        axis.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axis.spines[:].set_visible(False)
        axis.set_xlim(-0.5, len(columns) - 0.5)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xlabel("answered", labelpad=6)
        axis.xaxis.set_label_position("top")
        axis.set_ylabel("reference")
    return figure


def precision_recall(curves: Mapping[str, tuple[Array, Array]]) -> "Figure":
    """Draw PPV against sensitivity, by class: precision and recall from the highest score on."""
    with style():
        figure = canvas(NARROW, 3.9)
        axis = figure.subplots()
        for k, (name, (precision, recall)) in enumerate(curves.items()):
            kept = _thin(recall)
            axis.plot(
                100 * recall[kept], 100 * precision[kept], color=color(k), label=short(name), drawstyle="steps-pre"
            )
        axis.set(xlim=(0, 101), ylim=(0, 103), xlabel="sensitivity (%)", ylabel="PPV (%)", title="PPV over sensitivity")
        axis.legend(loc="lower left", ncols=2)
    return figure


def calibration(curves: Mapping[str, tuple[Array, Array, Array]]) -> "Figure":
    """Draw how often a class comes true against the probability said, by class: `reliability` of each."""
    with style():
        figure = canvas(NARROW, 3.9)
        axis = figure.subplots()
        axis.plot([0, 100], [0, 100], color=LIGHT["grey"], linewidth=1, linestyle=(0, (4, 3)))
        for k, (name, (said, true, count)) in enumerate(curves.items()):
            kept = count >= 5  # a share of fewer is noise
            axis.plot(100 * said[kept], 100 * true[kept], color=color(k), label=short(name), marker="o", ms=4)
        axis.set(xlim=(0, 101), ylim=(0, 103), xlabel="probability said (%)", ylabel="came true (%)")
        axis.set_title("Calibration")
        axis.legend(loc="upper left", ncols=2)
    return figure


def scatter(truth: Array, answer: Array, name: str, unit: str) -> "Figure":
    """Draw answers against the reference."""
    with style():
        figure = canvas(NARROW, 3.9)
        axis = figure.subplots()
        kept = _sample(len(truth))
        ends = [np.nanmin([truth, answer]), np.nanmax([truth, answer])]
        axis.plot(ends, ends, color=LIGHT["grey"], linewidth=1, linestyle=(0, (4, 3)))
        axis.plot(truth[kept], answer[kept], ".", color=color(0), ms=3, alpha=0.4, rasterized=False)
        axis.set(xlabel=f"reference {name} ({unit})", ylabel=f"answered ({unit})", title="Answer and reference")
    return figure


def differences(truth: Array, answer: Array, name: str, unit: str) -> "Figure":
    """Draw errors against the mean of answer and reference, with bias and limits of agreement (Bland, Altman 1986)."""
    error = answer - truth
    bias, sd = float(error.mean()), float(error.std())
    with style():
        figure = canvas(NARROW, 3.9)
        axis = figure.subplots()
        kept = _sample(len(truth))
        axis.plot((truth + answer)[kept] / 2, error[kept], ".", color=color(0), ms=3, alpha=0.4)
        for value, dash in ((bias, "-"), (bias - 1.96 * sd, "--"), (bias + 1.96 * sd, "--")):
            axis.axhline(value, color=LIGHT["orange"], linewidth=1.4, linestyle=dash)
            axis.annotate(f"{value:.1f}", (1, value), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        axis.set(xlabel=f"mean of both {name} ({unit})", ylabel=f"answer less reference ({unit})")
        axis.set_title("Bias and limits of agreement")
    return figure


def trace(
    time_s: Array, truth: Array, answer: Array, title: str, unit: str, bounds: tuple[Array, Array] | None
) -> "Figure":
    """Draw a recording's answers over time beside the reference."""
    with style():
        figure = canvas(NARROW, 2.5)
        axis = figure.subplots()
        if bounds is not None:
            axis.fill_between(time_s / 60, *bounds, color=color(0), alpha=0.2, linewidth=0, label="stated bounds")
        axis.plot(time_s / 60, truth, color=LIGHT["ink"], linewidth=1.2, label="reference")
        axis.plot(time_s / 60, answer, color=color(0), linewidth=1.4, label="answered")
        axis.set(xlabel="minutes", ylabel=unit, title=title)
        figure.legend(loc="outside lower left", ncols=3, handlelength=1.2, columnspacing=1)
    return figure


def _thin(values: Array, points: int = 400) -> Array:
    """Return the indices of so many points of a curve, evenly in its value, its ends included."""
    at = np.searchsorted(values, np.linspace(values[0], values[-1], points))
    return np.unique(np.concatenate([[0], np.minimum(at, len(values) - 1), [len(values) - 1]]))


def _sample(n: int, points: int = 2000) -> Array:
    """Return evenly spaced indices: a page of a million dots does not open."""
    return np.unique(np.linspace(0, n - 1, min(n, points)).astype(np.int64))
