"""The report of pretraining: losses, what was put back, and a linear probe beside random initialisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biotl.report import beside
from biotl.report.content import Block, Card, Figure, Headline, Section, Table, Text
from biotl.report.style import LIGHT, NARROW, canvas, style
from biotl.report.training import training

if TYPE_CHECKING:
    from matplotlib import figure as matplotlib


RANDOM = "random initialisation"
FEATURES = "simple features"
COLLAPSED = 2.0
"""Effective directions of the embedding below which nothing but one number is told by it."""


@dataclass(frozen=True)
class Restored:
    """A stretch with parts hidden, and what the model put there.

    Parameters
    ----------
    title : str
        Such as the recording and channel.
    fs : float
        Sampling rate in Hz.
    signal, restored : ndarray, shape (samples,)
        What was recorded, and what the model says.
    hidden : ndarray of bool, shape (samples,)
        Where the model did not see the signal.
    """

    title: str
    fs: float
    signal: NDArray[Any]
    restored: NDArray[Any]
    hidden: NDArray[np.bool_]


def sections(
    history: Sequence[Mapping[str, Any]],
    objective: Sequence[Mapping[str, Any]] = (),
    *,
    probe: beside.Results | None = None,
    restored: Sequence[Restored] = (),
) -> list[Section]:
    """Return what pretraining shows.

    Parameters
    ----------
    history : sequence of rows
        The lines of ``metrics.jsonl``.
    objective : sequence of rows
        What was learnt on validation recordings, one row a figure: ``figure``, ``pretrained``, and what it is beside,
        such as ``most frequent token`` or ``zero``.
    probe : mapping, optional
        `biotl.scoring.results.results` of linear probes: ``pretrained`` first, ``random initialisation`` beside it.
    restored : sequence of Restored
        Examples.
    """
    found: list[Section] = []
    if probe is not None:
        others = [name for name in probe["differences"] if name == RANDOM and name != beside.strongest(probe)]
        cards = [beside.compared(probe, name) for name in others]
        found.append(beside.headline(probe, [*gains(probe), *cards]))
        keys = ("macro_f1", "accuracy") if "labels" in probe["task"] else ("mae", "r2")
        why = (
            "A linear model on the frozen encoder's output, learnt and chosen without the test recordings. If it does "
            "no better than the same probe on an encoder that was never trained, pretraining bought nothing here."
        )
        found.append(Section("What a linear probe reads from it", (Text((why,), "soft"), beside.models(probe, keys))))
    elif objective:
        figure, *rest = objective[0].items()
        found.append(Section("", (Headline((Card(str(rest[0][1]), str(figure[1]), f"of the {rest[0][0]} model"),)),)))
    watched = [row for row in history if row.get("kind") == "probe"]
    if watched:
        found.append(Section("The same probe while it was trained", (Table([_watched(row) for row in watched]),)))
    blocks: list[Block] = [Table(list(objective), "On validation recordings.")] if objective else []
    blocks += restoration(history)
    blocks += [
        Figure(partial(panel, of), f"{of.title}: signal, and what was put in its hidden parts") for of in restored
    ]
    return [*found, Section("What it learnt to put back", tuple(blocks)), training(history)]


def gains(probe: beside.Results) -> list[Card]:
    """Return a card that says so where the probe shows no gain over random weights, or none over simple features."""
    none = [name for name in (RANDOM, FEATURES) if name in probe["differences"] and beside.verdict(probe, name)[1]]
    if not none:
        return []
    return [
        Card("no gain shown", f"over {' or '.join(none)}", "the interval of the difference does not leave 0", bad=True)
    ]


def restoration(history: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return, of the epoch kept last, how much of each channel was restored, and whether embeddings have collapsed."""
    kept = [row for row in history if row.get("kind") == "epoch" and row.get("best")][-1:]
    row = kept[0] if kept else {}
    names = [key.removeprefix("r2.") for key in row if key.startswith("r2.") and not key.endswith(".line")]
    shown = [
        {
            "channel": name,
            "R2 restored": number(row[f"r2.{name}"]),
            "of a straight line": number(row[f"r2.{name}.line"]),
        }
        for name in names
    ]
    blocks: list[Block] = []
    if shown:
        below = [name for name in names if not (row[f"r2.{name}"] or 0) > max(0, row[f"r2.{name}.line"] or 0)]
        note = "Share of the variance of hidden samples, of people not trained on; the mean of what is visible gives 0."
        blocks.append(Table(shown, note))
        if below:
            said = (
                f"No better than the mean, or a straight line from one visible sample to the next: {', '.join(below)}."
            )
            blocks.append(Text((said,), "warning"))
    if (rank := row.get("embedding.rank")) is not None:
        said = (
            f"Embeddings of validation windows spread by {row['embedding.sd']:.3g} in {rank:.1f} effective directions."
        )
        collapsed = rank < COLLAPSED
        blocks.append(Text((said + " They have collapsed." * collapsed,), "warning" if collapsed else "plain"))
    return blocks


def number(value: float | None) -> str:
    """Print a share, which may be below 0."""
    return "–" if value is None or value != value else f"{value:.3f}"


def _watched(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: number(of) for key, of in row.items() if key not in {"kind", "stage", "epoch", "step", "figure"}}
    return {"stage": row["stage"], "epoch": row["epoch"] + 1, "figure": row["figure"], **plain}


def panel(of: Restored) -> "matplotlib.Figure":
    """Draw a stretch with its hidden parts shaded, and what the model put there."""
    t = np.arange(len(of.signal)) / of.fs
    with style():
        figure = canvas(NARROW, 2.4)
        axis = figure.subplots()
        edges = np.flatnonzero(np.diff(np.concatenate([[False], of.hidden, [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            axis.axvspan(start / of.fs, stop / of.fs, color=LIGHT["grey"], alpha=0.18, linewidth=0)
        axis.plot(t, of.signal, color=LIGHT["ink"], linewidth=1, label="recorded")
        put = np.where(of.hidden, of.restored, np.nan)
        axis.plot(t, put, color=LIGHT["accent"], linewidth=1.6, label="put back")
        axis.set(xlabel="s", title=of.title)
        figure.legend(loc="outside lower left", ncols=2)
    return figure
