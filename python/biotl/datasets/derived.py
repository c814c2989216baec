"""What follows from speed and altitude: grade, what running costs, how much was done, how long it went on."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.gaps import bridge

GRADE_S = 15.0
"""Grade is taken from this long before a step to this long after it: barometers and GPS are good to a metre or two."""
STEEPEST = 0.45
"""The cost of running is measured up to this grade, uphill and down."""
_COST = (155.4, -30.4, -43.3, 46.3, 19.5, 3.6)
Columns = Mapping[str, NDArray[np.float32]]


def grade(columns: Columns, step_s: float) -> NDArray[np.float32]:
    """Return metres climbed a metre travelled, shape (steps,), 0 where nobody moves; NaN where altitude is missing."""
    height = bridge(columns["altitude"]).astype(np.float64)
    travelled = np.cumsum(_speed(columns) * step_s)
    reach = max(1, round(GRADE_S / step_s))
    place = np.arange(len(height))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach, len(height) - 1)
    distance = travelled[high] - travelled[low]
    # within 10 m the error of the altitude is all there is
    found = np.where(distance > 10, (height[high] - height[low]) / np.maximum(distance, 1), 0)
    return np.where(np.isfinite(columns["altitude"]), np.clip(found, -STEEPEST, STEEPEST), np.nan).astype(np.float32)


def power(columns: Columns, step_s: float) -> NDArray[np.float32]:
    """Return the metabolic power of running at this speed and grade above rest, W/kg; on the flat without a grade.

    The cost is the polynomial of A. E. Minetti et al., "Energy cost of walking and running at extreme uphill and
    downhill slopes", J. Appl. Physiol. 93:1039, 2002, in J/kg/m.
    """
    slope = np.nan_to_num(grade(columns, step_s).astype(np.float64)) if "altitude" in columns else 0.0
    return np.asarray(np.polyval(_COST, slope) * _speed(columns), np.float32)


def load(columns: Columns, step_s: float) -> NDArray[np.float32]:
    """Return the work done up to each step, kJ/kg."""
    return np.asarray(np.cumsum(power(columns, step_s), dtype=np.float64) * step_s / 1000, np.float32)


def elapsed(columns: Columns, step_s: float) -> NDArray[np.float32]:
    """Return the time since the start, in minutes."""
    return np.asarray(np.arange(len(next(iter(columns.values())))) * step_s / 60, np.float32)


def _speed(columns: Columns) -> NDArray[np.float64]:
    """Return speed in m/s; where it was not measured the watch was paused, and its bearer is taken to stand still."""
    return np.nan_to_num(columns["speed"].astype(np.float64)) / 3.6


DERIVED: dict[str, Callable[[Columns, float], NDArray[np.float32]]] = {
    "grade": grade,
    "power": power,
    "load": load,
    "elapsed": elapsed,
}
"""By the names that a `SequenceSpec` knows."""
