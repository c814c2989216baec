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
        found.append(beside.headline(probe, [beside.compared(probe, name) for name in others]))
        keys = ("macro_f1", "accuracy") if "labels" in probe["task"] else ("mae", "r2")
        why = (
            "A linear model on the frozen encoder's output, learnt and chosen without the test recordings. If it does "
            "no better than the same probe on an encoder that was never trained, pretraining bought nothing here."
        )
        found.append(Section("What a linear probe reads from it", (Text((why,), "soft"), beside.models(probe, keys))))
    elif objective:
        figure, *rest = objective[0].items()
        found.append(Section("", (Headline((Card(str(rest[0][1]), str(figure[1]), f"of the {rest[0][0]} model"),)),)))
    blocks: list[Block] = [Table(list(objective), "On validation recordings.")] if objective else []
    blocks += [
        Figure(partial(panel, of), f"{of.title}: signal, and what was put in its hidden parts") for of in restored
    ]
    return [*found, Section("What it learnt to put back", tuple(blocks)), training(history)]


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
