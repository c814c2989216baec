"""Polar HRM files: heart rate at a fixed interval, with speed, cadence and altitude where the watch had them."""

import re
from pathlib import Path

import numpy as np

from biotl.errors import RecordError
from biotl.records import text
from biotl.records.record import Record

_SECTION = re.compile(r"^\[(\w+)[^\]]*\]\s*$", re.MULTILINE)


def read(path: str | Path) -> Record:
    """Read ``[HRData]`` of a Polar HRM file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Heart rate in bpm, NaN where it is 0, then what ``SMode`` says beside it: speed in km/h (mph where SMode says
        US), cadence in rpm, altitude in m (ft).

    Raises
    ------
    RecordError
        A file that is missing, without interval or data, or whose interval is none (beat by beat).
    """
    path = Path(path)
    with text.opened(path) as file:
        content = file.read(1 << 26)
    parts = _SECTION.split(content)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    params = dict(re.findall(r"^(\w+)=(.*?)\s*$", sections.get("Params", ""), re.MULTILINE))
    interval = params.get("Interval", "none")
    if not interval.isdigit() or not 0 < int(interval) < 238:  # 238 and above: beat by beat
        raise RecordError(str(path), "Interval", interval[:40], "seconds from row to row, 1 to 60")
    mode = str(params.get("SMode", "")).ljust(9, "0")
    us = mode[7] == "1"
    kinds = [("heart_rate", "bpm", 1.0)]
    kinds += [("speed", "mph" if us else "kmh", 0.1)] if mode[0] == "1" else []
    kinds += [("cadence", "rpm", 1.0)] if mode[1] == "1" else []
    kinds += [("altitude", "ft" if us else "m", 1.0)] if mode[2] == "1" else []
    rows = sections.get("HRData", "").split("\n")
    try:
        table = np.array([row.split()[: len(kinds)] for row in rows if row.strip()], np.float64)
    except ValueError as error:
        raise RecordError(str(path), "HRData", str(error)[:80], f"{len(kinds)} whole numbers a row") from error
    if table.ndim != 2 or len(table) < 2 or table.shape[1] != len(kinds):
        raise RecordError(str(path), "HRData", f"shape {table.shape}", f"rows of {len(kinds)} numbers")
    signal = np.ascontiguousarray(table.T * np.array([[scale] for *_, scale in kinds]), np.float32)
    signal[0][signal[0] == 0] = np.nan  # the strap was not heard
    names, units = tuple(name for name, *_ in kinds), tuple(unit for _, unit, _ in kinds)
    return Record(path.stem, signal, 1 / int(interval), names, units, path.stem, source=path)
