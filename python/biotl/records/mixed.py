"""Files whose channels have rates of their own: one Record holds those of one rate."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.record import Annotations, Record

# what these records are mostly read for
_HEART = re.compile(r"\b(ecg|ekg|ppg|pleth|bvp|mlii|ii)\b", re.IGNORECASE)


def plain_unit(unit: str) -> str:
    """Write a unit with a plain ``u`` for micro, of which Unicode has two.

    Examples
    --------
    >>> plain_unit("µV")
    'uV'
    """
    return unit.strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")


@dataclass(frozen=True)
class Channel:
    """One channel of a file: ``values()`` reads it, float32 of shape (samples,)."""

    name: str
    unit: str
    fs: float
    values: Callable[[], NDArray[np.float32]]


def one_rate(
    path: Path,
    found: Sequence[Channel],
    wanted: Sequence[str] | None,
    annotations: dict[str, Annotations] | None = None,
    subject: str = "",
) -> Record:
    """Build a Record of the channels asked for, or of those that share the rate of the ECG or PPG.

    Parameters
    ----------
    path : Path
        The file.
    found : sequence of Channel
        What it holds.
    wanted : sequence of str or None
        Names of channels of one rate; by default all at the rate of the first that is named as an ECG or PPG,
        else at the highest. Those left out are named in a warning.
    annotations, subject
        As in Record.

    Returns
    -------
    Record
        A channel that ends before the others is NaN from there on.

    Raises
    ------
    RecordError
        No channel, a name that no channel has, or names of several rates.
    """
    if not found:
        raise RecordError(str(path), "channels", "none", "a channel of samples")
    names = [channel.name for channel in found]
    if wanted is not None:
        chosen = [found[index] for index in pick(path, names, wanted)]
        rates = sorted({channel.fs for channel in chosen})
        if len(rates) > 1:
            got = ", ".join(f"{rate:g} Hz" for rate in rates)
            raise RecordError(str(path), "channels", f"rates of {got}", "channels of one rate", "read them one by one")
    else:
        heart = [channel.fs for channel in found if _HEART.search(channel.name)]
        fs = heart[0] if heart else max(channel.fs for channel in found)
        chosen = [channel for channel in found if channel.fs == fs]
        if left := [f"{channel.name} ({channel.fs:g} Hz)" for channel in found if channel.fs != fs]:
            shown = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
            warnings.warn(
                f"{path}: left out at another rate than {fs:g} Hz: {shown}; channels= reads them", stacklevel=4
            )
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite
        rows = [channel.values() for channel in chosen]
    n = max(map(len, rows))
    signal = np.full((len(rows), n), np.nan, np.float32)
    for row, values in zip(signal, rows, strict=True):
        row[: len(values)] = values
    return Record(
        path.stem,
        signal,
        chosen[0].fs,
        tuple(channel.name for channel in chosen),
        tuple(channel.unit for channel in chosen),
        subject or path.stem,
        annotations or {},
        path,
    )


def pick(path: Path, names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the indices of the channels of these names; refused where there is no such channel."""
    if gone := [name for name in wanted if name not in names]:
        raise RecordError(str(path), "channels", ", ".join(names)[:160], ", ".join(gone)[:80])
    if not wanted:
        raise RecordError(str(path), "channels", "no name asked for", f"some of {', '.join(names)[:160]}")
    return [names.index(name) for name in wanted]
