"""Samples as they arrive, from a pipe or a growing file, as arrays of shape (channels, samples)."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError

CHUNK = 1 << 16
WAIT_S = 0.2


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

    Parameters
    ----------
    source : str
        What the text comes from, for an error.

    Attributes
    ----------
    channels : tuple of str
        Names in the first row, where that holds names; empty before, and where it holds numbers.

    Examples
    --------
    >>> rows = Text("stdin")
    >>> rows.push(b"II,V1\n0.5,1").shape, rows.push(b".5\n,2\n").tolist(), rows.channels
    ((2, 0), [[0.5, nan], [1.5, 2.0]], ('II', 'V1'))
    """

    def __init__(self, source: str) -> None:
        self.channels: tuple[str, ...] = ()
        self._source, self._rest, self._row, self._width = source, b"", 0, 0

    def push(self, data: bytes) -> NDArray[np.float32]:
        """Take bytes; return the samples of the rows that are whole, shape (channels, samples).

        Raises
        ------
        RecordError
            At a row with another number of columns than the first, or something that is no number, naming the row.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        samples = [row for line in lines if (row := self._numbers(line)) is not None]
        return np.array(samples, np.float32).reshape(-1, self._width).T

    def finish(self) -> NDArray[np.float32]:
        """Return the sample of a last row without its end."""
        return self.push(b"\n") if self._rest.strip() else np.zeros((self._width, 0), np.float32)

    def _numbers(self, line: bytes) -> list[float] | None:
        self._row += 1
        text = line.decode("utf-8", "replace").strip("\ufeff\r")
        mark = next((mark for mark in ",;\t" if mark in text), None)
        cells = [cell.strip() for cell in text.split(mark)]
        if mark is None and not any(cells):
            return None  # an empty line is no sample
        try:
            row = [float(cell) if cell else float("nan") for cell in cells]
        except ValueError:
            if not self._width:
                self.channels, self._width = tuple(cells), len(cells)
                return None
            row = []
        self._width = self._width or len(row)
        if len(row) != self._width:
            wanted = f"{self._width} numbers"
            raise RecordError(self._source, f"row {self._row}", text[:60] or "nothing", wanted, "one row a sample")
        return row


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
