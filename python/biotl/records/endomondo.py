"""Endomondo and FitRec: one workout a line, a Python or JSON dictionary of lists; never evaluated."""

import ast
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from biotl.errors import RecordError
from biotl.records.activity import from_points
from biotl.records.record import Record

_LONGEST = 1 << 24  # characters of a line: 500 points take about 40,000


def read(path: str | Path) -> Record:
    """Read the one workout of a file with a single line; :func:`workouts` reads them all.

    Raises
    ------
    RecordError
        A file that is missing or damaged, or holds more than one.
    """
    path = Path(path)
    found = []
    for record in workouts(path):
        found.append(record)
        if len(found) > 1:
            hint = "biotl.records.endomondo.workouts reads them all"
            raise RecordError(str(path), "lines", "more than one workout", "one", hint)
    if not found:
        raise RecordError(str(path), "lines", "none", "a workout")
    return found[0]


def workouts(path: str | Path) -> Iterator[Record]:
    """Read one workout after the other, each on a time line of 1 Hz.

    Parameters
    ----------
    path : str or Path
        The file: lines such as ``{'id': 1, 'userId': 2, 'heart_rate': [...], 'timestamp': [...], ...}``.

    Yields
    ------
    Record
        Named by its ``id``, its subject ``userId``. ``speed`` is in km/h, ``altitude`` in m, as there.

    Raises
    ------
    RecordError
        A file that is missing, or a line that is no dictionary of lists of one length.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            number = 0
            while line := file.readline(_LONGEST):
                number += 1
                if line.strip():
                    yield _workout(path, number, line)
    except OSError as error:
        raise RecordError(str(path), "file", str(error), "lines of workouts") from error


def _workout(path: Path, number: int, line: str) -> Record:
    where = f"line {number}"
    about = _dictionary(path, where, line)
    times, rate = about.get("timestamp"), about.get("heart_rate")
    lists = {name: about[name] for name in ("heart_rate", "speed", "altitude") if isinstance(about.get(name), list)}
    if not isinstance(times, list) or not isinstance(rate, list) or {len(v) for v in lists.values()} != {len(times)}:
        got = ", ".join(f"{name} {len(v)}" for name, v in lists.items()) or "no lists"
        raise RecordError(str(path), where, got[:100], "timestamp and heart_rate, lists of one length")
    try:
        seconds = [float(time) for time in times]
        columns = {name: [float(value) for value in values] for name, values in lists.items()}
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(str(path), where, str(error)[:80], "lists of numbers") from error
    if any(b < a for a, b in pairwise(seconds)) or not np.isfinite(seconds).all():
        raise RecordError(str(path), where, "times that go back", "times in order")
    name = str(about.get("id", f"{path.stem}-{number}"))
    east = about.get("longitude")
    longitude = float(east[0]) if isinstance(east, list) and east and isinstance(east[0], int | float) else math.nan
    return from_points(path, name, seconds, columns, subject=str(about.get("userId", name)), longitude=longitude)


def _dictionary(path: Path, where: str, line: str) -> dict[str, Any]:
    try:
        # literals only: nothing is called or looked up
        value = json.loads(line) if '"' in line[:20] else ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"[:80]
        raise RecordError(str(path), where, got, "a dictionary of lists") from error
    if not isinstance(value, dict):
        raise RecordError(str(path), where, type(value).__name__, "a dictionary of lists")
    return value
