"""What follows from speed and altitude: grade, what moving costs, how much was done, how long it went on, and when."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.gaps import bridge

Steps = NDArray[np.float32]
GRADE_S = 15.0
"""Grade is taken from this long before a step to this long after it: barometers and GPS are good to a metre or two."""
STEEPEST = 0.45
"""The cost of running is measured up to this grade, uphill and down."""
_RUNNING = (155.4, -30.4, -43.3, 46.3, 19.5, 3.6)
WALK, RUN, RIDE = 0, 1, 2
_WALKS, _RIDES = 7.0, 20.0  # km/h: who is slower on average walks, who is faster a tenth of the time rides
_ROLLING, _AIR, _EFFICIENCY = 0.006 * 9.81, 0.0026, 0.24
# riding: m/s2 of a tyre on a road; rho CdA / 2 over 80 kg in 1/m; of a muscle's energy the share at the pedals (Martin
# et al., "Validation of a mathematical model for road cycling power", J. Appl. Biomech. 14:276, 1998)
_MOVING = 0.3  # m/s
USUAL_DAYTIME = 0.4
"""`daytime` of the hours at which people exercise, for a recording whose hour nobody knows."""


@dataclass(frozen=True)
class Course:
    """A workout in even steps: what was measured, and when.

    Parameters
    ----------
    columns : mapping of str to ndarray of float32, shape (steps,)
        ``speed`` in km/h, ``altitude`` in m and others, NaN where nothing was measured.
    step_s : float
        Duration of a step.
    interval_s : ndarray of float32, shape (steps,)
        Time between the two samples around each step.
    start : datetime, optional
        When it began, by the local clock.
    """

    columns: Mapping[str, Steps]
    step_s: float
    interval_s: Steps
    start: datetime | None = None

    @property
    def steps(self) -> int:
        """How many."""
        return len(next(iter(self.columns.values())))


def grade(course: Course) -> Steps:
    """Return metres climbed a metre travelled, shape (steps,), 0 where nobody moves; NaN where altitude is missing."""
    height = bridge(course.columns["altitude"]).astype(np.float64)
    travelled = np.cumsum(_speed(course) * course.step_s)
    reach = max(1, round(GRADE_S / course.step_s))
    place = np.arange(len(height))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach, len(height) - 1)
    distance = travelled[high] - travelled[low]
    # within 10 m the error of the altitude is all there is
    found = np.where(distance > 10, (height[high] - height[low]) / np.maximum(distance, 1), 0)
    known = np.isfinite(course.columns["altitude"])
    return np.where(known, np.clip(found, -STEEPEST, STEEPEST), np.nan).astype(np.float32)


def sport(course: Course) -> Steps:
    """Return 0 for walking, 1 for running, 2 for riding, the same at every step, by the speeds of the whole of it."""
    moving = 3.6 * (speed := _speed(course))[speed > 0.5]
    kind = RUN
    if len(moving):
        kind = RIDE if np.quantile(moving, 0.9) > _RIDES else WALK if moving.mean() < _WALKS else RUN
    return np.full(course.steps, kind, np.float32)


def demand(course: Course) -> Steps:
    """Return the metabolic power of moving at this speed on the flat above rest, W/kg.

    On foot 3.6 J/kg/m (A. E. Minetti et al., "Energy cost of walking and running at extreme uphill and downhill
    slopes", J. Appl. Physiol. 93:1039, 2002); riding, rolling resistance and air.
    """
    return np.minimum(_cost(course)[0], 30).astype(np.float32)


def climb(course: Course) -> Steps:
    """Return what the grade adds to `demand`, W/kg; 0 without altitude."""
    flat, whole = _cost(course)
    return np.clip(whole - flat, -20, 20).astype(np.float32)


def power(course: Course) -> Steps:
    """Return the metabolic power of moving at this speed and grade above rest, W/kg; on the flat without a grade."""
    return np.asarray(_cost(course)[1], np.float32)


def load(course: Course) -> Steps:
    """Return the work done up to each step, kJ/kg."""
    return np.asarray(np.cumsum(power(course), dtype=np.float64) * course.step_s / 1000, np.float32)


def elapsed(course: Course) -> Steps:
    """Return the time since the start, in minutes."""
    return np.asarray(np.arange(course.steps) * course.step_s / 60, np.float32)


def interval(course: Course) -> Steps:
    """Return the time between the two samples around each step, in seconds: how coarse a recording is there."""
    return course.interval_s


def typical(course: Course) -> Steps:
    """Return the mean demand of moving, climbs counted at 0.7 of their cost, W/kg; the same at every step."""
    speed, (flat, whole) = _speed(course), _cost(course)
    moving = speed > _MOVING
    whole = np.minimum(flat, 30) + 0.7 * np.clip(whole - flat, -20, 20)
    mean = float(whole[moving].mean()) if moving.any() else _RUNNING[-1]
    return np.full(course.steps, max(mean, 0.5), np.float32)


def daytime(course: Course) -> Steps:
    """Return 1 at 15 h, -1 at 3 h and a cosine between: the heart rate of exercise has a rhythm of the day.

    Its summit: T. Reilly et al., "Some circulatory responses to exercise at different times of day", Med. Sci. Sports
    Exerc. 16:477, 1984.
    """
    if course.start is None:
        return np.full(course.steps, USUAL_DAYTIME, np.float32)
    hour = course.start.hour + course.start.minute / 60 + np.arange(course.steps) * course.step_s / 3600
    return np.cos(2 * np.pi * (hour - 15) / 24).astype(np.float32)


def _cost(course: Course) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cost of the speed on the flat, and of speed and grade."""
    speed = _speed(course)
    slope = np.nan_to_num(grade(course).astype(np.float64)) if "altitude" in course.columns else np.zeros(len(speed))
    if sport(course)[:1] == RIDE:
        flat = speed * _ROLLING + _AIR * speed**3
        return flat / _EFFICIENCY, np.maximum(flat + speed * 9.81 * slope, 0) / _EFFICIENCY
    return _RUNNING[-1] * speed, np.polyval(_RUNNING, slope) * speed


def _speed(course: Course) -> NDArray[np.float64]:
    """Return speed in m/s; where it was not measured the watch was paused, and its bearer is taken to stand still."""
    return np.nan_to_num(course.columns["speed"].astype(np.float64)) / 3.6


_MADE: dict[str, Callable[[Course], Steps]] = {
    "grade": grade,
    "power": power,
    "load": load,
    "elapsed": elapsed,
    "interval": interval,
    "sport": sport,
    "demand": demand,
    "climb": climb,
    "typical": typical,
    "daytime": daytime,
}
NAMES = re.compile(rf"(?P<of>{'|'.join(_MADE)})(?:_(?P<memory>[1-9]\d*)s)?")
"""What a `SequenceSpec` may derive; ``demand_60s`` is its running mean with a time constant of 60 s."""


def derive(name: str, course: Course) -> Steps:
    """Return a column by its name, see `NAMES`.

    Examples
    --------
    >>> course = Course({"speed": np.array([0, 7.2, 7.2], np.float32)}, 5.0, np.ones(3, np.float32))
    >>> derive("demand", course).round(2), derive("demand_10s", course).round(2)
    (array([0. , 7.2, 7.2], dtype=float32), array([0.  , 2.83, 4.55], dtype=float32))
    """
    found = NAMES.fullmatch(name)
    assert found is not None, name  # a spec holds no others
    x = _MADE[found["of"]](course)
    if found["memory"] is None or not len(x):
        return x
    keep = np.exp(-course.step_s / float(found["memory"]))
    out, state = np.empty(len(x), np.float32), float(x[0]) if np.isfinite(x[0]) else 0.0
    for step, value in enumerate(np.nan_to_num(x.astype(np.float64)).tolist()):
        state = keep * state + (1 - keep) * value
        out[step] = state
    return out
