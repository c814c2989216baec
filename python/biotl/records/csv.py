"""Text tables: a header row that names channels and units, and a time column that gives the rate."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import clock, text, uneven
from biotl.records.mixed import plain_unit
from biotl.records.record import Record

_BRACKETS = re.compile(r"(.*\S)\s*[\[(](.*)[\])]")
_SUFFIXES = {"ms", "mV", "uV", "µV", "bpm", "kmh", "mmHg", "Hz", "degC"}
# a single letter is a unit only behind a quantity that is measured in it: lead_V is a lead, ppg_g is green
_LETTERS = re.compile(r".*(altitude|elevation|distance|height)_m|acc.*_g|.*(time|elapsed)_s|t_s", re.IGNORECASE)
_HEAD_LINES = 200  # a preamble is no longer
_RATE = re.compile(
    r"(?:rate|frequency|fs|abtastrate)\D*?(\d+(?:[.,]\d+)?)\s*(?:hertz|hz|$)|(\d+(?:[.,]\d+)?)\s*hertz", re.I
)
_FRAMES = re.compile(r"(?=.*[a-f])(?:[0-9a-f]{2}){16,}", re.IGNORECASE)
_WIDE = 64  # columns that a table of one row a sample has at most, unless it has more rows


@dataclass(frozen=True)
class _Head:
    """What stands before the data of a table, and where these begin."""

    dialect: text.Dialect
    names: tuple[str, ...]
    units: tuple[str, ...]
    sample: tuple[str, ...]
    skip: int
    fs: float | None
    named: bool


def read(path: str | Path, *, fs: float | None = None) -> Record:
    """Read a table with one row a sample, separated by commas, semicolons, tabs or spaces.

    The header row names each column with its unit, ``ecg (mV)`` or ``heart_rate_bpm``, or a row of units follows it. A
    time column gives the rate: seconds, ms, us or ns as its name says, or since 1970; dates with times in ISO form;
    times of day. Columns of time, of row numbers, of labels and of text are no channels. Decimal commas, UTF-16,
    Latin-1 and lines before the header are understood, and a rate stated there.

    Parameters
    ----------
    path : str or Path
        The file.
    fs : float, optional
        Rate in Hz, where there is no time column, or one that is uneven.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples); an empty cell is NaN, and so is a row that is missing by the times
        of its neighbours. A column without a unit has ``""``, one without a name is called by its number.

    Raises
    ------
    RecordError
        A file that is missing, ragged or not numeric, or whose rate is neither stated nor in a time column that is even
        up to the digits that its times are written with.
    """
    path = Path(path)
    with text.opened(path) as file:
        head = _head(path, list(itertools.islice(file, _HEAD_LINES)))
        file.seek(0)
        lines = itertools.islice(file, head.skip, None)
        values, times, clocks = _roles(path, head)
        read_ = text.read_columns(
            path, lines, head.dialect, width=len(head.names), values=values, times=times, clocks=clocks,
            first_line=head.skip + 1,
        )  # fmt: skip
    n = read_.values.shape[1]
    if n < 2 or (len(values) > _WIDE and len(values) > n):
        got = f"{n} rows of {len(head.names)} columns"
        raise RecordError(
            str(path), "rows", got, "two rows or more, one a sample", "transpose it, or save a file a row"
        )
    keep = [i for i, column in enumerate(values) if not _counts(head.names[column], read_.values[i])]
    if not keep:
        raise RecordError(
            str(path), "columns", ", ".join(head.names)[:80], "a column of samples beside time and labels"
        )
    rate, place = _clock(path, head, times, clocks, read_.times, fs)
    signal = read_.values if len(keep) == len(values) else read_.values[keep]
    signal = clock.spread(signal, place)
    names = tuple(head.names[values[i]] for i in keep)
    units = tuple(head.units[values[i]] for i in keep)
    return Record(path.stem, signal, rate, names, units, path.stem, source=path)


def _head(path: Path, lines: list[str]) -> _Head:
    if lines and re.fullmatch(r'"?sep=.(")?\s*', lines[0]):
        lines = ["\n", *lines[1:]]
    dialect = text.Dialect.of(lines)
    rows = [dialect.cells(line) if line.strip() else [] for line in lines]
    numeric = [bool(row) and all(text.is_number(c) or text.is_time(c) for c in row if c) and any(row) for row in rows]
    full = Counter(len(row) for row in rows[-20:] if row).most_common(1)[0][0] if any(rows) else 0
    least = full - (dialect.separator != " ")
    wide = [least <= len(row) <= full for row in rows]
    # the data begin where the last run of rows of numbers does; text columns beside numbers are allowed
    some = [any(text.is_number(c) and c for c in row) or any(map(text.is_time, row)) for row in rows]
    data = [number or (has and full > 1) for number, has in zip(numeric, some, strict=True)]
    start = len(rows)
    while start and (not rows[start - 1] or (data[start - 1] and wide[start - 1])):
        start -= 1
    # two rows of numbers above are data too: what stands between is an odd row, not a header
    earlier = [i for i in range(start - 1) if numeric[i] and wide[i]]
    start = earlier[0] if len(earlier) > 1 else start
    while start < len(rows) and not rows[start]:
        start += 1
    if start == len(rows):
        got = lines[0].strip()[:80] if lines else "an empty file"
        raise RecordError(str(path), "rows", got, "a header row and rows of numbers")
    if start + 1 < len(rows) and rows[start] == ["", *map(str, range(full - 1))]:
        start += 1  # a data frame without names: its columns are counted, its index is not named
    sample = rows[start]
    above = [i for i in range(start) if rows[i]]
    # a header row may lack the cell behind the last separator, but a line of one cell is a remark
    named = [i for i in above if wide[i] and len(rows[i]) > 1 and not (len(rows[i]) < full and full == 2)]
    if full == 1 and above and not any(lines[i].count(",") for i in above[-1:]):
        named = [i for i in above if len(rows[i]) == 1]
    header, units = _names(rows, named, start, full)
    keyed = {rows[i][0]: rows[i][1:] for i in above if rows[i][0].endswith("=")}
    if "ChannelTitle=" in keyed:  # a text of LabChart: its times stand first, without a name
        header, units = ["time_s", *keyed["ChannelTitle="]], ["s", *keyed.get("UnitName=", [])]
    elif not header:
        header = _ramp([row[0] for row in rows[start : start + 100] if row], full)
    fs = _stated_rate(lines[: named[0]] if named else lines[:start])
    names = header or (f"column {i + 1}" for i in range(full))
    pairs = [heading(cell) for cell in names]
    pairs += [("", "")] * (full - len(pairs))
    stated = tuple(plain_unit(units[i]) if units and i < len(units) and units[i] else pairs[i][1] for i in range(full))
    return _Head(dialect, tuple(name for name, _ in pairs[:full]), stated, tuple(sample), start, fs, bool(header))


def _names(rows: list[list[str]], named: list[int], start: int, full: int) -> tuple[list[str], list[str]]:
    """Header row and row of units, each empty where there is none."""
    if not named or (full == 1 and len(named) > 2):
        return [], []
    if len(named) > 1 and named[-1] == start - 1 and named[-2] == start - 2:
        return rows[named[-2]], rows[named[-1]]
    return rows[named[-1]], []


def _ramp(cells: list[str], full: int) -> list[str]:
    """Names for a table without any whose first column grows evenly: no signal does, so it is time or counts rows."""
    try:
        steps = np.diff([float(cell) for cell in cells])
    except ValueError:
        return []
    if full < 2 or len(steps) < 10 or steps.min() <= 0 or np.ptp(steps) > 0.5 * np.median(steps):
        return []
    first = "index" if np.all(steps == 1) else "time_s" if steps.max() < 1 else "time"
    return [first, *(f"column {i + 1}" for i in range(1, full))]


def _stated_rate(lines: Sequence[str]) -> float | None:
    """Rate that a line before the table states, as ``Sampling Rate: 250`` or ``512 hertz``."""
    found = next((match for line in lines if (match := _RATE.search(line))), None)
    return float((found[1] or found[2]).replace(",", ".")) or None if found else None


def heading(cell: str) -> tuple[str, str]:
    """Return the name and the unit of a column, as its cell of the header row has them.

    Examples
    --------
    >>> heading("ecg (mV)"), heading("time [ms]"), heading("heart_rate_bpm"), heading("II")
    (('ecg', 'mV'), ('time', 'ms'), ('heart_rate', 'bpm'), ('II', ''))
    """
    cell = cell.strip()
    if match := _BRACKETS.fullmatch(cell):
        return match[1], plain_unit(match[2].strip())
    name, _, unit = cell.rpartition("_")
    known = (
        unit in _SUFFIXES or _LETTERS.fullmatch(cell) or (unit in clock.TO_SECONDS and clock.words(name) & clock.TIME)
    )
    return (name, plain_unit(unit)) if name and known else (cell, "")


def _roles(path: Path, head: _Head) -> tuple[list[int], list[int], list[int]]:
    """Columns that are values, that are times, and that are times written as dates or times of day."""
    values, times, clocks = [], [], []
    for i, name in enumerate(head.names):
        cell = head.sample[i] if i < len(head.sample) else ""
        if i == len(head.names) - 1 and not name and not cell:
            continue  # a separator at the end of each line
        if _FRAMES.fullmatch(cell):
            hint = "export the samples that it decodes to"
            raise RecordError(str(path), f"column {name or i + 1}", "raw frames of a sensor in hex", "samples", hint)
        if text.is_time(cell):
            times.append(i)
            clocks.append(i)
        elif not text.is_number(cell) or clock.words(name) & clock.LABEL - {""}:
            continue
        elif name != "T" and (
            clock.words(name) & clock.TIME
            or name.lower() in clock.TO_SECONDS.keys() - {"h", "min"}
            or name.lower().endswith(("timestamp", "timestamps"))
        ):
            times.append(i)
        else:
            values.append(i)
    return values, times, clocks


def _counts(name: str, column: NDArray[np.float32]) -> bool:
    """Whether a column only counts rows."""
    if not clock.words(name) & clock.INDEX and name.lower() not in clock.INDEX and not name.startswith("Unnamed"):
        return False
    steps = np.diff(column[: 1 << 20].astype(np.float64))
    return bool(np.all((steps == 1) | (steps < 0)))


def _few_times(column: NDArray[np.float64]) -> float | None:
    """Rate of a column with a few times only, as a track of VitalDB: the first, and the second or the last."""
    rows = np.flatnonzero(np.isfinite(column))
    if not 2 <= len(rows) < len(column) / 2 or rows[0] != 0 or column[rows[-1]] <= column[0]:
        return None
    fs = float(f"{(rows[-1] - rows[0]) / (column[rows[-1]] - column[0]):.6g}")  # times have three digits or so
    return fs if np.abs((column[rows] - column[0]) * fs - rows).max() < 0.5 else None


def _clock(
    path: Path,
    head: _Head,
    times: list[int],
    clocks: list[int],
    columns: NDArray[np.float64],
    fs: float | None,
) -> tuple[float, NDArray[np.int64] | None]:
    """Rate and places of the rows by the first time column that is even, or as stated."""
    refusal = first = None
    for at, column in enumerate(times):
        if given := _few_times(columns[at]):
            return given, None
        try:
            if column in clocks:
                seconds = clock.past_midnight(columns[at])
            else:
                seconds = clock.in_seconds(path, head.names[column], head.units[column], columns[at], fs)
            first = seconds if first is None else first
            return clock.lattice(path, seconds)
        except RecordError as error:
            refusal = refusal or error
    if rate := fs or head.fs:
        return rate, None if first is None else uneven.places(path, first, rate)
    if refusal:
        raise refusal
    pairs = zip(head.names, head.units, strict=True)
    header = ", ".join(f"{name} ({unit})" if unit else name for name, unit in pairs)
    header = header if head.named else f"none above {len(head.names)} columns"
    wanted = "one time column: t_s, t_ms or time (s)"
    raise RecordError(str(path), "header row", header[:120], wanted, "or state the rate: fs=250, --fs 250")
