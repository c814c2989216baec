"""Samples as they arrive, from a pipe or a growing file, as arrays of shape (channels, samples)."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import clock, text
from biotl.records.csv import heading
from biotl.records.uneven import GAP, PACKET_S

CHUNK = 1 << 16
WAIT_S = 0.2
_DAY_S = 86400.0
_PAUSE_S = 3600.0  # longer ones are another recording, and their gap would take all memory
_GAPS = 4  # more than these, and one in four rows: it is the rate that is wrong
_DRIFT = 0.02  # of the rate: no clock is worse


def chunks(source: Path | None, *, follow: bool = False) -> Iterator[bytes]:
    """Yield bytes as they come: of a file, or of the standard input where there is none.

    Parameters
    ----------
    source : Path or None
        The file.
    follow : bool
        Wait for more at the end of it, until the process is ended.
    """
    handle = 0 if source is None else os.open(source, os.O_RDONLY)
    try:
        while True:
            data = os.read(handle, CHUNK)
            if data:
                yield data
            elif follow:
                time.sleep(WAIT_S)
            else:
                return
    finally:
        if source is not None:
            os.close(handle)


class Text:
    r"""Rows of text, one a sample: numbers with commas, tabs, semicolons or spaces between; an empty one is a gap.

    A column of times is no channel: a row that is missing by it is a gap.

    Parameters
    ----------
    source : str
        What the text comes from, for an error.
    fs : float
        Rate in Hz.

    Attributes
    ----------
    channels, units : tuple of str
        Names and units in the first row, where that holds them; empty before, and where it holds numbers.

    Examples
    --------
    >>> rows = Text("stdin", 250)
    >>> rows.push(b"II,V1 (uV)\n0.5,1").shape, rows.push(b".5\n,2\n").tolist(), rows.channels, rows.units
    ((2, 0), [[0.5, nan], [1.5, 2.0]], ('II', 'V1'), ('', 'uV'))
    >>> Text("stdin", 250).push(b"t_s,II\n0,1\n0.004,2\n0.012,3\n").tolist()
    [[1.0, 2.0, nan, 3.0]]
    """

    def __init__(self, source: str, fs: float) -> None:
        self.channels: tuple[str, ...] = ()
        self.units: tuple[str, ...] = ()
        self._source, self._fs, self._rest, self._row, self._width = source, fs, b"", 0, 0
        self._clock: _Clock | None = None

    def push(self, data: bytes) -> NDArray[np.float32]:
        """Take bytes; return the samples of the rows that are whole, shape (channels, samples).

        Raises
        ------
        RecordError
            At a row with another number of columns than the first, or something that is no number, naming the row.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        samples: list[list[float]] = []
        for line in lines:
            row = self._numbers(line)
            if row is None:
                continue
            if self._clock is not None:
                samples += [[float("nan")] * (self._width - 1)] * self._clock.missing(row.pop(self._clock.column))
            samples.append(row)
        return np.array(samples, np.float32).reshape(-1, self._channels).T

    def finish(self) -> NDArray[np.float32]:
        """Return the sample of a last row without its end."""
        return self.push(b"\n") if self._rest.strip() else np.zeros((self._channels, 0), np.float32)

    @property
    def _channels(self) -> int:
        return self._width - (self._clock is not None)

    def _numbers(self, line: bytes) -> list[float] | None:
        self._row += 1
        said = line.decode("utf-8", "replace").strip("\ufeff\r")
        mark = next((mark for mark in "\t;," if mark in said), None)
        cells = [cell.strip().replace(",", ".") for cell in said.split(mark)]
        if mark is None and not any(cells):
            return None  # an empty line is no sample
        if not self._width:
            self._width = len(cells)
            if not any(cell and (text.is_number(cell) or text.is_time(cell)) for cell in cells):
                self._name(cells)
                return None
        timed = -1 if self._clock is None else self._clock.column
        try:
            row = [text.seconds(cell) if k == timed and text.is_time(cell) else float(cell or "nan")
                   for k, cell in enumerate(cells)]  # fmt: skip
        except ValueError:
            row = []
        if len(row) != self._width:
            wanted = f"{self._width} numbers"
            raise RecordError(self._source, f"row {self._row}", said[:60] or "nothing", wanted, "one row a sample")
        return row

    def _name(self, cells: Sequence[str]) -> None:
        """Take the names and units of a header row; the first column of times is the clock, and no channel."""
        pairs = [heading(cell.strip('"')) for cell in cells]
        times = [k for k, (name, _) in enumerate(pairs) if clock.words(name) & clock.TIME]
        if times and len(cells) > 1:
            self._clock = _Clock(self._source, times[0], *pairs.pop(times[0]), self._fs)
        self.channels = tuple(name for name, _ in pairs)
        self.units = tuple(unit for _, unit in pairs) if any(unit for _, unit in pairs) else ()


