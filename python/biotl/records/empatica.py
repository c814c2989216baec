"""Empatica's wristbands: the start in seconds since 1970 in the first row, the rate in Hz below it, then values."""

import itertools
import re
from pathlib import Path

from biotl.errors import RecordError
from biotl.records import text
from biotl.records.record import Record

# name of each column and unit, as the info.txt of an export says
_KINDS = {
    "ACC": (("ACC_X", "ACC_Y", "ACC_Z"), "g", 1 / 64),
    "BVP": (("BVP",), "", 1.0),
    "EDA": (("EDA",), "uS", 1.0),
    "HR": (("HR",), "bpm", 1.0),
    "TEMP": (("TEMP",), "degC", 1.0),
}
_START = re.compile(r"1\d{9}(?:\.\d+)?")


def is_empatica(lines: list[str]) -> bool:
    """Whether the first rows are a start, the same in each column, and a rate.

    Examples
    --------
    >>> is_empatica(["1560279825.00", "64.000000", "0.1"]), is_empatica(["1", "2", "3"])
    (True, False)
    """
    if len(lines) < 2:
        return False
    start, rates = ({cell.strip() for cell in line.split(",")} for line in lines[:2])
    starts = start - {"IBI"}
    if len(starts) != 1 or not _START.fullmatch(min(starts)):
        return False
    return "IBI" in lines[0] or (len(rates) == 1 and bool(re.fullmatch(r"\d{1,4}(\.0*)?", rates.pop())))


def read(path: str | Path) -> Record:
    """Read ``ACC.csv``, ``BVP.csv``, ``EDA.csv``, ``HR.csv`` or ``TEMP.csv`` of an Empatica export.

    Parameters
    ----------
    path : str or Path
        The file; its name says what it holds.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples): acceleration in g, BVP without a unit.

    Raises
    ------
    RecordError
        A file that is missing or damaged, and ``IBI.csv``, which holds intervals and no samples.
    """
    path = Path(path)
    with text.opened(path) as file:
        first, second, *_ = [*itertools.islice(file, 2), "", ""]
        if "IBI" in first:
            got = "intervals between beats, each with its time"
            raise RecordError(str(path), "rows", got, "samples of one rate", "read BVP.csv, which they were taken from")
        width = first.count(",") + 1
        try:
            fs = float(second.split(",")[0])
        except ValueError:
            fs = 0.0
        if not 0 < fs < 1e6:
            raise RecordError(str(path), "line 2", second.strip()[:40], "the rate in Hz")
        columns = text.read_columns(
            path, iter(file.readline, ""), text.Dialect("," if width > 1 else " "), width=width,
            values=list(range(width)), times=[], first_line=3,
        )  # fmt: skip
    names, unit, scale = _KINDS.get(path.stem.upper(), (tuple(f"column {i + 1}" for i in range(width)), "", 1.0))
    if len(names) != width:
        raise RecordError(str(path), "columns", str(width), f"{len(names)} in {path.name}")
    values = columns.values
    values *= scale
    return Record(path.stem, values, fs, names, (unit,) * width, path.stem, source=path)
