"""Stretches of test recordings, chosen by a stated rule, errors first, and drawn on ECG paper."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biotl.report.content import Figure
from biotl.report.style import LIGHT, WIDE, canvas, short, style
from biotl.scoring.answers import Answered, models

if TYPE_CHECKING:
    from matplotlib import figure as matplotlib

SECONDS = 8.0
"""As wide as 25 mm/s gives on a page."""
RULE = (
    "Chosen by rule, not by eye: of each of the {errors} most frequent kinds of error the middle one, in time, of the "
    "recording that has most of them; then of the {right} rarest classes the middle right answer of the recording that "
    "has most of them."
)
ERRORS, RIGHT = 4, 2


@dataclass(frozen=True)
class Trace:
    """A stretch of one lead: its name, its unit, its rate in Hz, and its samples (1-D)."""

    lead: str
    unit: str
    fs: float
    signal: NDArray[Any]


Read = Callable[[str, float, float], Trace | None]
"""Gives the lead that the model saw of a recording, from one second to another, or None where it is not at hand."""


@dataclass(frozen=True)
class Pick:
    """A unit worth looking at: whose, which, and what it stands for."""

    of: Answered
    unit: int
    kind: str


def choose(answered: Sequence[Answered], labels: Sequence[str]) -> list[Pick]:
    """Choose units by `RULE`, errors first.

    Parameters
    ----------
    answered : sequence of Answered
        The test recordings; judged are the answers of this run's own model.
    labels : sequence of str
        Class names.
    """
    own, names = models(answered)[0], [*labels, f"no {answered[0].unit}"]
    kinds: dict[tuple[int, int], dict[int, NDArray[Any]]] = {}
    for k, of in enumerate(answered):
        pairs = np.stack([of.truth, of.answers[own]], axis=1)[of.truth >= -1]
        for truth, answer in np.unique(pairs, axis=0).tolist():
            if answer >= 0:
                at = np.flatnonzero((of.truth == truth) & (of.answers[own] == answer))
                kinds.setdefault((truth, answer), {})[k] = at
    size = {kind: sum(map(len, of.values())) for kind, of in kinds.items()}
    wrong = sorted((kind for kind in kinds if kind[0] != kind[1]), key=lambda kind: (-size[kind], kind))
    right = sorted((kind for kind in kinds if kind[0] == kind[1]), key=lambda kind: (size[kind], kind))
    picks = []
    for kind in (*wrong[:ERRORS], *right[:RIGHT]):
        k, at = max(kinds[kind].items(), key=lambda item: (len(item[1]), -item[0]))
        truth, answer = (names[index] for index in kind)
        words = f"{truth} answered as {answer}" if kind[0] != kind[1] else f"{truth} told right"
        more = f"{size[kind]:,} in all, {len(at):,} of them in this recording"
        picks.append(Pick(answered[k], int(at[len(at) // 2]), f"{words} ({more})"))
    return picks


def strips(answered: Sequence[Answered], labels: Sequence[str], read: Read) -> Iterator[Figure]:
    """Yield a figure for each chosen stretch whose signal can be read."""
    own = models(answered)[0]
    for pick in choose(answered, labels):
        of, middle = pick.of, float(pick.of.span[pick.unit].mean()) / pick.of.fs
        start, stop = middle - SECONDS / 2, middle + SECONDS / 2
        if of.unit == "window":
            start, stop = (float(edge) / of.fs for edge in of.span[pick.unit])
        start = max(start, 0.0)
        found = read(of.id, start, stop)
        if found is None or not np.isfinite(found.signal).any():
            continue
        time_s = of.span.mean(axis=1) / of.fs if of.unit == "window" else of.span[:, 0] / of.fs
        inside = np.flatnonzero((time_s >= start) & (time_s < stop) & (of.truth >= -1))
        answers, truth = of.answers[own][inside], of.truth[inside]
        marks = [
            (float(time_s[unit]), labels[a] if a >= 0 else "?", labels[t] if t >= 0 else f"no {of.unit}")
            for unit, a, t in zip(inside, answers, truth, strict=True)
        ]
        caption = f"{pick.kind}. Recording {of.id}, lead {found.lead}, from {start:.0f} s."
        yield Figure(partial(strip, found, start, marks), f"{caption} Answered classes above the signal.", caption)


def strip(found: Trace, start_s: float, marks: Sequence[tuple[float, str, str]]) -> "matplotlib.Figure":
    """Draw a stretch, each unit marked with its answered class, wrong ones red with the reference in brackets.

    Parameters
    ----------
    found : Trace
        The signal; millivolts are drawn at 10 mm/mV, other units to fit.
    start_s : float
        Where it begins in the recording.
    marks : sequence of (seconds, answer, reference)
        Seconds from the start of the recording.
    """
    found = replace(found, signal=np.where(np.isfinite(found.signal), found.signal, np.nan))
    t = start_s + np.arange(len(found.signal)) / found.fs
    paper = found.unit == "mV"
    low, high = float(np.nanmin(found.signal)), float(np.nanmax(found.signal))
    if paper:
        low, high = np.floor(low * 2 - 0.3) / 2, np.ceil(high * 2 + 1.0) / 2
        paper = high - low <= 8  # a lead that runs off is drawn to fit
    if not paper:
        low, high = low - 0.05 * (high - low), high + 0.25 * (high - low) + 1e-9
    from matplotlib.ticker import MaxNLocator

    with style(**{"axes.grid": False}):
        figure = canvas(WIDE, 0.6 * (high - low) + 0.8 if paper else 2.8)
        axis = figure.subplots()
        left, right = t[0] - 0.1, t[-1] + 0.1  # room for the label of a beat at the edge
        if paper:
            # the paper as two collections of lines: as many ticks would take seconds to draw
            for x_step, y_step, tone, width in ((0.04, 0.1, "fine-grid", 0.4), (0.2, 0.5, "grid", 0.7)):
                x = np.arange(np.ceil(left / x_step), right / x_step) * x_step
                axis.vlines(x, low, high, LIGHT[tone], linewidth=width)
                y = np.arange(low / y_step, high / y_step + 0.5) * y_step
                axis.hlines(y, left, right, LIGHT[tone], linewidth=width)
        axis.plot(t, found.signal, color=LIGHT["ink"], linewidth=1.0)
        for when, answer, truth in marks:
            right_one = answer == truth
            words = short(answer) if right_one else f"{short(answer)} ({short(truth)})"
            look: dict[str, Any] = {"color": LIGHT["ink"]}
            if not right_one:
                box = {"boxstyle": "round,pad=0.2", "fc": LIGHT["wrong-tint"], "ec": LIGHT["wrong"]}
                look |= {"color": LIGHT["wrong"], "fontweight": "bold", "bbox": box}
            axis.text(when, high - 0.03 * (high - low), words, ha="center", va="top", **look)
        axis.set(xlim=(left, right), ylim=(low, high), xlabel="s", ylabel=f"{found.lead} ({found.unit})")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return figure
