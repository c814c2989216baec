"""Garmin TCX: the track points of the first activity."""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from biotl.errors import RecordError
from biotl.records import xml
from biotl.records.activity import from_points, moment, speed_kmh
from biotl.records.record import Record

_FIELDS = {
    "heart_rate": "HeartRateBpm/Value",
    "altitude": "AltitudeMeters",
    "cadence": "Cadence",
    "distance": "DistanceMeters",
    "power": "Extensions/TPX/Watts",
    "speed": "Extensions/TPX/Speed",
}


def read(path: str | Path) -> Record:
    """Read the track points of a TCX file, on a time line of 1 Hz.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        See :func:`biotl.records.activity.from_points`. Where no point states a speed, it is that of the distances.

    Raises
    ------
    RecordError
        A file that is missing, not well formed, or without track points that have a time.
    """
    path = Path(path)
    root = xml.parse(path)
    activities = root.findall(".//Activity") + root.findall(".//Course")
    if len(activities) > 1:
        got = f"{len(activities)} activities"
        raise RecordError(str(path), "Activities", got, "one activity a file", "export them one by one")
    points = list(root.iter("Trackpoint"))
    times = [moment(path, point.findtext("Time")) for point in points]
    columns = {name: [number(path, point, place) for point in points] for name, place in _FIELDS.items()}
    columns["speed"] = [3.6 * value for value in columns["speed"]]
    if not np.isfinite(columns["speed"]).any() and np.isfinite(columns["distance"]).sum() > 1:
        columns["speed"] = speed_kmh(times, columns["distance"]).tolist()
    places = [number(path, point, "Position/LongitudeDegrees") for point in points]
    known = [place for place in places if np.isfinite(place)]
    return from_points(path, path.stem, times, columns, longitude=known[0] if known else np.nan)


def number(path: Path, point: Element, place: str) -> float:
    """Return the number at a place below a point, NaN where there is none."""
    text = point.findtext(place)
    return np.nan if text is None or not text.strip() else xml.number(path, place, text)
