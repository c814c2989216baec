"""The response of heart rate to effort, fitted: priors of physiology, one body's gains pooled with those of others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.errors import MissingExtraError, TrainingError
from biotl.models.response_table import DEAD_S, MOST_EFFORT, SPORTS, TREE_COLUMNS
from biotl.models.trees import Trees, from_sklearn

Array = NDArray[np.float64]

# What all bodies share, its prior mean and standard deviation. Level, gain (fast) and drift (slow) are in bpm at the
# usual demand, and of running; trust is the share of a climb's cost that a watch's altitude is good for. Time constants
# and gain: Hunt et al. 2015 (24 men on a treadmill, 57.6 +- 23.6 s, 24 bpm per m/s), Wang and Hunt 2021 (two of them in
# parallel); the rhythm of the day: Reilly et al. 1984. The others are wide, and ours.
_PRIOR: dict[str, tuple[float, float]] = {
    "level": (150, 8),
    "gain": (55, 12),
    "drift": (10, 6),
    "trust": (0.7, 0.25),
    "log up_s": (np.log(45), 0.3),
    "log slower down": (0.3, 0.25),
    "log slow_s": (np.log(900), 0.35),
    "fast_start": (0.6, 0.2),
    "slow_start": (0.1, 0.2),
    "level walking": (-45, 10),
    "level riding": (-12, 8),
    "log gain walking": (-0.2, 0.3),
    "log gain riding": (-0.5, 0.3),
    "daytime": (4, 2),
}
_NAMES = tuple(_PRIOR)
_MEAN, _SD = np.array(list(_PRIOR.values())).T
_BETWEEN = np.array([10, 10, 5, 0.3, 0.25, 0.2, 0.3, 0.2, 0.2])
"""Standard deviations from body to body of the first so many."""
_OWN = len(_BETWEEN)
_DAY = 5.0
"""Standard deviation in bpm of the level from day to day."""
_SCALE = 8.0
"""An error in bpm from which on it counts by its size and not by its square: dry straps count steps."""
_WEIGHT = 0.05
"""Of a step of 5 s: errors last for minutes, so that twenty of them say what one would."""
_ENOUGH = 3
"""Runs of a user from which on trees learn what their errors have in common: of one run they would learn the day."""
_BEYOND = 15.0
"""Errors of the response beyond this many bpm are the sensor's: trees learn them no larger."""
NOISE = (15.0, 8.0, 8.0, 4.0, 4.0, 2.0, 6.0, 18.0, 300.0, 120.0, 2.0, 2.0)
"""See `biotl.models.response_table.NOISE`: of a known user chosen on his earlier runs, each left out, of strangers on
people who are left out of models of others; see ``benches/workouts.py choose``."""


@dataclass(frozen=True)
class Workout:
    """A training recording: columns by name, heart rate in bpm (NaN: not learnt from), both (steps,), and whose."""

    columns: Mapping[str, NDArray[Any]]
    rate: NDArray[Any]
    user: str


@dataclass(frozen=True)
class Response:
    """A fitted response, see `biotl.models.heart_rate_response.HeartRateResponse`.

    Parameters
    ----------
    table : ndarray of float64, shape ((users + 1) * sports, 11)
        Of strangers first.
    trees : Trees or None
        What is added for known users.
    """

    table: Array
    trees: Trees | None


def fit_response(
    workouts: Sequence[Workout], users: Sequence[str], step_s: float, *, seed: int = 0, trees: bool = True
) -> Response:
    """Fit by maximum a posteriori, all users at once: who has few runs is taken for much like the others.

    Parameters
    ----------
    workouts : sequence of Workout
        Training recordings.
    users : sequence of str
        Who gets gains of their own, in order.
    step_s : float
        Duration of a step in seconds.
    seed : int
        Of the trees.
    trees : bool
        Whether boosted trees learn what the errors of known users have in common.

    Raises
    ------
    TrainingError
        If no workout has a heart rate.
    """
    held = [workout for workout in workouts if np.isfinite(workout.rate).any()]
    if not held:
        raise TrainingError("training: got no workout with a heart rate; see that the channel is found: biotl inspect")
    usual = _usual(held)
    shared, own = _descend(held, list(users), usual, step_s)
    runs = Counter(workout.user for workout in held)
    often = [user for user in users if trees and runs[user] >= _ENOUGH]
    rows = [_rows(shared, None, usual, trees=False)]
    rows += [_rows(_of(shared, own[k]), user, usual, trees=user in often) for k, user in enumerate(users)]
    known = [workout for workout in held if workout.user in often]
    told = [_answer(_of(shared, own[users.index(w.user)]), w, usual, step_s) for w in known]
    return Response(np.concatenate(rows), _grow(known, told, seed) if known else None)


