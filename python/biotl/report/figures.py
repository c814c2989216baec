"""Figures of a run, each a matplotlib figure: training curves, confusion, bars beside baselines, ECG strips."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import MissingExtraError
from biotl.report.content import Strip

try:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, MultipleLocator
except ImportError as error:
    raise MissingExtraError("matplotlib", "train") from error

INK, FAINT, GREY, ACCENT, WRONG = "#1f2933", "#d5dbe1", "#8a9ba8", "#0b6e99", "#c0392b"
# Distinct in lightness too, so that they stay apart in print and for colour-blind readers; the model's comes first.
SERIES = (ACCENT, GREY, "#e08e45", "#5b8c5a", "#7b5ea7")
# red is kept for what is wrong
CLASS_COLOR = {"N": INK, "S": "#b8660b", "V": ACCENT, "F": "#7b5ea7", "Q": "#5b8c5a"}
METRICS = ("accuracy", "macro_f1", "auroc", "mae")
STYLE: Any = {
    "axes.edgecolor": "#9aa5b1",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.color": "#e9edf0",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "biotl",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def _style() -> Iterator[None]:
    with rc_context(STYLE):
        yield


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with _style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def training_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw a run's losses, and its metrics on the validation subjects, over its epochs; one column a stage.

    Parameters
    ----------
    history : sequence of rows
        The lines of ``metrics.jsonl``; of kind ``epoch`` are drawn ``train.loss``, ``loss`` and what `METRICS` names,
        and the epoch that was kept (``best``) is ringed.

    Returns
    -------
    Figure
    """
    history = [row for row in history if row.get("kind") == "epoch"]
    stages = list(dict.fromkeys(str(row["stage"]) for row in history))
    metrics = [name for name in METRICS if any(row.get(name) is not None for row in history)]
    with _style():
        figure = Figure(figsize=(max(3.2 * len(stages), 5), 3.9 if metrics else 2.3))
        axes = figure.subplots(2 if metrics else 1, len(stages), squeeze=False)
        for column, stage in enumerate(stages):
            rows = [row for row in history if row["stage"] == stage]
            top, bottom = axes[0, column], axes[-1, column]
            _line(top, rows, "train.loss", GREY, "training")
            _line(top, rows, "loss", ACCENT, "validation")
            top.set_title(stage)
            top.legend(loc="best", fontsize=8)
            for name, color in zip(metrics, (ACCENT, *SERIES[2:]), strict=False):
                _line(bottom, rows, name, color, name.replace("_", " "))
            if metrics and bottom.lines:
                bottom.legend(loc="best", fontsize=8)
            bottom.set_xlabel("epoch")
            for axis in (top, bottom):
                axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes[0, 0].set_ylabel("loss")
        if metrics:
            axes[1, 0].set_ylabel("on validation subjects")
    return figure


def _line(axis: Any, rows: Sequence[Mapping[str, Any]], key: str, color: str, name: str) -> None:
    drawn = [row for row in rows if row.get(key) is not None]
    if not drawn:
        return
    axis.plot([r["epoch"] + 1 for r in drawn], [r[key] for r in drawn], color=color, marker="o", ms=3, label=name)
    kept = [row for row in drawn if row.get("best")][-1:]
    axis.plot([r["epoch"] + 1 for r in kept], [r[key] for r in kept], "o", color=color, ms=8, fillstyle="none")


def confusion_matrix(confusion: NDArray[np.int64], labels: Sequence[str]) -> Figure:
    """Draw reference by prediction, shaded by the share of each reference class.

    Parameters
    ----------
    confusion : ndarray of int64, shape (classes + 1, classes + 1)
        The last row counts false detections, the last column missed beats. A class that never occurs is left out.
    labels : sequence of str
        Class names.

    Returns
    -------
    Figure
    """
    met = [i for i in range(len(labels)) if confusion[i].any() or confusion[:, i].any()]
    confusion, labels = confusion[np.ix_([*met, -1], [*met, -1])], [labels[i] for i in met]
    rows, columns = [*labels, "no beat"], [*labels, "missed"]
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    share[-1] = 0.0  # what is no beat has no class to take a share of
    with _style(), rc_context({"axes.grid": False}):
        figure = Figure(figsize=(0.85 * len(columns) + 1.1, 0.55 * len(rows) + 1.1))
        axis = figure.subplots()
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
        for (i, j), count in np.ndenumerate(confusion):
            if (i, j) == (len(labels), len(labels)):
                continue
            color, weight = "white" if share[i, j] > 0.6 else INK, "bold" if i == j else "normal"
            axis.text(j, i, f"{count:,}", ha="center", va="center", color=color, fontweight=weight)
        axis.axhline(len(labels) - 0.5, color="white", linewidth=3)
        axis.axvline(len(labels) - 0.5, color="white", linewidth=3)
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), rows)
        axis.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axis.spines[:].set_visible(False)
        axis.set_xlabel("predicted")
        axis.xaxis.set_label_position("top")
        axis.xaxis.labelpad = 8
        axis.set_ylabel("reference")
    return figure


