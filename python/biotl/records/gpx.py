"""GPX tracks: heart rate and the like from any of the extensions, speed from the positions."""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from biotl.records import xml
from biotl.records.activity import along, from_points, moment, speed_kmh
from biotl.records.record import Record

# Garmin's, Cluetrust's and Strava's names
_FIELDS = {
    "heart_rate": ("hr", "heartrate"),
    "altitude": ("ele",),
    "cadence": ("cad", "cadence"),
    "power": ("power", "PowerInWatts"),
    "distance": ("distance",),
    "temperature": ("atemp", "temp"),
}


def read(path: str | Path) -> Record:
    """Read the track points of a GPX file, on a time line of 1 Hz.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        See :func:`biotl.records.activity.from_points`; speed is that of the great circle from point to point.

    Raises
    ------
    RecordError
        A file that is missing, not well formed, or without track points that have a time.
    """
    path = Path(path)
    points = [point for point in xml.parse(path).iter("trkpt") if point.find("time") is not None]
    times = [moment(path, point.findtext("time")) for point in points]
    columns = {name: [_value(path, point, names) for point in points] for name, names in _FIELDS.items()}
    if len(points) > 1:
        degrees = [[xml.number(path, key, point.get(key)) for key in ("lat", "lon")] for point in points]
        columns["speed"] = speed_kmh(times, along(degrees)).tolist()
        return from_points(path, path.stem, times, columns, longitude=degrees[0][1])
    return from_points(path, path.stem, times, columns)


def _value(path: Path, point: Element, names: tuple[str, ...]) -> float:
    for element in point.iter():
        if element.tag in names and (element.text or "").strip():
            return xml.number(path, element.tag, element.text)
    return np.nan
