"""Endomondo and FitRec: one workout a line, a Python or JSON dictionary of lists; never evaluated.

A line of a file of many is named as a member of it: ``FILE.json/17`` is the eighteenth workout.
"""

import ast
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from biotl.errors import RecordError
from biotl.records.activity import along, from_points, speed_kmh
from biotl.records.record import Record

_LONGEST = 1 << 24  # bytes of a line: 500 points take about 40,000
_USER = re.compile(rb"['\"]userId['\"]\s*:\s*['\"]?([\w-]+)")
_FIRST = re.compile(rb"['\"]timestamp['\"]\s*:\s*\[\s*([\d.]+)")


@dataclass(frozen=True)
class Line:
    """Where a workout of a file of many begins, and what its line says of it.

    Parameters
    ----------
    number : int
        Of the line, from 1.
    offset : int
        Of its first byte.
    user : str
        ``userId``, empty where it is not stated.
    start_s : float
        Its first time in seconds, NaN where there is none.
    """

    number: int
    offset: int
    user: str
    start_s: float


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
            hint = f"{path.name}/0 is the first of them; the adapter workouts lists them all"
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
        Named by its ``id``, its subject ``userId``. ``speed`` is in km/h, ``altitude`` in m, as there; where a line
        has no speed, as most of FitRec's, it is that of its positions.

    Raises
    ------
    RecordError
        A file that is missing, or a line that is no dictionary of lists of one length.
    """
    path = Path(path)
    for _, number, line in _lines(path, 0, 1):
        yield _workout(path, number, line)


def lines(path: Path) -> list[Line]:
    """List the workouts of a file without reading their lists: its lines are looked through once.

    Raises
    ------
    RecordError
        A file that is missing.
    """
    stat = path.stat() if path.is_file() else None
    return _index(path, stat.st_mtime_ns, stat.st_size) if stat else _index(path, 0, 0)


def member(path: Path, index: int) -> Record:
    """Read one workout of a file of many, by its number from 0; raises as :func:`workouts`."""
    held = lines(path)
    if index >= len(held):
        raise RecordError(str(path / str(index)), "member", str(index), f"less than the {len(held)} of the file")
    _, number, line = next(_lines(path, held[index].offset, held[index].number))
    return _workout(path, number, line)


@lru_cache(4)
def _index(path: Path, _changed: int, _size: int) -> list[Line]:
    found = []
    for offset, number, line in _lines(path, 0, 1):
        user, first = _USER.search(line), _FIRST.search(line)
        found.append(Line(number, offset, user[1].decode() if user else "", float(first[1]) if first else math.nan))
    return found


def _lines(path: Path, offset: int, number: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield offset, number and text of each line that is not empty, from an offset on."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while line := file.readline(_LONGEST):
                if line.strip():
                    yield offset, number, line
                offset, number = offset + len(line), number + 1
    except OSError as error:
        raise RecordError(str(path), "file", str(error), "lines of workouts") from error


def _workout(path: Path, number: int, line: bytes) -> Record:
    where = f"line {number}"
    about = _dictionary(path, where, line.decode("utf-8", "replace").lstrip("\ufeff"))
    times, rate = about.get("timestamp"), about.get("heart_rate")
    lists = {name: about[name] for name in ("heart_rate", "speed", "altitude") if isinstance(about.get(name), list)}
    if not isinstance(times, list) or not isinstance(rate, list) or {len(v) for v in lists.values()} != {len(times)}:
        got = ", ".join(f"{name} {len(v)}" for name, v in lists.items()) or "no lists"
        raise RecordError(str(path), where, got[:100], "timestamp and heart_rate, lists of one length")
    north, east = (about[name] if isinstance(about.get(name), list) else [] for name in ("latitude", "longitude"))
    try:
        seconds = [float(time) for time in times]
        columns = {name: np.array([float(value) for value in values]) for name, values in lists.items()}
        places = [[float(a), float(b)] for a, b in zip(north, east, strict=False)]
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(str(path), where, str(error)[:80], "lists of numbers") from error
    if any(b < a for a, b in pairwise(seconds)) or not np.isfinite(seconds).all():
        raise RecordError(str(path), where, "times that go back", "times in order")
    if "speed" not in columns and len(places) == len(seconds) > 1:
        columns["speed"] = speed_kmh(seconds, along(places))
    name = str(about.get("id", f"{path.stem}-{number}"))
    longitude = places[0][1] if places else math.nan
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