def class_bars(scores: Mapping[str, Sequence[Mapping[str, Any]]], macro_f1: Mapping[str, float]) -> Figure:
    """Draw F1 by class, and macro-F1, of a model beside its baselines.

    Parameters
    ----------
    scores : mapping of str to rows
        By model name; each row has ``class``, ``beats`` and ``F1`` in per cent. Classes without beats are left out.
    macro_f1 : mapping of str to float
        In per cent, by the same names.

    Returns
    -------
    Figure
    """
    first = next(iter(scores.values()))
    classes = [str(row["class"]) for row in first if row["beats"]]
    counts = {str(row["class"]): row["beats"] for row in first}
    groups = [f"{name}\n{counts[name]:,} beats" for name in classes] + ["macro-F1\n"]
    width = 0.82 / len(scores)
    with _style():
        figure = Figure(figsize=(10, 3.0))
        axis = figure.subplots()
        for k, (name, rows) in enumerate(scores.items()):
            f1 = {str(row["class"]): float(row["F1"]) for row in rows}
            values = [f1[c] for c in classes] + [macro_f1[name]]
            at = np.arange(len(groups)) + (k - (len(scores) - 1) / 2) * width
            bars = axis.bar(at, values, width * 0.94, color=SERIES[k % len(SERIES)], label=name)
            axis.bar_label(bars, [f"{v:.0f}" for v in values], fontsize=7, padding=1)
        axis.axvline(len(classes) - 0.5, color=FAINT)
        axis.set_xticks(range(len(groups)), groups)
        axis.tick_params(axis="x", length=0)
        axis.grid(visible=False, axis="x")
        axis.set_ylim(0, 112)
        axis.set_yticks(range(0, 101, 20))
        axis.set_ylabel("F1 (%)")
        axis.legend(ncols=len(scores), loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=8)
    return figure


def ecg_strip(strip: Strip) -> Figure:
    """Draw a strip on ECG paper (25 mm/s, 10 mm/mV), each beat marked with its predicted class.

    A prediction that differs from the reference is drawn red, with the reference in brackets.

    Parameters
    ----------
    strip : Strip
        What to draw.

    Returns
    -------
    Figure
    """
    t = strip.start_s + np.arange(len(strip.signal)) / strip.fs
    low = np.floor(float(np.nanmin(strip.signal)) * 2 - 0.3) / 2
    high = np.ceil(float(np.nanmax(strip.signal)) * 2 + 1.0) / 2
    truth = strip.truth or ("",) * len(strip.label)
    with _style(), rc_context({"axes.grid": False}):
        figure = Figure(figsize=(10, 0.62 * (high - low) + 0.75))
        axis = figure.subplots()
        # the paper as two collections of lines: as many ticks would take seconds to draw
        left, right = t[0] - 0.1, t[-1] + 0.1  # room for the label of a beat at the edge
        for x_step, y_step, color, width in ((0.04, 0.1, "#fbe9e7", 0.4), (0.2, 0.5, "#f3c6c2", 0.7)):
            axis.vlines(np.arange(np.ceil(left / x_step), right / x_step) * x_step, low, high, color, linewidth=width)
            axis.hlines(np.arange(low / y_step, high / y_step + 0.5) * y_step, left, right, color, linewidth=width)
        axis.plot(t, strip.signal, color=INK, linewidth=1.0)
        for when, label, reference in zip(strip.time_s, strip.label, truth, strict=True):
            if t[0] <= when <= t[-1]:
                _mark(axis, float(when), high - 0.08, label, reference)
        axis.set_xlim(left, right)
        axis.set_ylim(low, high)
        axis.xaxis.set_major_locator(MultipleLocator(1))
        axis.tick_params(length=0, labelsize=7)
        axis.set_xlabel("s", fontsize=8)
        axis.set_ylabel("mV", fontsize=8)
        axis.spines[:].set_visible(False)
    return figure


def _mark(axis: Any, x: float, y: float, label: str, truth: str) -> None:
    place = {"ha": "center", "va": "top", "fontsize": 9}
    if truth in ("", label):
        weight = "normal" if label == "N" else "bold"
        axis.text(x, y, label, color=CLASS_COLOR.get(label, INK), fontweight=weight, **place)
    else:
        box = {"boxstyle": "round,pad=0.2", "fc": "#fdecea", "ec": WRONG, "lw": 0.8}
        axis.text(x, y, f"{label} ({truth})", color=WRONG, fontweight="bold", bbox=box, **place)
