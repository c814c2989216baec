"""Points of a workout (FIT, TCX, GPX, lines of Endomondo, Apple Health) on a time line of whole seconds."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.record import Record

# in this order; a unit that a file states otherwise is converted by its reader
UNITS = {
    "heart_rate": "bpm",
    "speed": "kmh",
    "altitude": "m",
    "cadence": "rpm",
    "power": "W",
    "distance": "m",
    "temperature": "degC",
}
_EARTH_M = 6_371_008.8  # mean radius
_LONGEST = 14 * 86400  # seconds: no workout is longer, and a clock that jumps must not take all memory


def from_points(
    path: Path,
    name: str,
    time_s: Sequence[float] | NDArray[np.float64],
    columns: Mapping[str, Sequence[float] | NDArray[np.float64]],
    *,
    subject: str = "",
    longitude: float = math.nan,
) -> Record:
    """Lay points on a time line of 1 Hz: each at its nearest second, NaN between; nothing is interpolated.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Of the record.
    time_s : sequence of float, length n
        Time of each point in seconds; the first is the start.
    columns : mapping of str to sequence of float, length n
        Values by the names of ``UNITS``, NaN where a point has none; a column of nothing else is left out.
    subject : str
        Who; the name of the record by default.
    longitude : float
        Degrees east, where it is known: times are of UTC, and the record's start is by the sun, 15 degrees an hour.

    Returns
    -------
    Record
        Signal float32 of shape (channels, seconds), ``fs`` 1.0. Of two points in one second the later one counts.

    Raises
    ------
    RecordError
        Fewer than two points, no values, or a time line longer than 14 days.

    Examples
    --------
    >>> record = from_points(Path("a.gpx"), "a", [0.0, 3.1], {"heart_rate": [90, 95], "power": [np.nan, np.nan]})
    >>> record.channels, record.signal.tolist()
    (('heart_rate',), [[90.0, nan, nan, 95.0]])
    """
    times = np.asarray(time_s, np.float64)
    kept = {name: np.asarray(columns[name], np.float32) for name in UNITS if name in columns}
    kept = {name: values for name, values in kept.items() if np.isfinite(values).any()}
    order = np.argsort(times, kind="stable") if np.isfinite(times).all() else np.zeros(0, np.int64)
    if len(order) < 2 or not kept:
        got = f"{len(times)} points with {', '.join(kept) or 'no values'}"
        raise RecordError(str(path), "points", got, "two or more, each with its time")
    second = np.rint(times[order] - times[order[0]])
    if not 1 <= second[-1] <= _LONGEST:
        got = f"{second[-1] / 86400:.3g} days from the first to the last"
        raise RecordError(str(path), "time", got, "a workout of at most 14 days", "split the file")
    signal = np.full((len(kept), int(second[-1]) + 1), np.nan, np.float32)
    for row, values in zip(signal, kept.values(), strict=True):
        there = np.isfinite(values[order])  # a point without a value hides no other
        row[second[there].astype(np.int64)] = values[order][there]
    units = tuple(UNITS[name] for name in kept)
    start = by_the_sun(float(times[order[0]]), longitude)
    return Record(name, signal, 1.0, tuple(kept), units, subject or name, source=path, start=start)


def by_the_sun(utc_s: float, longitude: float) -> datetime | None:
    """Return the time of day at a place, 15 degrees an hour from UTC; None where the place is not known.

    Examples
    --------
    >>> by_the_sun(1370110000.0, -75.0).isoformat()
    '2013-06-01T13:06:40'
    """
    if not math.isfinite(longitude) or not abs(longitude) <= 180 or not 0 < utc_s < 1e11:
        return None
    return (datetime.fromtimestamp(utc_s, UTC) + timedelta(hours=longitude / 15)).replace(tzinfo=None)


def moment(path: Path, text: str | None) -> float:
    """Seconds since 1970 of an ISO time; UTC where it names no zone.

    Examples
    --------
    >>> moment(Path("a.gpx"), "1970-01-01T00:00:01.5Z")
    1.5
    """
    try:
        when = datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
        return when.timestamp() if when.tzinfo else when.replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise RecordError(str(path), "time", repr(text)[:40], "a time in ISO form") from error


def speed_kmh(time_s: Sequence[float], metres: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Speed at each point by the distance from the one before; the first has that of the second."""
    with np.errstate(all="ignore"):
        speed = 3.6 * np.diff(np.asarray(metres, np.float64)) / np.diff(np.asarray(time_s, np.float64))
    speed[~np.isfinite(speed)] = np.nan
    return np.concatenate([speed[:1], speed])


def along(degrees: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Metres along a track of latitudes and longitudes, shape (n, 2), by the haversine formula.

    Examples
    --------
    >>> along([[47.0, 8.0], [47.001, 8.0], [47.001, 8.001]]).round(1)
    array([  0. , 111.2, 187. ])
    """
    latitude, longitude = np.radians(np.asarray(degrees, np.float64)).T
    half = np.sin(np.diff(latitude) / 2) ** 2
    half = half + np.cos(latitude[:-1]) * np.cos(latitude[1:]) * np.sin(np.diff(longitude) / 2) ** 2
    return np.concatenate([[0.0], np.cumsum(2 * _EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0, 1))))])
