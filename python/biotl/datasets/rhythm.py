"""What the RR intervals say of each beat, against several references at once, and which reference is to be trusted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
AROUND = 20
"""Beats on each side of a local reference: long enough for a percentile, short enough to follow the rate."""
CALM = 30
"""Beats on each side over which regularity is judged: fibrillation shows in 30 to 60 intervals."""
RECENT = 8
"""Beats back among which the longest interval is looked for: where a run of early beats began."""
STEADY = 0.02
"""Octaves that the steadiest heart's intervals differ by: what an early beat is measured in is never less."""
RHYTHM_FEATURES = (
    *(
        f"before_to_{name}"
        for name in (
            "median",
            "mean",
            "mode",
            "local_p80",
            "local_mean",
            "local_median",
            "unpaused",
            "longest",
            "recent",
        )
    ),
    *(f"after_to_{name}" for name in ("median", "mode", "local_p80", "local_mean")),
    "before_to_previous",
    "after_to_before",
    "next_to_after",
    "both_to_local_median",
    *(f"before_to_local_p80_{shift:+d}" for shift in (-2, -1, 1, 2)),
    "local_rmssd",
    "local_change",
    "local_turning",
    "local_likeness",
    "local_spread",
    "before_to_spread",
    "change_to_usual",
    "local_persistence",
    "before_to_shortest",
)


def rhythm_features(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float32]:
    """Describe each beat by its intervals.

    No single reference serves every patient: where ectopic beats are the usual ones, ratios to the median see nothing
    and ratios to the longest intervals see everything; in fibrillation it is the other way about. So the ratios stand
    side by side, beside what tells those rhythms apart.

    Parameters
    ----------
    before, after : ndarray of float, shape (m,)
        RR intervals before and after each beat in seconds, all positive.

    Returns
    -------
    ndarray of float32, shape (m, 30)
        Columns `RHYTHM_FEATURES`; ratios as log2, clipped to two octaves either way.

    Examples
    --------
    >>> before = np.array([0.8, 0.8, 0.5, 0.8, 0.8])
    >>> rhythm_features(before, np.append(before[1:], 0.8))[2, 0].round(2)
    np.float32(-0.68)
    """
    if not len(before):
        return np.zeros((0, len(RHYTHM_FEATURES)), np.float32)
    x, y = np.log2(before), np.log2(after)
    median, mean, mode = np.median(x), np.log2(before.mean()), upper_mode(x)
    p80 = local_high(x)
    recent = np.max([shifted(x, -lag) for lag in range(1, RECENT + 1)], axis=0)
    unpaused = local_high(without_pauses(x))
    local_mean = np.log2(around(before, 5).mean(axis=1))
    local_median = np.median(around(x, AROUND), axis=1)
    previous, following = np.append(x[0], x[:-1]), np.append(y[1:], y[-1])
    change = np.abs(np.diff(x, prepend=x[0]))
    turn = np.append(np.append(0, (x[1:-1] - x[:-2]) * (x[1:-1] - x[2:]) > 0), 0)[: len(x)]
    calm, usual_change = around(x, CALM), np.median(around(change, CALM), axis=1)
    columns = [
        *(
            x - reference
            for reference in (median, mean, mode, p80, local_mean, local_median, unpaused, longest(x), recent)
        ),
        *(y - reference for reference in (median, mode, p80, local_mean)),
        x - previous,
        y - x,
        following - y,
        np.log2((before + after) / 2) - local_median,
        *(shifted(x - p80, shift) for shift in (-2, -1, 1, 2)),
        np.sqrt(np.mean(around(change, CALM) ** 2, axis=1)),
        usual_change,
        around(turn, CALM).mean(axis=1),
        _likeness(calm),
        calm.std(axis=1),
        (x - local_median) / (4 * (np.median(np.abs(around(x, AROUND) - local_median[:, None]), axis=1) + STEADY)),
        (x - previous) / (4 * (usual_change + STEADY)),
        _persistence(calm),
        x - np.percentile(around(x, AROUND), 10, axis=1),
    ]
    return np.asarray(
        np.clip(np.stack([np.broadcast_to(c, x.shape) for c in columns], axis=1), -2, 2).astype(np.float32)
    )


def around(x: NDArray[Any], beats: int) -> Floats:
    """Return ``beats`` values before and after each one and itself, mirrored at the ends, shape (m, 2 * beats + 1)."""
    padded = np.pad(np.asarray(x, np.float64), beats, mode="symmetric")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * beats + 1)


def shifted(x: NDArray[Any], shift: int) -> NDArray[Any]:
    """Return the value ``shift`` beats on (or back), the outermost repeated."""
    return np.asarray(x[np.clip(np.arange(len(x)) + shift, 0, len(x) - 1)])


def local_high(x: Floats) -> Floats:
    """80th percentile of the intervals around each beat: the undisturbed rhythm, while two in three are ectopic."""
    return np.asarray(np.percentile(around(x, AROUND), 80, axis=1))


def longest(x: Floats) -> float:
    """90th percentile of the recording: beats after such intervals had the time to come from the sinus node."""
    return float(np.percentile(x, 90))


def without_pauses(x: Floats) -> Floats:
    """Put the mean of both for an interval 10 % longer than the one before: a full pause gives the sinus interval."""
    previous = shifted(x, -1)
    return np.where(x > previous + np.log2(1.1), np.log2((2**x + 2**previous) / 2), x)


def upper_mode(x: Floats) -> float:
    """Return the longest frequent interval: the highest bin of a smoothed histogram with a third of the largest."""
    # bins of 1/16 octave (4 %): the width of a calm rhythm
    count, edges = np.histogram(x, np.arange(-3, 3.001, 1 / 16))
    smooth = np.convolve(count, (0.25, 0.5, 0.25), "same")
    peak = (smooth >= np.roll(smooth, 1)) & (smooth >= np.roll(smooth, -1)) & (smooth >= smooth.max() / 3)
    return float(edges[np.flatnonzero(peak)[-1]] + 1 / 32)


def _likeness(windows: Floats) -> Floats:
    """Share of pairs of intervals within a window that differ by less than 5 %: high where the heart keeps time."""
    near = np.zeros(len(windows))
    width = windows.shape[1]
    for lag in range(1, width):
        near += (np.abs(windows[:, lag:] - windows[:, :-lag]) < np.log2(1.05)).sum(axis=1)
    return np.asarray(near / (width * (width - 1) / 2))


def _persistence(windows: Floats) -> Floats:
    """Correlation of each interval with the next: above 0 where they swing with breathing, below where one is early."""
    apart = windows - windows.mean(axis=1, keepdims=True)
    return np.asarray((apart[:, 1:] * apart[:, :-1]).sum(axis=1) / np.maximum((apart**2).sum(axis=1), 1e-9))
