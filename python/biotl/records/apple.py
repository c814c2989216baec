"""Apple's export of one ECG as CSV: lines of what is known, in the language of the phone, then one value a line."""

import itertools
import re
from pathlib import Path

from biotl.errors import RecordError
from biotl.records import text
from biotl.records.mixed import plain_unit
from biotl.records.record import Record

_RATE = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:hertz|hz)\b", re.IGNORECASE)
_LEAD = re.compile(r"(?:lead|ableitung|dérivation|derivación|derivazione|afleiding)$", re.IGNORECASE)
_UNIT = re.compile(r"(?:unit|einheit|unité|unidad|unità|eenheid)$", re.IGNORECASE)
_VALUE = re.compile(r"-?\d+(?:[.,]\d+)?\s*$")
_LINES = 60  # before the first value


def about(lines: list[str]) -> tuple[int, float, str, str] | None:
    """Line of the first value, rate, lead and unit; None where this is no such file.

    Examples
    --------
    >>> about(["Sample Rate,512 hertz", "", "Lead,Lead I", "Unit,µV", "", "1.5", "2"])
    (5, 512.0, 'Lead I', 'uV')
    """
    rate, lead, unit = 0.0, "", ""
    for at, line in enumerate(lines[:_LINES]):
        if _VALUE.match(line):
            return (at, rate, lead, unit) if rate and unit else None
        key, _, value = (part.strip().strip('"') for part in line.partition(","))
        if found := _RATE.search(value):
            rate = float(found[1].replace(",", "."))
        elif _LEAD.match(key):
            lead = value
        elif _UNIT.match(key):
            unit = plain_unit(value)
    return None


def read(path: str | Path) -> Record:
    """Read the CSV of one ECG that Apple's Health app exports, with decimal points or commas.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        One channel, float32 of shape (1, samples), named as the lead is there.

    Raises
    ------
    RecordError
        A file that is missing, or lacks its rate, its unit or its values.
    """
    path = Path(path)
    with text.opened(path) as file:
        found = about(list(itertools.islice(file, _LINES)))
        if found is None:
            raise RecordError(str(path), "lines", "no rate, unit and values", "an ECG as Apple's Health app exports it")
        start, fs, lead, unit = found
        file.seek(0)
        lines = (line.replace(",", ".") for line in itertools.islice(file, start, None))
        columns = text.read_columns(
            path, lines, text.Dialect(" "), width=1, values=[0], times=[], first_line=start + 1
        )  # fmt: skip
    return Record(path.stem, columns.values, fs, (lead or "ECG",), (unit,), path.stem, source=path)
