"""Text tables: a header row that names channels and units, and a time column that gives the rate."""

import csv
import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.record import Record

_BRACKETS = re.compile(r"(.*\S)\s*[\[(](.*)[\])]")
_SUFFIXES = {"s", "ms", "mV", "uV", "V", "bpm", "kmh", "m", "g", "mmHg", "Hz"}
_SECONDS = {"s": 1.0, "ms": 1e-3}


def read(path: str | Path) -> Record:
    """Read a table with one row a sample, separated by commas, semicolons or tabs.

    The header row names each column with its unit, ``ecg (mV)`` or ``heart_rate_bpm``. The column ``t_s``, ``time (s)``
    or ``t_ms`` gives the rate.

    Parameters
    ----------
    path : str or Path
        The file: UTF-8, with or without a byte-order mark.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples); an empty cell is NaN. A column without a unit has ``""``.

    Raises
    ------
    RecordError
        A file that is missing, ragged or not numeric, or whose time column is missing or uneven by more than 1 % of a
        step and the digits that its times are written with.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(str(path), "file", str(error), "a readable text table") from error
    head = lines[0] if lines else ""
    try:
        rows = list(csv.reader(lines, delimiter=max(",;\t", key=head.count)))
    except csv.Error as error:
        raise RecordError(str(path), "cells", str(error), "a readable text table") from error
    columns = [_column(cell) for cell in rows[0]] if rows else []
    table = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise RecordError(str(path), f"line {number}", f"{len(row)} cells", f"{len(columns)} as in the header row")
        try:
            table.append([float(cell) if cell.strip() else math.nan for cell in row])
        except ValueError as error:
            raise RecordError(str(path), f"line {number}", str(error), "numbers or empty cells") from error
    data = np.array(table, np.float64).reshape(len(table), len(columns)).T
    times = [i for i, (name, unit) in enumerate(columns) if name in {"t", "time"} and unit in _SECONDS]
    if len(times) != 1:
        header = ", ".join(f"{name} ({unit})" if unit else name for name, unit in columns) or "an empty file"
        raise RecordError(str(path), "header row", header, "one time column: t_s, t_ms or time (s)")
    fs = _rate(path, data[times[0]] * _SECONDS[columns[times[0]][1]])
    keep = [i for i in range(len(columns)) if i != times[0]]
    names, units = tuple(columns[i][0] for i in keep), tuple(columns[i][1] for i in keep)
    return Record(path.stem, data[keep].astype(np.float32), fs, names, units, path.stem, source=path)


def _column(cell: str) -> tuple[str, str]:
    """Name and unit of ``ecg (mV)``, ``ecg [mV]`` or ``heart_rate_bpm``."""
    cell = cell.strip()
    if match := _BRACKETS.fullmatch(cell):
        return match[1], match[2].strip()
    name, _, unit = cell.rpartition("_")
    return (name, unit) if name and unit in _SUFFIXES else (cell, "")


def _rate(path: Path, time_s: NDArray[np.float64]) -> float:
    index = np.arange(len(time_s))
    with np.errstate(all="ignore"):
        elapsed = time_s - time_s[:1]
        step = float(elapsed[-1] / index[-1]) if len(index) > 1 else math.nan
        if 1e-9 < step < np.inf:
            # a time is rounded to its last digit, unless it is 0; below a third of a step no missing row can hide
            digit = next((10.0**-d for d in range(9) if np.all(np.abs(np.round(time_s, d) - time_s) < 1e-10)), 0.0)
            rounding = (0.501 if time_s[0] == 0 else 0.999) * digit * (digit <= 1.001 * step)
            whole = max(round(1 / step), 1)
            if np.abs(elapsed - index / whole).max() < max(rounding, min(0.001, 0.3 * step)):
                return float(whole)
            if np.abs(elapsed - index * step).max() <= 0.01 * step + min(digit, 0.3 * step):
                return 1 / step
        steps = np.diff(time_s)
    got = f"steps from {steps.min():g} to {steps.max():g} s" if len(steps) else f"{len(time_s)} rows"
    raise RecordError(str(path), "time column", got, "two rows or more, evenly spaced", "resample to one rate")
