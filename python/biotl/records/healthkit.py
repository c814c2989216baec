"""Apple Health's ``export.xml``: heart rate over time, streamed, for it grows to gigabytes."""

from array import array
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from biotl.errors import RecordError
from biotl.records import xml
from biotl.records.activity import from_points
from biotl.records.record import Record

_HEART_RATE = "HKQuantityTypeIdentifierHeartRate"
_DAY_S = 86400
_MOST = 50_000_000  # values held at a time: 16 bytes each


def read(path: str | Path) -> Record:
    """Read the heart rate of the last day that has one.

    Days are cut at midnight of UTC; :func:`days` gives every one of them.

    Parameters
    ----------
    path : str or Path
        The file; it is streamed.

    Returns
    -------
    Record
        ``heart_rate`` in bpm at 1 Hz, NaN between the measurements.

    Raises
    ------
    RecordError
        A file that is missing, not well formed, declares entities, or holds no heart rate.
    """
    found = deque(days(path), maxlen=1)
    if not found:
        hint = "an ECG is exported beside it, as CSV in the folder electrocardiograms"
        raise RecordError(str(path), "Record", "no heart rate", f"records of {_HEART_RATE}", hint)
    return found[0]


def days(path: str | Path) -> Iterator[Record]:
    """Read the heart rate of each day with at least two measurements, in order of time; raises as :func:`read`.

    Each is named ``FILE-YYYY-MM-DD``, and made when it is asked for: ten years of them would take a gigabyte.
    """
    path = Path(path)
    times, rates = array("d"), array("d")

    def start(name: str, about: dict[str, str]) -> None:
        if name != "Record" or about.get("type") != _HEART_RATE:
            return
        text = about.get("startDate", "")
        try:
            times.append(datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").timestamp())
        except ValueError as error:
            raise RecordError(str(path), "startDate", text[:40], "a date with its zone") from error
        rates.append(xml.number(path, "value", about.get("value")))
        if len(times) > _MOST:
            raise RecordError(str(path), "Record", f"more than {_MOST:,} heart rates", "fewer", "split the export")

    xml.stream(path, start)
    order = np.argsort(np.frombuffer(times), kind="stable")
    at, values = np.frombuffer(times)[order], np.frombuffer(rates)[order]
    day = at // _DAY_S
    for inside in np.split(np.arange(len(at)), np.flatnonzero(np.diff(day)) + 1):
        if len(np.unique(np.rint(at[inside]))) > 1:
            date = str(np.datetime64(int(day[inside[0]]), "D"))
            columns = {"heart_rate": values[inside]}
            yield from_points(path, f"{path.stem}-{date}", at[inside], columns, subject=path.stem)
