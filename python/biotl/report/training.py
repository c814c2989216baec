"""How a run was trained: one panel of losses, and one of what stages are chosen by, for each stage."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from biotl.report.content import Figure, Section, Text
from biotl.report.style import LIGHT, NARROW, canvas, style

if TYPE_CHECKING:
    from matplotlib import figure as matplotlib

METRICS = {"macro_f1": "macro-F1", "auroc": "AUROC", "accuracy": "accuracy", "mae": "mean absolute error"}
Rows = Sequence[Mapping[str, Any]]


def training(history: Rows) -> Section:
    """Return the section of a run's training, empty where nothing was trained.

    Parameters
    ----------
    history : sequence of rows
        The lines of ``metrics.jsonl``; those of kind ``epoch`` are drawn: ``train.loss``, ``loss``, and the first of
        `METRICS` that is there. The epoch that was kept (``best``) is ringed.
    """
    rows = [row for row in history if row.get("kind") == "epoch"]
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        stages.setdefault(str(row["stage"]), []).append(row)
    figures = [
        Figure(partial(panel, name, of), f"Losses of stage {name} over its {len(of)} epochs")
        for name, of in stages.items()
    ]
    note = Text(("Losses on training and validation recordings; the epoch that was kept is ringed.",), "soft")
    return Section("How it was trained", (note, *figures) if figures else ())


def panel(name: str, rows: Rows) -> "matplotlib.Figure":
    """Draw one stage: its losses, and below them the metric where it has one."""
    from matplotlib.ticker import MaxNLocator

    metric = next((key for key in METRICS if any(row.get(key) is not None for row in rows)), None)
    with style():
        figure = canvas(NARROW, 4.4 if metric else 2.9)
        axes = figure.subplots(2 if metric else 1, 1, squeeze=False, sharex=True)[:, 0]
        _line(axes[0], rows, "train.loss", "grey", "training")
        _line(axes[0], rows, "loss", "accent", "validation")
        axes[0].set(ylabel="loss", title=name)
        axes[0].legend()
        if metric:
            _line(axes[1], rows, metric, "accent", METRICS[metric])
            axes[1].set_ylabel(METRICS[metric])
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _line(axis: Any, rows: Rows, key: str, color: str, name: str) -> None:
    drawn = [row for row in rows if row.get(key) is not None]
    kept = [row for row in drawn if row.get("best")][-1:]
    axis.plot(
        [r["epoch"] + 1 for r in drawn], [r[key] for r in drawn], color=LIGHT[color], marker="o", ms=3.5, label=name
    )
    axis.plot([r["epoch"] + 1 for r in kept], [r[key] for r in kept], "o", color=LIGHT[color], ms=9, fillstyle="none")
