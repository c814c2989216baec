"""Text with columns of numbers, in blocks: any common encoding, separator and decimal sign, memory near the array's."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError

_BLOCK = 1 << 20  # characters parsed at a time
_HEAD = 1 << 16  # bytes that the form of a file is judged by
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_EMPTY = re.compile(r"|nan|na|n/a|#n/a|#div/0!|#value!|null|none|missing|-{1,3}|\?", re.IGNORECASE)
_CLOCK = re.compile(
    r"\[?\s*(?:(\d{4}[-/]\d\d?[-/]\d\d?|\d\d?[/.]\d\d?[/.]\d{4})[T ]+)?(?:(\d+):)?(\d{1,2}):(\d\d(?:[.,]\d+)?)"
)
_DAY_BEHIND = re.compile(r"(\d\d?/\d\d?/\d{4})\]?$")
_ZONE = re.compile(r"\s*(?:Z|UTC|GMT|([+-])(\d\d):?(\d\d))$")


def encoding_of(head: bytes) -> str:
    """Tell the encoding of a text by its first bytes: UTF-8, UTF-16 or Latin-1.

    Examples
    --------
    >>> encoding_of(b"a,b"), encoding_of("µV".encode("latin-1")), encoding_of("a".encode("utf-16"))
    ('utf-8-sig', 'latin-1', 'utf-16')
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for order, nul in (("utf-16-le", head[1:60:2]), ("utf-16-be", head[0:60:2])):
        if len(head) > 3 and not nul.strip(b"\0") and len(set(head[:60])) > 2:
            return order
    try:
        head[: head.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def opened(path: Path) -> io.TextIOWrapper:
    """Open a text file in its own encoding.

    Raises
    ------
    RecordError
        If it cannot be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        encoding = encoding_of(head)
        if not encoding.startswith("utf-16") and b"\0" in head:
            raise RecordError(str(path), "file", "bytes that are no text", "a text table", "convert it to CSV or EDF")
        return path.open(encoding=encoding, errors="replace", newline=None)
    except OSError as error:
        raise RecordError(str(path), "file", error.strerror or str(error), "a readable text table") from error


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart: a separator (``" "`` for any white space) and a decimal sign."""

    separator: str
    decimal: str = "."

    def cells(self, line: str) -> list[str]:
        """Split one line."""
        line = line.replace("'", "").strip("\r\n")
        if self.separator == " ":
            return line.split()
        try:
            cells = next(csv.reader([line], delimiter=self.separator), [])
        except csv.Error:  # a cell of more than 131,072 characters
            cells = line.split(self.separator)
        return [cell.strip() for cell in cells]

    @classmethod
    def of(cls, lines: Sequence[str]) -> "Dialect":
        """Judge the dialect by some lines of a table, the last of which hold data.

        Examples
        --------
        >>> Dialect.of(["t;x", "0,1;2,5", "0,2;2,6"]), Dialect.of(["1.5", "2.5"]).separator
        (Dialect(separator=';', decimal=','), ' ')
        """
        data = [line for line in lines if line.strip()][-20:]
        for separator in "\t;|,":
            # lines that are cut short or empty at their end must not decide
            if 2 * sum(separator in line for line in data) <= len(data):
                continue
            cells = [cell for line in data for cell in cls(separator).cells(line)]
            if len(cells) < 1.5 * len(data):
                continue
            numbers = [cell for cell in cells if _NUMBER.fullmatch(cell)]
            commas = any("," in cell for cell in numbers) and not any("." in cell for cell in numbers)
            return cls(separator, "," if commas else ".")
        return cls(" ")


def is_number(cell: str) -> bool:
    """Whether a cell is a number or says that there is none."""
    return bool(_NUMBER.fullmatch(cell) or _EMPTY.fullmatch(cell) or cell.lower() in {"inf", "-inf"})


def is_time(cell: str) -> bool:
    """Whether a cell is a date with a time, or a time of day."""
    return bool(_CLOCK.match(cell))


@dataclass(frozen=True)
class Columns:
    """What was read: numbers as float32 and times as seconds in float64."""

    values: NDArray[np.float32]
    times: NDArray[np.float64]


def read_columns(
    path: Path,
    lines: Iterator[str],
    dialect: Dialect,
    *,
    width: int,
    values: Sequence[int],
    times: Sequence[int],
    clocks: Sequence[int] = (),
    first_line: int = 1,
) -> Columns:
    """Read columns of a table by NumPy's C reader, a block of lines at a time.

    Parameters
    ----------
    path : Path
        The file, for errors and for the size of what is read.
    lines : iterator of str
        The lines of the table.
    dialect : Dialect
        How cells are told apart.
    width : int
        Cells a line; one more is allowed where it is empty.
    values, times : sequence of int
        Columns kept as float32, and as float64.
    clocks : sequence of int
        Columns among ``times`` that hold dates or times of day; they become seconds.
    first_line : int
        Number of the first line, for errors.

    Returns
    -------
    Columns
        ``values`` of shape (len(values), n), ``times`` of shape (len(times), n). An empty cell is NaN.

    Raises
    ------
    RecordError
        A line with another number of cells, or a cell that is no number.
    """
    out, clock = _Growing(len(values), np.float32), _Growing(len(times), np.float64)
    block: list[str] = []
    size, number = 0, first_line
    order = [*values, *(column for column in times if column not in clocks)]
    numeric = {column: at for at, column in enumerate(order)}

    def take() -> None:
        kept = [line for line in block if not line.isspace()]
        if not kept:
            return
        rows, separator = _plain(path, kept, dialect, width, number - len(block))
        table = _numbers(path, rows, separator, order, number - len(block))
        if not out.n:  # what the first block took tells what the file will
            rows_in_all = int(1.05 * path.stat().st_size / max(size, 1) * len(rows)) + len(rows)
            out.reserve(rows_in_all)
            clock.reserve(rows_in_all)
        out.add(table[:, : len(values)].T)
        if times:
            parts = [_seconds(rows, separator, c) if c in clocks else table[:, numeric[c]] for c in times]
            clock.add(np.stack(parts))

    for line in lines:
        block.append(line)
        size += len(line)
        number += 1
        if size >= _BLOCK:
            take()
            block, size = [], 0
    take()
    return Columns(out.whole(), clock.whole())


class _Growing:
    """Rows that grow: memory is asked for ahead, and only what is written to is used."""

    def __init__(self, rows: int, dtype: type) -> None:
        self.data: NDArray[Any] = np.empty((rows, 0), dtype)
        self.n = 0

    def reserve(self, n: int) -> None:
        larger = np.empty((len(self.data), n), self.data.dtype)
        larger[:, : self.n] = self.data[:, : self.n]
        self.data = larger

    def add(self, part: NDArray[np.floating]) -> None:
        end = self.n + part.shape[1]
        if end > self.data.shape[1]:
            self.reserve(end + end // 2)
        with np.errstate(over="ignore", invalid="ignore"):
            self.data[:, self.n : end] = part
        self.n = end

    def whole(self) -> NDArray[Any]:
        rows, flat = len(self.data), self.data.reshape(-1)
        for row in range(1, rows):  # in place: a copy of all would double the memory
            flat[row * self.n : (row + 1) * self.n] = self.data[row, : self.n].copy()
        return flat[: rows * self.n].reshape(rows, self.n)


def _plain(path: Path, lines: list[str], dialect: Dialect, width: int, number: int) -> tuple[list[str], str | None]:
    """Lines with one separator and points as decimal signs, each of the same number of cells."""
    separator = dialect.separator
    if any("'" in line for line in lines[:1]):
        lines = [line.replace("'", "") for line in lines]
    if any('"' in line for line in lines):
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error as error:
            raise RecordError(str(path), "cells", str(error), "a readable text table") from error
        lines, separator = ["\x1f".join(row) for row in rows], "\x1f"
    if dialect.decimal == ",":
        lines = [line.replace(",", ".") for line in lines]
    if separator == " ":
        return lines, None
    for at, line in enumerate(lines):
        cells = line.count(separator) + 1
        # a separator at the end of a line opens no cell
        if cells != width and not (cells == width + 1 and line.rstrip("\r\n ").endswith(separator)):
            raise RecordError(str(path), f"line {number + at}", f"{cells} cells", f"{width} as in the rows before")
    return lines, separator


def _numbers(
    path: Path, lines: list[str], separator: str | None, columns: list[int], number: int
) -> NDArray[np.float64]:
    if not columns:
        return np.empty((len(lines), 0))
    try:
        return np.loadtxt(lines, delimiter=separator, usecols=columns, ndmin=2, comments=None)
    except ValueError:
        pass  # a cell that is empty or no number: seen to one by one
    table = np.empty((len(lines), len(columns)))
    for at, line in enumerate(lines):
        cells = line.split(separator)
        for to, column in enumerate(columns):
            cell = cells[column].strip() if column < len(cells) else None
            try:
                table[at, to] = np.nan if cell is not None and _EMPTY.fullmatch(cell) else float(cell or "")
            except ValueError:
                got = f"{cell[:40]!r} in column {column + 1}" if cell else f"{len(cells)} cells"
                raise RecordError(str(path), f"line {number + at}", got, "numbers or empty cells") from None
    return table


def _seconds(lines: list[str], separator: str | None, column: int) -> NDArray[np.float64]:
    """Seconds of a column of dates or times of day."""
    return np.array([seconds(line.split(separator)[column]) for line in lines])


def seconds(cell: str) -> float:
    """Seconds since 1970 of a date with a time, or since midnight of a time of day; NaN where it is neither.

    Examples
    --------
    >>> seconds("1970-01-02T00:00:01.5+01:00"), seconds("'1:02.250'".strip("'")), seconds("[00:00:02.000 01/01/1970]")
    (82801.5, 62.25, 2.0)
    """
    cell = cell.strip()
    found = _CLOCK.match(cell)
    if not found:
        return np.nan
    day, hours, minutes, rest = found.groups()
    total = 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(rest.replace(",", "."))
    if re.search(r"\b[AP]M\b", cell, re.IGNORECASE):
        total += 43200 * (bool(re.search("PM", cell, re.IGNORECASE)) - (int(hours or 0) == 12))
    if behind := _DAY_BEHIND.search(cell):
        day = behind[1]
    if day:  # of 3/4/2024 nobody can say which is the month; between rows of a day it makes no difference
        parts = [int(part) for part in re.split("[-/.]", day)]
        year, month, date = parts if parts[0] > 31 else parts[::-1]
        month, date = (date, month) if month > 12 else (month, date)
        day = f"{year:04d}-{month:02d}-{date:02d}"
    if day:
        try:
            total += float(np.datetime64(day, "D").astype(np.int64)) * 86400
        except ValueError:
            return np.nan
        if (zone := _ZONE.search(cell)) and zone[1]:
            total -= (1 if zone[1] == "+" else -1) * (3600.0 * int(zone[2]) + 60.0 * int(zone[3]))
    return total
