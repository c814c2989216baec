"""Apple Health's ``export.xml``: heart rate over time, streamed, for it grows to gigabytes."""

from array import array
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
    path = Path(path)
    found = days(path)
    if not found:
        hint = "an ECG is exported beside it, as CSV in the folder electrocardiograms"
        raise RecordError(str(path), "Record", "no heart rate", f"records of {_HEART_RATE}", hint)
    return found[-1]


def days(path: str | Path) -> list[Record]:
    """Read the heart rate of each day with at least two measurements, in order of time; raises as :func:`read`.

    Each is named ``FILE-YYYY-MM-DD``.
    """
    path = Path(path)
    times, rates = array("d"), array("d")

    def start(name: str, about: dict[str, str]) -> None:
        if name == "Record" and about.get("type") == _HEART_RATE and len(times) < _MOST:
            try:
                when = datetime.strptime(about.get("startDate", ""), "%Y-%m-%d %H:%M:%S %z").timestamp()
            except ValueError as error:
                raise RecordError(
                    str(path), "startDate", about.get("startDate", "")[:40], "a date with its zone"
                ) from error
            times.append(when)
            rates.append(xml.number(path, "value", about.get("value")))

    xml.stream(path, start)
    at, values = np.frombuffer(times), np.frombuffer(rates)
    out = []
    for day in np.unique(at // _DAY_S):
        inside = at // _DAY_S == day
        if len(np.unique(np.rint(at[inside]))) > 1:
            date = str(np.datetime64(int(day), "D"))
            columns = {"heart_rate": values[inside]}
            out.append(from_points(path, f"{path.stem}-{date}", at[inside], columns, subject=path.stem))
    return out
