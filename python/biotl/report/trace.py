"""A recording drawn whole, row under row, with what a model answered on it."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biotl.deploy.events import Event
from biotl.deploy.prediction import Prediction
from biotl.records import Record
from biotl.records.atomic import write_bytes
from biotl.report.style import LIGHT, SERIES, WIDE, short, style

if TYPE_CHECKING:
    from matplotlib import figure as matplotlib

ROWS = 32
"""Of a long recording; as many as a page shows: half an hour in minutes, and a little."""
ROW_S = (10.0, 30.0, 60.0)
POINTS = 2000
"""Columns of a row that can be told apart; beyond them lowest and highest sample are drawn."""
BEAT_S = 0.15
"""Half the width of a marked beat: of its QRS complex and a little."""
COLOURS = tuple(name for name in SERIES if name != "grey")
DPI = 130


def write(made: Prediction, records: Sequence[Record], path: Path) -> None:
    """Draw a recording with its answers as a PNG, whole or not at all.

    Parameters
    ----------
    made : Prediction
        What was answered.
    records : sequence of Record
        The files of the recording.
    path : Path
        The file to write.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    file = io.BytesIO()
    draw(made, records).savefig(file, format="png", dpi=DPI, facecolor=LIGHT["paper"])
    write_bytes(path, file.getvalue())


def draw(made: Prediction, records: Sequence[Record]) -> "matplotlib.Figure":
    """Return the lead that was read first, with runs of an answer as bands and beats marked one by one.

    The commonest answer is left plain, every other has a colour, and where the model abstains the paper is grey. Values
    are drawn as a line above the signal, on an axis of their own.
    """
    lead = next(iter(made.leads.values()), "")
    record = next((one for one in records if lead in one.channels), records[0])
    index = record.channels.index(lead) if lead in record.channels else 0
    x, fs = record.signal[index], record.fs
    duration_s = max(len(x) / fs, 1 / fs)
    row_s = next((s for s in ROW_S if duration_s <= s * ROWS), float(np.ceil(duration_s / ROWS)))
    rows = int(np.ceil(duration_s / row_s))
    events = made.events()
    counts = {name: n for name, n in made.counts().items() if n and name in made.labels}
    usual = max(counts, key=lambda name: counts[name], default="")
    others = [name for name in made.labels if name in counts and name != usual]
    colour = {name: LIGHT[COLOURS[k % len(COLOURS)]] for k, name in enumerate(others)}
    known = x[np.isfinite(x)]
    # what the steepest thousandth does must not flatten the rest
    low, high = np.quantile(known, (0.0005, 0.9995)) if len(known) else (0.0, 1.0)
    room = 0.1 * (high - low) or 1.0
    with style(**{"axes.grid": False}):
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
        from matplotlib.ticker import MaxNLocator

        figure = Figure(figsize=(1.3 * WIDE, 1.0 + 0.75 * rows))
        axes = np.atleast_1d(figure.subplots(rows, 1, sharey=True))
        for k, axis in enumerate(axes):
            start, stop = k * row_s, (k + 1) * row_s
            _signal(axis, x[int(start * fs) : int(np.ceil(stop * fs))], start, fs)
            axis.set(xlim=(start, stop), ylim=(low - room, high + 3 * room))
            axis.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
            axis.set_ylabel(_clock(start), rotation=0, ha="right", va="center")
            axis.tick_params(length=0, labelleft=False, labelsize=8)
            axis.spines[:].set_visible(False)
            for event in events:
                _event(axis, event, made, colour, (start, stop))
            if made.name:
                _values(axis, made, low=k == 0)
        axes[-1].set_xlabel(f"s; {short(lead)}{f' ({record.units[index]})' * bool(record.units[index])}")
        said = ", ".join(f"{name} {n:,}" for name, n in made.counts().items() if n)
        figure.suptitle(f"{made.record or record.name}: {len(made):,} {made.unit}s{': ' * bool(said)}{said}", ha="left",
                        x=0.01, fontsize=11, fontweight="bold")  # fmt: skip
        shown = {**colour, **({"abstained": LIGHT["grey"]} if any(made.abstained) else {})}
        if shown:
            key = [Patch(color=tone, alpha=0.4, label=short(name)) for name, tone in shown.items()]
            figure.legend(handles=key, loc="upper right", ncols=len(key), fontsize=9)
    return figure


def _signal(axis: Any, x: NDArray[Any], start_s: float, fs: float) -> None:
    step = len(x) // POINTS
    if step < 3:
        axis.plot(start_s + np.arange(len(x)) / fs, x, color=LIGHT["ink"], linewidth=0.7)
        return
    parts = x[: len(x) // step * step].reshape(-1, step)
    low, high = np.where(np.isfinite(parts), parts, np.inf).min(1), np.where(np.isfinite(parts), parts, -np.inf).max(1)
    gone = ~np.isfinite(low)
    low, high = np.where(gone, np.nan, low), np.where(gone, np.nan, high)
    t = start_s + (np.arange(len(parts)) + 0.5) * step / fs
    axis.fill_between(t, low, high, color=LIGHT["ink"], linewidth=0.4)


def _event(axis: Any, event: Event, made: Prediction, colour: dict[str, str], row: tuple[float, float]) -> None:
    beside = BEAT_S if made.unit == "beat" else 0.0
    start, stop = event.start / made.fs - beside, event.stop / made.fs + beside
    if stop <= row[0] or start >= row[1] or (event.label not in colour and not event.abstained):
        return
    tone = LIGHT["line"] if event.abstained else colour[event.label]
    axis.axvspan(max(start, row[0]), min(stop, row[1]), color=tone, alpha=0.6 if event.abstained else 0.25, linewidth=0)
    # room for a word: a run begins in this row, and a row has at most some fifty of them
    if not event.abstained and start >= row[0] and row[1] - row[0] <= ROW_S[-1]:
        top = axis.get_ylim()[1]
        axis.text(start, top, short(event.label, 12), color=tone, fontsize=8, fontweight="bold", va="top")


def _values(axis: Any, made: Prediction, *, low: bool) -> None:
    beside = axis.twinx()
    middle = made.span.mean(axis=1) / made.fs
    beside.plot(middle, made.value, color=LIGHT["accent"], linewidth=1.4)
    if made.low is not None and made.high is not None:
        told = np.isfinite(made.value)
        beside.fill_between(middle, np.where(told, made.low, np.nan), np.where(told, made.high, np.nan),
                            color=LIGHT["accent"], alpha=0.2, linewidth=0)  # fmt: skip
    beside.tick_params(length=0, labelsize=8, labelcolor=LIGHT["accent"])
    beside.spines[:].set_visible(False)
    if low:
        beside.set_ylabel(f"{made.name} {made.measure}".strip(), color=LIGHT["accent"], fontsize=8)


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
