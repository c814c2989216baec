"""Garmin FIT activities, through fitdecode."""

from pathlib import Path
from typing import Any

import numpy as np

from biotl.records.activity import from_points
from biotl.records.foreign import bring, refused
from biotl.records.record import Record

# field of the profile, its better twin first, and the factor to the units of biotl
_FIELDS = {
    "heart_rate": (("heart_rate",), 1.0),
    "speed": (("enhanced_speed", "speed"), 3.6),
    "altitude": (("enhanced_altitude", "altitude"), 1.0),
    "cadence": (("cadence",), 1.0),
    "power": (("power",), 1.0),
    "distance": (("distance",), 1.0),
    "temperature": (("temperature",), 1.0),
}

_LONGITUDE = (("position_long",), 180 / 2**31)


def read(path: str | Path) -> Record:
    """Read the record messages of a FIT activity, on a time line of 1 Hz.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        See :func:`biotl.records.activity.from_points`.

    Raises
    ------
    RecordError
        A file that is missing, cut short or damaged by its checksum, or without records that have a time.
    MissingExtraError
        If fitdecode is not installed.
    """
    path = Path(path)
    fitdecode = bring("fitdecode", "fit")
    with (
        refused(path, "a whole FIT file", "export it from the watch again"),
        fitdecode.FitReader(str(path), check_crc=fitdecode.CrcCheck.RAISE) as reader,
    ):
        frames = (frame for frame in reader if isinstance(frame, fitdecode.FitDataMessage))
        records = (frame for frame in frames if frame.name == "record")
        points = [
            (_time(frame), [_value(frame, *field) for field in (*_FIELDS.values(), _LONGITUDE)]) for frame in records
        ]
    timed = [point for point in points if np.isfinite(point[0])]
    columns = {name: [values[i] for _, values in timed] for i, name in enumerate(_FIELDS)}
    longitude = next((values[-1] for _, values in timed if np.isfinite(values[-1])), np.nan)
    return from_points(path, path.stem, [time for time, _ in timed], columns, longitude=longitude)


def _time(frame: Any) -> float:
    # seconds since the watch was switched on, where it did not know the date
    when = frame.get_value("timestamp", fallback=None)
    return float(when.timestamp() if hasattr(when, "timestamp") else when if when is not None else np.nan)


def _value(frame: Any, names: tuple[str, ...], factor: float) -> float:
    for name in names:
        value = frame.get_value(name, fallback=None)
        if isinstance(value, int | float):
            return float(value) * factor
    return np.nan
