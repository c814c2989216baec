"""Simulated workouts: a body of drawn fitness runs, rides or walks, and a strap and a barometer err as real ones do."""

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.derived import Course, climb, daytime, demand
from biotl.records import Record

MINUTES = 40
_SPEEDS = {"walk": (3.5, 6.5), "run": (8, 15), "ride": (14, 34)}  # km/h
_SPORTS = ("run", "run", "ride", "walk")


def workout(seed: int, subject: int) -> Record:
    """Return speed in km/h, altitude in m and heart rate in bpm at 1 Hz, float32 of shape (3, 2400).

    Two responses to the demand in parallel, one of 30-90 s that falls slower than it rises and one of 10-25 min (see
    `biotl.models.heart_rate_response`), a rhythm of the day, a dry strap at the start of every third workout, and a
    pause, which a watch leaves out, in every second.
    """
    rng = np.random.default_rng([seed, subject])
    n = MINUTES * 60
    low, high = _SPEEDS[_SPORTS[subject % len(_SPORTS)]]
    own = rng.uniform(low, high)
    pieces = np.repeat(rng.normal(1, 0.12, n // 120), 120).clip(0.6, 1.4)  # a new speed every two minutes
    speed = (own * pieces + slow(rng, n, 30) * own * 0.15).clip(0)
    altitude = 100 + np.cumsum(slow(rng, n, 120)) * own / 200
    pause = slice(n // 2, n // 2 + 90) if subject % 2 else slice(0)
    speed[pause] = 0
    columns = {"speed": speed.astype(np.float32), "altitude": altitude.astype(np.float32)}
    start = datetime(2020, 1, 1 + subject % 28, int(rng.integers(6, 21)))
    course = Course(columns, 1.0, np.ones(n, np.float32), start)
    effort = (demand(course) + 0.8 * climb(course)).clip(0)
    effort = effort / effort[effort > 0].mean()
    level, gain, drift = rng.normal(148, 10), rng.normal(50, 8), rng.normal(10, 4)
    up, down, late = rng.uniform(30, 70), rng.uniform(50, 90), rng.uniform(600, 1500)
    fast = np.maximum(_lag(effort, up, 0.4), _lag(effort, down, 0.4)) - 1
    rate = level + gain * fast + drift * (_lag(effort**2, late, 0.1) - 1) + 4 * daytime(course)
    rate = rate + rng.normal(0, 1, n) + 3 * slow(rng, n, 60)
    if subject % 3 == 0:  # a dry strap counts steps
        rate[60:240] = 175 + rng.normal(0, 3, 180)
    signal = np.stack([speed, altitude + rng.normal(0, 0.5, n), np.rint(rate).clip(55, 205)]).astype(np.float32)
    signal[:, pause] = np.nan
    name = f"s{subject:03}"
    return Record(name, signal, 1.0, ("speed", "altitude", "heart_rate"), ("km/h", "m", "bpm"), name, start=start)


def slow(rng: np.random.Generator, n: int, span: int) -> NDArray[np.float64]:
    """Return noise of about a third, smooth over `span` samples."""
    return np.convolve(rng.normal(size=n + span - 1), np.ones(span) / span**0.5, "valid") / 3


def _lag(x: NDArray[np.float64], seconds: float, start: float) -> NDArray[np.float64]:
    keep, out, state = np.exp(-1 / seconds), np.empty(len(x)), start
    for t, goal in enumerate(x.tolist()):
        state = keep * state + (1 - keep) * goal
        out[t] = state
    return out
