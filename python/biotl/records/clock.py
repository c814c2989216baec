"""From the times of samples to a rate: even steps, missing rows, and the digits that times are written with."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records.uneven import LONGEST, rows_a_second

_SECONDS = {
    1.0: ("s", "sec", "secs", "second", "seconds"),
    1e-3: ("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"),
    1e-6: ("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"),
    1e-9: ("ns", "nsec", "nanos", "nanosecond", "nanoseconds"),
    60.0: ("min", "mins", "minute", "minutes"),
    3600.0: ("h", "hour", "hours"),
}
TO_SECONDS = {name: factor for factor, names in _SECONDS.items() for name in names}
# words that name what is no channel: times, counts of rows, and what is known of them
TIME = {"t", "time", "times", "timer", "timestamp", "timestamps", "elapsed", "datetime", "date", "epoch", "seconds"}
TIME |= {"zeit", "temps", "tiempo", "tempo", "sec", "secs", "unixtime", "millis", "clock"}
INDEX = {"", "#", "i", "n", "no", "id", "idx", "index", "sample", "samples", "nseq", "seq", "row", "point", "frame"}
LABEL = {"label", "labels", "class", "target", "annotation", "annotations", "ann", "symbol", "event", "events"}
LABEL |= {
    "marker",
    "activity",
    "rpeak",
    "rpeaks",
    "peak",
    "peaks",
    "beat",
    "subject",
    "quality",
    "comment",
    "comments",
    "note",
    "notes",
}
_PART = 1 << 16  # values


def lattice(
    path: Path, time_s: NDArray[np.float64], *, field: str = "time column"
) -> tuple[float, NDArray[np.int64] | None]:
    """Find the rate at which times are even, and the place of each on the time line.

    Times may be rounded to their last digit, and rows may be missing: their places are skipped. Whole seconds that
    follow no step of their own, as a sports watch writes them, lie on a time line of 1 Hz.

    Parameters
    ----------
    path : Path
        The file, for errors.
    time_s : ndarray of float64, shape (n,)
        Times in seconds.
    field : str
        What holds them, for errors.

    Returns
    -------
    fs : float
        Rate in Hz.
    place : ndarray of int64, shape (n,), or None
        Increasing, from 0; None where no place is skipped.

    Raises
    ------
    RecordError
        Fewer than two times, times that do not increase, or lie further than a quarter of a step from an even one.

    Examples
    --------
    >>> lattice(Path("a.csv"), np.array([0.0, 0.004, 0.008, 0.016]))
    (250.0, array([0, 1, 2, 4]))
    """
    digit = _last_digit(time_s)
    if fs := _even(time_s, digit):
        return fs, None
    with np.errstate(all="ignore"):
        elapsed = time_s - time_s[:1]
        steps = np.diff(elapsed)
    got = f"steps from {steps.min():g} to {steps.max():g} s" if len(steps) else f"{len(time_s)} rows"
    hint = "resample to one rate, or state fs to take it as even"
    hint += f": there are {rows:.3g} rows a second" if (rows := rows_a_second(steps)) else ""
    if len(back := np.flatnonzero(steps < 0)):
        hint = f"times go back, first in row {back[0] + 2} of the data: sort the rows, or save a recording a file"
    refusal = RecordError(str(path), field, got, "two rows or more, evenly spaced", hint)
    if not len(steps) or not np.all(np.isfinite(steps)) or steps.min() < 0 or not float(np.median(steps)) > 1e-9:
        raise refusal
    if steps.min() == 0 and (fs := _few_digits(elapsed)):
        return fs, None
    # whole seconds without a step of their own
    for step in [_typical(elapsed, digit), *([1.0] if digit == 1.0 else [])]:
        place = np.concatenate([[0], np.cumsum(np.maximum(np.rint(steps / step), 1).astype(np.int64))])
        if place[-1] >= LONGEST * len(place):
            continue
        fs, off = _fit(elapsed, place, step, digit)
        if fs:
            if off > 0.02:
                warnings.warn(f"{path}: times jitter by up to {off:.0%} of a step; taken as even", stacklevel=5)
            return fs, place
    raise refusal


def _parts(n: int) -> Iterator[slice]:
    """Slices of a long array: what is worked out of one part takes no memory to speak of."""
    return (slice(start, min(start + _PART, n)) for start in range(0, n, _PART))


def _even(time_s: NDArray[np.float64], digit: float) -> float:
    """Rate of times that are even from the first to the last, or 0."""
    n = len(time_s)
    step = float(time_s[-1] - time_s[0]) / (n - 1) if n > 1 else 0.0
    if not 1e-9 < step < np.inf:
        return 0.0

    def furthest(step: float) -> float:
        parts = (np.abs(time_s[part] - time_s[0] - np.arange(part.start, part.stop) * step).max() for part in _parts(n))
        return float(max(parts))

    with np.errstate(all="ignore"):
        whole = max(round(1 / step), 1)
        if furthest(1 / whole) < _allowed(digit, step):
            return float(whole)
        return 1 / step if furthest(step) <= 0.01 * step + min(digit, 0.3 * step) else 0.0


def _allowed(digit: float, step: float) -> float:
    """Distance from a whole rate that rounding explains; below a third of a step no missing row can hide."""
    return max(0.999 * digit * (digit <= 1.001 * step), min(0.001, 0.3 * step))


def _last_digit(time_s: NDArray[np.float64]) -> float:
    """Step of the last digit that times are written with, or 0 where none can be told."""
    if not len(time_s) or not np.isfinite(time_s[[0, -1]]).all():
        return 0.0
    # long times, as those since 1970, keep fewer digits than they were written with
    fine = max(1e-10, 4 * float(np.spacing(np.abs(time_s[[0, -1]]).max())))
    start = time_s[0] if fine > 1e-10 else 0.0

    def written(digits: int) -> bool:
        parts = (time_s[part] - start for part in _parts(len(time_s)))
        return all(bool(np.all(np.abs(np.round(part, digits) - part) < fine)) for part in parts)

    return next((10.0**-digits for digits in range(9) if written(digits)), 0.0)


def _few_digits(elapsed: NDArray[np.float64]) -> float:
    """Rate of times written with so few significant digits that later ones repeat (BIDMC: 99.992, 100, 100.01, 100.02).

    The first hundred give the rate, and every other must be what it rounds to; 0 where that is not so.
    """
    first = min(100, int(np.argmin(np.diff(elapsed) > 0)))
    fs = round((first - 1) / elapsed[first - 1]) if first > 10 else 0
    if fs <= 0:
        return 0.0
    coarse = max(_last_digit(part) for part in np.array_split(elapsed, min(8, len(elapsed))))
    even = np.arange(len(elapsed)) / fs
    return float(fs) if coarse < 2 / fs and np.abs(elapsed - even).max() <= 0.501 * coarse else 0.0


def _typical(elapsed: NDArray[np.float64], digit: float) -> float:
    """Median time from row to row, over as many rows as the rounding asks for."""
    median = float(np.median(np.diff(elapsed)))
    lag = int(np.clip(np.ceil(20 * digit / median), 1, max((len(elapsed) - 1) // 4, 1)))
    return max(float(np.median(elapsed[lag:] - elapsed[:-lag])) / lag, 1e-9)


def _fit(elapsed: NDArray[np.float64], place: NDArray[np.int64], step: float, digit: float) -> tuple[float, float]:
    """Rate of the line through times and places, and the largest distance from it in steps; rate 0 if it is none."""
    centred = place - place.mean()
    step = float(centred @ (elapsed - elapsed.mean()) / (centred @ centred))
    if not 1e-9 < step < np.inf:
        return 0.0, 0.0
    whole = max(round(1 / step), 1)
    if np.abs(elapsed - place / whole).max() < _allowed(digit, step):
        return float(whole), 0.0
    seconds = round(step)
    if seconds > 1 and np.abs(elapsed - place * float(seconds)).max() < 0.3:
        return 1 / seconds, 0.0
    distance = elapsed - place * step
    off = float(np.ptp(distance)) / 2 / step
    if np.abs(distance).max() <= 0.01 * step + min(digit, 0.3 * step):
        return 1 / step, 0.0
    uneven = np.abs(np.diff(elapsed) / step - np.diff(place)).max()
    # a few rows fit any line
    return (1 / step, off) if len(place) >= 16 and max(off, uneven / 2) <= 0.25 else (0.0, off)


def spread(values: NDArray[np.float32], place: NDArray[np.int64] | None) -> NDArray[np.float32]:
    """Lay values, shape (channels, n), on the time line: NaN where a place is skipped.

    Examples
    --------
    >>> spread(np.array([[1, 2]], np.float32), np.array([0, 2]))
    array([[ 1., nan,  2.]], dtype=float32)
    """
    if place is None or place[-1] == len(place) - 1:
        return values
    out = np.full((len(values), int(place[-1]) + 1), np.nan, np.float32)
    out[:, place] = values
    return out


def words(name: str) -> set[str]:
    """Words of a name in lower case.

    Examples
    --------
    >>> sorted(words("Unix_timestamp (ms)"))
    ['', 'ms', 'timestamp', 'unix']
    """
    return set(re.split(r"[^\w]+|_", name.lower()))


def in_seconds(path: Path, name: str, unit: str, column: NDArray[np.float64], fs: float | None) -> NDArray[np.float64]:
    """Convert times to seconds: by the unit in their name, by their size if they count from 1970, or as ``fs`` says.

    Raises
    ------
    RecordError
        Times in steps of one or more whose unit is not stated: they may be seconds or milliseconds.
    """
    factor = TO_SECONDS.get(unit.lower()) or TO_SECONDS.get(name.lower())
    factor = factor or next((TO_SECONDS[word] for word in sorted(words(name)) if word in TO_SECONDS), None)
    largest = max(abs(float(np.nanmin(column, initial=0.0))), abs(float(np.nanmax(column, initial=0.0))))
    if factor is None and largest > 1e8:
        # since 1970: seconds until the year 5138, and each finer unit a thousand times as many
        factor = 10.0 ** -(3 * int(np.clip((np.log10(largest) - 8) // 3, 0, 3)))
    if factor is None:
        if unit:
            raise RecordError(str(path), "time column", f"{name} in {unit!r}", "s, ms, us, ns, min or h")
        step = float(np.median(np.diff(column[:1000]))) if len(column) > 1 else np.nan
        if fs and step > 0:  # of the units that a clock has, the one that agrees with the rate stated
            factor = min((1.0, 1e-3, 1e-6, 1e-9), key=lambda unit: abs(np.log(unit * step * fs)))
        elif step >= 1:
            got = f"{name!r} without a unit, in steps of {step:g}"
            hint = f"name it {name}_ms, or state the rate: fs={1000 / step:.4g} if these are ms"
            raise RecordError(str(path), "time column", got, "its unit", hint)
    return column if factor in (None, 1.0) else column * factor


def past_midnight(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let times of day go on where midnight sets them back.

    Examples
    --------
    >>> past_midnight(np.array([86399.0, 0.0, 1.0])).tolist()
    [86399.0, 86400.0, 86401.0]
    """
    back = np.flatnonzero(np.diff(seconds) < -43200)
    if not len(back):
        return seconds
    days = np.zeros(len(seconds))
    days[back + 1] = 1
    return np.asarray(seconds + 86400 * np.cumsum(days))