def _descend(held: Sequence[Workout], users: list[str], usual: Any, step_s: float) -> tuple[Array, Array]:
    """Return what all share and what users differ by, by damped Gauss-Newton steps; each day has a level of its own."""
    k, n = len(_MEAN), len(users)
    z = np.concatenate([_MEAN, np.zeros(n * _OWN + len(held))])
    precision = np.concatenate([_SD**-2.0, np.ones(n * _OWN + len(held))])
    center = z.copy()

    def parts(z: Array, i: int) -> tuple[Array, int, float]:
        at = k + users.index(held[i].user) * _OWN if held[i].user in users else -1
        own = z[at : at + _OWN] if at >= 0 else np.zeros(_OWN)
        return _of(z[:k], own), at, float(z[k + n * _OWN + i]) * _DAY

    def errors(z: Array, i: int) -> Array:
        theta, _, day = parts(z, i)
        apart: Array = _answer(theta, held[i], usual, step_s) + day - held[i].rate
        return apart

    def cost(z: Array) -> float:
        apart = np.concatenate([errors(z, i) for i in range(len(held))]) / _SCALE
        robust = np.sqrt(1 + apart[np.isfinite(apart)] ** 2) - 1
        return float(_WEIGHT * robust.sum() + 0.5 * (precision * (z - center) ** 2).sum())

    best, damping = cost(z), 1e-2
    for _ in range(30):
        curve, slope = np.diag(precision), precision * (z - center)
        for i, workout in enumerate(held):
            theta, at, day = parts(z, i)
            told = _answer(theta, workout, usual, step_s)
            apart = told + day - workout.rate
            seen = np.isfinite(apart)
            weight = _WEIGHT / _SCALE**2 / np.sqrt(1 + (apart[seen] / _SCALE) ** 2)
            nudged = [_answer(theta + h, workout, usual, step_s) for h in np.diag(1e-4 * _SD)]
            by = np.stack([(one - told)[seen] for one in nudged], 1) / (1e-4 * _SD)
            columns = [by, by[:, :_OWN] * _BETWEEN] if at >= 0 else [by]
            place = np.r_[0:k, at : at + _OWN if at >= 0 else at, k + n * _OWN + i]
            by = np.concatenate([*columns, np.full((seen.sum(), 1), _DAY)], 1)
            curve[np.ix_(place, place)] += (by * weight[:, None]).T @ by
            slope[place] += by.T @ (weight * apart[seen])
        while damping < 1e6:
            step = np.linalg.solve(curve + damping * np.diag(np.diag(curve)), -slope)
            if (now := cost(z + step)) < best:
                break
            damping *= 10
        else:
            break
        z, gained, best, damping = z + step, best - now, now, damping / 10
        if gained < 1e-4 * best:
            break
    return z[:k], z[k : k + n * _OWN].reshape(n, _OWN)


def _of(shared: Array, own: Array) -> Array:
    """Return the parameters of one user."""
    theta = shared.copy()
    theta[:_OWN] += own * _BETWEEN
    return theta


def _sport(workout: Workout) -> int:
    return int(workout.columns["sport"][0])


def _usual(held: Sequence[Workout]) -> dict[tuple[str, int], float]:
    """Return the usual demand of each user in each sport."""
    found: dict[tuple[str, int], list[float]] = {}
    for workout in held:
        found.setdefault((workout.user, _sport(workout)), []).append(float(workout.columns["typical"][0]))
    return {key: float(np.mean(values)) for key, values in found.items()}


def _gains(theta: Array, sport: int) -> tuple[float, float, float]:
    level = theta[0] + (theta[9], 0.0, theta[10])[sport]
    return level, theta[1] * np.exp((theta[11], 0.0, theta[12])[sport]), theta[2]


def _rows(theta: Array, user: str | None, usual: Mapping[tuple[str, int], float], *, trees: bool) -> Array:
    """Return the rows of the table of one user, or of strangers."""
    own = [0.0 if user is None else usual.get((user, sport), 0.0) for sport in range(SPORTS)]
    shape = [*_times(theta), *theta[7:9]]
    fixed = [theta[13], float(trees), theta[3]]
    return np.array([[*_gains(theta, sport), *fixed, own[sport], *shape] for sport in range(SPORTS)])


def _times(theta: Array) -> tuple[float, float, float]:
    """Return the time constants in seconds: who recovers faster than he rises is not looked for."""
    return np.exp(theta[4]), np.exp(theta[4] + max(theta[5], 0)), np.exp(theta[6])


def _answer(theta: Array, workout: Workout, usual: Mapping[tuple[str, int], float], step_s: float) -> Array:
    """Return the response in bpm, as the model answers without trees."""
    from scipy.signal import lfilter

    of, sport = workout.columns, _sport(workout)
    scale = usual.get((workout.user, sport), float(of["typical"][0]))
    effort = np.clip((np.asarray(of["demand"], np.float64) + theta[3] * of["climb"]) / scale, 0, MOST_EFFORT)
    dead = round(DEAD_S / step_s)
    effort = np.concatenate([np.repeat(effort[:1], dead), effort])[: len(effort)]

    def lag(x: Array, seconds: float, start: float) -> Array:
        keep = np.exp(-step_s / seconds)
        y: Array = lfilter([1 - keep], [1, -keep], x, zi=[keep * start])[0]
        return y

    up, down, slow_s = _times(theta)
    fast = np.maximum(lag(effort, up, theta[7]), lag(effort, down, theta[7]))
    slow = lag(effort**2, slow_s, theta[8])
    level, gain, drift = _gains(theta, sport)
    told: Array = level + gain * (fast - 1) + drift * (slow - 1) + theta[13] * of["daytime"]
    return told


def _grow(known: Sequence[Workout], told: Sequence[Array], seed: int) -> Trees:
    """Boost what is left, on columns that do not tell one day from another: with the hour trees learn days by heart."""
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
    except ImportError:
        raise MissingExtraError("scikit-learn", "train") from None
    table = np.concatenate([np.stack([w.columns[name] for name in TREE_COLUMNS], 1) for w in known]).astype(np.float32)
    left = np.clip(np.concatenate([w.rate - one for w, one in zip(known, told, strict=True)]), -_BEYOND, _BEYOND)
    seen = np.isfinite(left)
    models = [
        HistGradientBoostingRegressor(
            max_iter=100,
            learning_rate=0.06,
            max_leaf_nodes=15,
            min_samples_leaf=50,
            l2_regularization=5.0,
            max_features=0.4,
            early_stopping=False,
            random_state=seed + turn,
        ).fit(table[seen], left[seen])
        for turn in range(4)
    ]
    return from_sklearn(models, 1)