class _Clock:
    """The times of rows: how many are missing before one, and whether they agree with the rate that is stated."""

    def __init__(self, source: str, column: int, name: str, unit: str, fs: float) -> None:
        self.column = column
        self._source, self._name, self._unit, self._fs = source, name, unit, fs
        self._scale = self._days = 0.0  # seconds a unit; seconds of the midnights that were passed
        self._first = self._last = np.nan
        self._rows = self._since = self._gaps = 0  # rows in all, rows since `_first`, gaps

    def missing(self, time: float) -> int:
        """Return how many rows are missing before one with this time, NaN where it has none.

        Raises
        ------
        RecordError
            If times go back, or are of another rate than the one that is stated.
        """
        time += self._days
        if time - self._last < -_DAY_S / 2 and self._scale == 1:  # times of day
            self._days, time = self._days + _DAY_S, time + _DAY_S
        if not self._rows or not np.isfinite(time):
            self._first, self._last = (time, time) if not self._rows else (self._first, self._last)
            return self._count(0)
        if not self._scale and time > self._first:
            pair = np.array([self._first, time])
            step = np.diff(clock.in_seconds(Path(self._source), self._name, self._unit, pair, self._fs))[0]
            self._scale = float(step / (time - self._first))
        step, elapsed = (self._scale * (time - past) for past in (self._last, self._first))
        ahead = elapsed * self._fs - self._since
        if not 0 <= step <= _PAUSE_S or time < self._last:
            self._refuse(f"{step if self._scale else time - self._last:g} s after the row before", "times that go on")
        self._last = time
        if step * self._fs > GAP and ahead > GAP / 2:
            self._gaps += 1
            self._first, self._since = time, 0
        elif abs(ahead) > _DRIFT * self._since + PACKET_S * self._fs:
            self._refuse(f"{self._since / elapsed:.4g} rows a second" if elapsed else "one time", f"{self._fs:g}")
        else:
            ahead = 0.0
        if self._gaps > max(_GAPS, self._rows / 4):
            self._refuse(f"rows missing before {self._gaps} of {self._rows}", f"{self._fs:g} rows a second")
        return self._count(round(ahead))

    def _count(self, missing: int) -> int:
        self._rows, self._since = self._rows + 1, self._since + 1
        return missing

    def _refuse(self, got: str, wanted: str) -> NoReturn:
        hint = "give --fs as the times are, or leave their column away to take rows as even"
        raise RecordError(self._source, f"column {self._name}, sample {self._rows + 1}", got, wanted, hint)


class Raw:
    """Little-endian float32 numbers, channel after channel of each sample.

    Parameters
    ----------
    channels : sequence of str
        Their names.

    Examples
    --------
    >>> numbers = Raw(("II", "V1"))
    >>> data = np.arange(4, dtype="<f4").tobytes()
    >>> numbers.push(data[:9]).tolist(), numbers.push(data[9:]).tolist()
    ([[0.0], [1.0]], [[2.0], [3.0]])
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self.channels = tuple(channels)
        self.units: tuple[str, ...] = ()
        self._rest = b""

    def push(self, data: bytes) -> NDArray[np.float32]:
        """Take bytes; return the samples that are whole, shape (channels, samples)."""
        data = self._rest + data
        whole = len(data) // (4 * len(self.channels)) * 4 * len(self.channels)
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], "<f4").reshape(-1, len(self.channels)).T

    def finish(self) -> NDArray[np.float32]:
        """Return nothing: a sample of which some channels are lacking was not sent."""
        return np.zeros((len(self.channels), 0), np.float32)
